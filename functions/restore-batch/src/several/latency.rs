//! How often a restore waits for a slow store: what it asks for at the same time is waited for
//! once.

use std::sync::Arc;
use std::time::Duration;

use archive::catalog::Generation;
use archive::testing::{DistantStore, add_generation, add_segment, generation};
use host::Budget;

use super::targets::Targets;
use crate::{Invocation, Restore, RestoreReport};

const LATENCY: Duration = Duration::from_millis(300);

/// The bucket, `LATENCY` away, and a restore out of it that looks and reads ahead, on one thread.
fn distant(targets: &Targets) -> (DistantStore, Restore) {
    let store = DistantStore::new(targets.bucket.clone(), LATENCY);
    let restore = Restore::new(Arc::new(targets.clone()), Arc::new(store.clone()), targets.settings.clone(), Arc::new(targets.clone()));
    (store, Restore { decompressors: 1, ..restore })
}

/// An invocation, and how often it waited.
async fn rounds(store: &DistantStore, restore: &Restore) -> (RestoreReport, u32) {
    let invocation = Invocation::new(Budget::unlimited(None));
    let (report, took) = store.time(restore.invoke(&invocation)).await;
    (report.unwrap(), u32::try_from(took.as_millis() / LATENCY.as_millis()).unwrap())
}

/// `orders`, with segments of ten records in each partition.
async fn orders(partitions: i32, segments: i64) -> Targets {
    let targets = Targets::new();
    add_generation(&targets.bucket, &Generation { partitions, ..generation("orders") });
    for partition in 0..partitions {
        for start in 0..segments {
            add_segment(&targets.bucket, "orders", partition, start * 10..start * 10 + 10, 0).await;
        }
    }
    targets
}

/// At the beginning: restore.json, snapshots, the topic's folder, restore.json again, the first
/// partition's listing, its first segment, the binding and the claim (two each); at the end a
/// checkpoint. In between each partition waits for its checkpoint, and for its other segments,
/// which are small. One request after another there were 9 of each partition.
#[tokio::test]
async fn the_next_partitions_are_looked_up_while_one_is_restored() {
    for (partitions, most_begun, most_again) in [(1, 14, 6), (4, 23, 8), (8, 35, 10)] {
        let targets = orders(partitions, 5).await;
        let (store, restore) = distant(&targets);
        let (report, begun) = rounds(&store, &restore).await;
        assert!(report.succeeded && report.records == 50 * partitions.unsigned_abs() as u64, "{report:?}");
        let (report, again) = rounds(&store, &restore).await;
        assert!(report.succeeded && report.caught_up && report.records == 0, "{report:?}");
        assert!(begun <= most_begun && again <= most_again, "{partitions} partitions: {begun} {again}");
    }
}
