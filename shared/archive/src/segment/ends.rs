//! Which backed-up ends of chains are missing.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use store::ObjectStore;

use super::{ReadOptions, SegmentReader};
use crate::catalog::{Inventory, Missing, find_last, find_next};
use crate::{Error, Result};

/// Partitions that are checked in parallel.
const AT_ONCE: usize = 16;

/// What is missing of these partitions, according to the inventory. One or two requests per
/// partition whose chain continues after what was backed up, a few for the others. Does not look
/// for holes before the end. Read the inventory first: what is backed up meanwhile is no loss.
///
/// # Errors
/// An error of the store. A damaged last segment is not missing.
pub async fn missing_ends(
    store: &Arc<dyn ObjectStore>,
    inventory: &Inventory,
    partitions: Vec<(String, i32)>,
) -> Result<Vec<(String, i32, Missing)>> {
    let found = stream::iter(partitions).map(|(folder, partition)| missing_end(store, inventory, folder, partition));
    let found: Vec<Option<(String, i32, Missing)>> = found.buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn missing_end(
    store: &Arc<dyn ObjectStore>,
    inventory: &Inventory,
    folder: String,
    partition: i32,
) -> Result<Option<(String, i32, Missing)>> {
    let Some(kept) = inventory.folders.get(&folder).and_then(|kept| kept.partitions.get(&partition)) else { return Ok(None) };
    if find_next(store.as_ref(), &folder, partition, kept.backed_up).await?.is_some() {
        return Ok(None);
    }
    let missing = match chain_end(store, &folder, partition, 0).await {
        Ok(end) => inventory.missing(&folder, partition, end),
        Err(Error::Segment(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(missing.map(|missing| (folder, partition, missing)))
}

/// The ends of the chains of these partitions, in the same order. Each is searched from the offset
/// next to it; `None`: there is no segment. A few requests per partition, 16 in parallel.
pub async fn chain_ends(store: &Arc<dyn ObjectStore>, partitions: Vec<(String, i32, i64)>) -> Vec<Result<Option<i64>>> {
    let ends = stream::iter(partitions);
    let ends = ends.map(|(folder, partition, from)| async move { chain_end(store, &folder, partition, from).await });
    ends.buffered(AT_ONCE).collect().await
}

async fn chain_end(store: &Arc<dyn ObjectStore>, folder: &str, partition: i32, from: i64) -> Result<Option<i64>> {
    let Some(last) = find_last(store.as_ref(), folder, partition, from).await? else { return Ok(None) };
    Ok(Some(SegmentReader::open(store.clone(), &last.name, ReadOptions::default()).await?.manifest().next))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::{Delete, MemoryStore};

    use super::*;
    use crate::testing::{add_segment, add_snapshot, snapshot};

    #[tokio::test]
    async fn ends_that_were_backed_up_and_are_gone_are_found() {
        let store = MemoryStore::new();
        let mut last = Vec::new();
        for partition in 0..4 {
            add_segment(&store, "orders", partition, 0..10, 0).await;
            last.push(add_segment(&store, "orders", partition, 10..20, 0).await);
        }
        add_snapshot(&store, &snapshot(0, [0, 1, 2, 3, 4].map(|partition| ("orders", "orders", partition, 20)))).await;
        add_segment(&store, "orders", 3, 20..30, 0).await;
        let inventory = Inventory::read(&store, None, 0).await.unwrap();
        store.delete(&last[1]).await.unwrap();
        store.overwrite(&last[2], "damaged");
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let partitions: Vec<_> = (0..5).map(|partition| ("orders".to_owned(), partition)).collect();
        let ends = async |from| -> Vec<_> {
            let partitions = partitions.iter().map(|(folder, partition)| (folder.clone(), *partition, from));
            chain_ends(&store, partitions.collect()).await.into_iter().map(Result::ok).collect()
        };
        assert_eq!(ends(0).await, [Some(Some(20)), Some(Some(10)), None, Some(Some(30)), Some(None)]);
        assert_eq!(ends(20).await, [Some(None), Some(None), Some(None), Some(Some(30)), Some(None)]);
        let found = missing_ends(&store, &inventory, partitions).await.unwrap();
        let found: Vec<_> = found.iter().map(|(folder, partition, missing)| (folder.as_str(), *partition, missing.is_all)).collect();
        assert_eq!(found, [("orders", 1, false), ("orders", 4, true)]);
    }
}
