use std::io::Write;

use archive::catalog::{
    BackedUp, Binding, Checkpoint, Claim, Finished, Generations, Moment, PartitionStates, RestoreIdentity, Snapshot, Snapshots, names,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use store::testing::MemoryStore;

use super::wait_for;

/// The JSON objects of a bucket: refused, or their names lead to no other place, and counting them
/// takes bounded time.
pub fn objects(input: &[u8]) {
    let store = MemoryStore::new();
    let at = 1_795_957_500_000;
    let series = names::snapshot_prefix(Some("kafka-1"), "backup");
    let snapshot = names::snapshot(&series, at);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(input).expect("memory takes it");
    store.overwrite(&snapshot, gzip.finish().expect("memory takes it"));
    let claim = names::claim(Some("dr"), None, "orders");
    let json = [
        names::topic_json("orders"),
        names::restore_json("drill"),
        names::binding("drill", "orders"),
        names::checkpoint("drill", "orders", 0),
        names::finished("drill"),
        claim.clone(),
    ];
    json.iter().for_each(|name| store.overwrite(name, input.to_vec()));
    wait_for(async {
        let _ = Generations::of(&store, "orders").get(1).await;
        let _ = Generations::of(&store, "orders").lineage(1).await;
        let _ = Binding::load(&store, "drill", "orders").await;
        let _ = Claim::load(&store, &claim).await;
        let _ = Finished::load(&store, "drill").await;
        if let Ok(Some((checkpoint, _))) = Checkpoint::load(&store, "drill", "orders", 0).await {
            checkpoint.save(&MemoryStore::new(), "drill", "orders", None).await.expect("what was read can be written");
        }
        if let Ok(Some(identity)) = RestoreIdentity::load(&store, "drill").await {
            assert!(identity.topics.iter().all(|topic| !topic.folder.contains('/') && !topic.folder.starts_with('@')), "{identity:?}");
            let _ = identity.check("drill", &identity.choice);
            let copy = MemoryStore::new();
            let again = identity.clone().begin(&copy, "drill").await.expect("what was read can be written");
            assert_eq!(RestoreIdentity::load(&copy, "drill").await.ok().flatten(), Some(again), "restore.json changed");
        }
        let _ = Moment::newest(&store, &series, None, at).await;
        let _ = Snapshots::of(&store).newest_of_each_day(&series, at).await;
        if let Ok(snapshot) = Snapshot::read(&store, &snapshot).await {
            let mut backed_up = BackedUp::default();
            backed_up.add(&snapshot);
            snapshot.states().take(1_000).for_each(|state| _ = backed_up.judge(state));
        }
    });
}
