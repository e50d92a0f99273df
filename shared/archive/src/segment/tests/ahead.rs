//! What prefetching saves, and that it changes nothing else.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use store::ObjectStore;

use super::*;
use crate::testing::DistantStore;

const LATENCY: Duration = Duration::from_millis(300);

/// Eight stretches.
fn small_stretches() -> ReadOptions {
    ReadOptions { stretch: 1 << 20, ..options(1) }
}

async fn segment() -> (Vec<Owned>, FinishedSegment) {
    let records = noisy_records(80);
    let written = write(spec(100, GZIP), 1, &records, 180).await;
    (records, written)
}

/// All records, with this much memory to prefetch.
async fn read_with(store: Arc<dyn ObjectStore>, memory: u64) -> crate::Result<(Vec<Owned>, Sidecar)> {
    let mut reader = SegmentReader::open(store, NAME, small_stretches()).await?;
    reader.read_ahead(ReadAhead::new(ReadBudget::new(memory)));
    let mut found = Vec::new();
    while let Some(group) = reader.next_group().await? {
        let mut records = group.records();
        while let Some(record) = records.next()? {
            found.push(Owned::of(&record));
        }
    }
    Ok((found, reader.sidecar()))
}

#[tokio::test]
async fn what_a_distant_store_takes_is_waited_for_once() {
    let (records, written) = segment().await;
    let store = DistantStore::new(Arc::new(stored(&written, NAME)), LATENCY);
    let mut taken = Vec::new();
    for memory in [0, 1 << 30] {
        let (found, took) = store.time(read_with(Arc::new(store.clone()), memory)).await;
        assert_eq!(found.unwrap(), (records.clone(), Sidecar::Matches));
        taken.push(took);
    }
    assert!(taken[0] >= LATENCY * 10, "head, stretches, .sha256: {taken:?}");
    assert!(taken[1] <= LATENCY * 4, "head, the first stretches, the others: {taken:?}");
    assert!(store.reads().values().all(|times| times % 2 == 0), "as many requests: {:?}", store.reads());
}

/// A request takes a third of a second: the depth grows each time that one was waited for, and
/// never exceeds the memory.
#[tokio::test]
async fn it_reads_as_far_ahead_as_memory_allows() {
    let (_, written) = segment().await;
    for (stretches, most) in [(1, 2), (3, 4)] {
        let store = DistantStore::new(Arc::new(stored(&written, NAME)), LATENCY);
        let (found, _) = store.time(read_with(Arc::new(store.clone()), stretches * 1_200_000)).await;
        found.unwrap();
        assert!(store.most_under_way() <= most, "{stretches}: {}", store.most_under_way());
    }
}

#[tokio::test]
async fn a_request_ahead_that_fails_is_sent_again() {
    let (records, written) = segment().await;
    for broken in 1..12 {
        let count = AtomicU32::new(0);
        let faults = move |operation, _: &str| match operation {
            Operation::GetRange if count.fetch_add(1, Ordering::Relaxed) == broken => Fault::Before(StoreErrorKind::Unavailable),
            _ => Fault::None,
        };
        let store = FaultyStore::new(Arc::new(stored(&written, NAME)), faults);
        assert_eq!(read_with(Arc::new(store), 1 << 30).await.unwrap(), (records.clone(), Sidecar::Matches), "request {broken}");
    }
}

/// Damage after the wanted records is found when it is reached, and what comes before it is
/// returned.
#[tokio::test]
async fn damage_ahead_is_found_where_it_is() {
    let (records, written) = segment().await;
    let mut bytes = written.body.to_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let store = stored(&written, NAME);
    store.overwrite(NAME, bytes);
    let mut reader = SegmentReader::open(Arc::new(store), NAME, small_stretches()).await.unwrap();
    reader.read_ahead(ReadAhead::new(ReadBudget::new(1 << 30)));
    let mut found = 0;
    let error = loop {
        match reader.next_group().await {
            Ok(group) => {
                let group = group.expect("an error before the end");
                let mut records = group.records();
                while records.next().unwrap().is_some() {
                    found += 1;
                }
            }
            Err(error) => break error,
        }
    };
    assert!((30..records.len() / 2 + 10).contains(&found) && error.to_string().contains("CRC-32C"), "{found}: {error}");
    assert!(reader.next_group().await.is_err(), "it is not gone past");
}
