//! Buckets for the tests of commands that read them.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use archive::catalog::Generation;
use archive::testing;
use store::ObjectStore;
use store::testing::{Fault, FaultyStore, MemoryStore, Operation};

/// Adds a `topic.json`.
pub(crate) fn add_topic(store: &MemoryStore, topic: &str) {
    add_topic_with(store, topic, |_| {});
}

/// The same, changed by `change`.
pub(crate) fn add_topic_with(store: &MemoryStore, topic: &str, change: impl FnOnce(&mut Generation)) {
    let mut generation = testing::generation(topic);
    change(&mut generation);
    testing::add_generation(store, &generation);
}

/// Adds a segment with a record for each of these offsets, and its `.sha256`. Returns its name.
pub(crate) async fn add_segment(store: &MemoryStore, topic: &str, partition: i32, offsets: Range<i64>) -> String {
    testing::add_segment(store, topic, partition, offsets, 1_700_000_000_000).await
}

/// Adds a snapshot of these topics, partitions and committed offsets. Returns its name.
pub(crate) async fn add_snapshot<const N: usize>(store: &MemoryStore, backed_up: [(&str, i32, i64); N]) -> String {
    let of = backed_up.map(|(topic, partition, backed_up)| (topic, topic, partition, backed_up));
    testing::add_snapshot(store, &testing::snapshot(1_700_000_000_000, of)).await
}

/// The same store, whose calls fail as `faults` decides.
pub(crate) fn failing(store: MemoryStore, faults: impl Fn(Operation, &str) -> Fault + Send + Sync + 'static) -> Arc<dyn ObjectStore> {
    Arc::new(FaultyStore::new(Arc::new(store), faults))
}

thread_local! {
    /// What this thread prints, while a test keeps it.
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Whether a test keeps what this thread prints. Then this text is added to it.
pub(crate) fn is_kept(text: &str) -> bool {
    KEPT.with_borrow_mut(|kept| kept.as_mut().map(|kept| kept.extend([text, "\n"])).is_some())
}

/// Everything that this thread prints in `command`, and its result.
pub(crate) async fn kept<T>(command: impl Future<Output = T>) -> (T, String) {
    KEPT.set(Some(String::new()));
    let result = command.await;
    (result, KEPT.take().unwrap_or_default())
}
