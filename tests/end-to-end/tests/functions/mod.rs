//! The functions on their platforms, with a real Kafka and a real bucket.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "measurements are for reading")]

mod azure;
mod budget;
mod cold_start;
mod fifty;
mod lambda;

use end_to_end::kafka::{Kafka, unique};
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{require_kafka, require_minio};
use serde_json::Value;

/// Kafka, and a runner whose backups are in MinIO under their own prefix.
fn on_minio() -> Option<(Kafka, Runner)> {
    let (kafka, minio) = (require_kafka()?, require_minio()?);
    let runner = Runner::on(&kafka, Store::Minio(minio, unique("prefix")));
    Some((kafka, runner))
}

/// Whether a report of a backup has nothing left to do.
fn is_backed_up(report: &Value) -> bool {
    report["lag_records"] == 0
}

/// Whether a report of a restore has nothing left to do.
fn is_restored(report: &Value) -> bool {
    report["caught_up"] == true
}
