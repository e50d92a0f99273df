#![allow(clippy::unwrap_used)]

mod delete;
mod failures;
mod multipart;
mod real;
mod writes;

use std::time::Duration;

use kernel::Secret;

use super::*;

/// Settings of a server on this machine.
fn settings(endpoint: &str) -> S3Store {
    S3Store {
        bucket: "bucket".into(),
        endpoint: Some(endpoint.into()),
        region: None,
        path_style: true,
        credentials: Some(("key".into(), Secret::new("secret"))),
        kms_key: None,
        storage_class: None,
    }
}

/// `tries` tries, without pauses, and without patience with a server that throttles.
fn policy(tries: u32) -> RetryPolicy {
    RetryPolicy { tries, first_pause: Duration::ZERO, patience: Duration::ZERO, ..RetryPolicy::default() }
}

async fn store(endpoint: &str, tries: u32) -> S3BucketStore {
    S3BucketStore::connect(&settings(endpoint), policy(tries), &Deadline::unset()).await.unwrap()
}
