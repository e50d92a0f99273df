//! Which generation a topic's name without a number means, and which others exist.

use std::collections::BTreeSet;

use store::ObjectStore;

use crate::catalog::{Generation, Generations, names, partition_folders};
use crate::{Error, Result};

impl Generations<'_> {
    /// The numbers from 2 on that have objects in the bucket, in order. One request more than there
    /// are; requires no permission to read an object.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn later(&self) -> Result<BTreeSet<u32>> {
        let prefix = names::generation_prefix(self.topic);
        let (mut found, mut after) = (BTreeSet::new(), String::new());
        loop {
            let page = self.store.list(&prefix, &after, 1).await?;
            let Some(first) = page.objects.first() else { return Ok(found) };
            let Some((folder, _)) = first.name.split_once('/') else {
                after.clone_from(&first.name);
                continue;
            };
            found.extend(names::parse_topic_folder(folder).map(|(_, number)| number));
            after = names::after_folder(folder);
        }
    }

    /// Whether there is any object of the first one.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn has_first(&self) -> Result<bool> {
        Ok(!self.store.list(&format!("{}/", names::topic_folder(self.topic, 1)), "", 1).await?.objects.is_empty())
    }

    /// The newest generation, among the `later` ones and the first. One without topic.json counts:
    /// an older state must not pass for the newest.
    ///
    /// # Errors
    /// Generations of several clusters, and none of them is the newest. A `topic.json` that cannot
    /// be read.
    pub async fn newest(&self, later: &BTreeSet<u32>) -> Result<u32> {
        let Some(newest) = later.last() else { return Ok(1) };
        let mut known: Vec<Generation> = Vec::new();
        for number in std::iter::once(1).chain(later.iter().copied()) {
            known.extend(self.get(number).await?.map(|(generation, _)| generation));
        }
        let clusters: BTreeSet<&str> = known.iter().filter_map(|generation| generation.cluster_id.as_deref()).collect();
        if clusters.len() < 2 {
            return Ok(*newest);
        }
        let all: Vec<String> = known.iter().map(of_cluster).collect();
        Err(Error::request(format!(
            "the generations of topic {:?} at {} are of {} clusters: {}. Set BACKUP_CLUSTER to one of them, or name a \
             generation with its number: BACKUP_TOPIC_NAME={}",
            self.topic,
            self.store.location(""),
            clusters.len(),
            all.join(", "),
            names::generation(self.topic, *newest)
        )))
    }

    /// The newest generation of a cluster, among the `later` ones and the first. One without
    /// topic.json may be of it, so it counts. `None`: all are of other clusters.
    ///
    /// # Errors
    /// A `topic.json` that cannot be read.
    pub async fn newest_of(&self, cluster: &str, later: &BTreeSet<u32>) -> Result<Option<u32>> {
        for number in later.iter().rev().copied().chain([1]) {
            let found = self.get(number).await?;
            if found.is_none_or(|(generation, _)| generation.cluster_id.is_none_or(|of| of == cluster)) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// The newest generation of each cluster, in order. Includes those whose topic.json is
    /// unreadable or missing.
    ///
    /// # Errors
    /// An error of the store when listing names.
    pub async fn newest_of_each_cluster(&self) -> Result<BTreeSet<u32>> {
        let later = self.later().await?;
        let newest = later.last().copied().unwrap_or(1);
        if newest == 1 {
            return Ok(BTreeSet::from([1]));
        }
        let mut wanted = BTreeSet::from([newest]);
        let mut clusters = BTreeSet::new();
        for number in std::iter::once(1).chain(later).rev() {
            let is_wanted = match self.get(number).await {
                Ok(found) => found.and_then(|(generation, _)| generation.cluster_id).is_some_and(|cluster| clusters.insert(cluster)),
                Err(_) => true,
            };
            if is_wanted {
                wanted.insert(number);
            }
        }
        Ok(wanted)
    }
}

fn of_cluster(generation: &Generation) -> String {
    let name = names::generation(&generation.topic, generation.generation);
    generation.cluster_id.as_ref().map_or_else(|| format!("{name} of an unknown one"), |cluster| format!("{name} of {cluster:?}"))
}

/// The topics to name instead of a missing one, or that the place is a topic's own folder. Names in
/// a bucket can be anything, so they are quoted.
///
/// # Errors
/// An error of the store.
pub async fn what_is_there(store: &dyn ObjectStore) -> Result<String> {
    let folders = store.folders("").await?;
    if let Some(hint) = own_folder(store, &folders).await? {
        return Ok(hint);
    }
    let found: Vec<(&str, u32)> = folders.iter().filter_map(|folder| names::parse_topic_folder(folder)).collect();
    let name = |(topic, number): &(&str, u32)| {
        let is_alone = found.iter().filter(|(other, _)| other == topic).count() == 1;
        if is_alone && *number == 1 { format!("{topic:?}") } else { format!("{:?}", names::generation(topic, *number)) }
    };
    let topics: Vec<String> = found.iter().map(name).collect();
    Ok(if topics.is_empty() { "there are no topics".to_owned() } else { format!("there are: {}", topics.join(", ")) })
}

/// Whether the place itself is the folder of a topic: it has partitions and topic.json, or archives
/// of the Python tool directly below partitions.
async fn own_folder(store: &dyn ObjectStore, folders: &[String]) -> Result<Option<String>> {
    let Some(first) = folders.iter().find(|folder| names::parse_partition(folder).is_some()) else { return Ok(None) };
    let has_topic_json = store.list("topic.json", "", 1).await?.objects.iter().any(|object| object.name == "topic.json");
    let has_files = partition_folders(store, first).await?.is_empty()
        && store.list(&format!("{first}/"), "", 1).await?.objects.iter().any(|object| object.name.matches('/').count() == 1);
    let are_all_partitions = folders.iter().all(|folder| names::parse_partition(folder).is_some());
    Ok((has_topic_json || (has_files && are_all_partitions)).then(|| {
        "this place is the folder of one topic (it contains partitions), not the folder that contains topics. Remove the last part of \
         FILESYSTEM_BACKUP_DIR (with LINUX) or of STORAGE_PREFIX, and set BACKUP_TOPIC_NAME to that part. With LINUX, a restore also works without \
         BACKUP_TOPIC_NAME"
            .to_owned()
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;

    fn store(generations: &[(&str, Option<&str>)]) -> MemoryStore {
        let store = MemoryStore::new();
        for (folder, cluster) in generations {
            let (topic, number) = names::parse_topic_folder(folder).unwrap();
            let cluster = cluster.map_or(String::new(), |cluster| format!(r#""cluster_id":"{cluster}","#));
            store.overwrite(
                &names::topic_json(folder),
                format!(
                    r#"{{"format_version":1,"topic":"{topic}","generation":{number},{cluster}"partitions":1,"configs":{{}},"packing":"gzip","reason":"first","at":0}}"#
                ),
            );
            store.overwrite(&format!("{folder}/0/00000000000000000000.tar.gz"), "a segment");
        }
        store
    }

    async fn newest(store: &MemoryStore) -> Result<u32> {
        let generations = Generations::of(store, "orders");
        generations.newest(&generations.later().await?).await
    }

    #[tokio::test]
    async fn the_newest_generation_is_the_one_with_the_largest_number() {
        assert_eq!(newest(&store(&[])).await.unwrap(), 1);
        assert_eq!(newest(&store(&[("orders", None)])).await.unwrap(), 1);
        let all: Vec<String> = (1..=11).map(|number| names::topic_folder("orders", number)).collect();
        let all: Vec<(&str, Option<&str>)> = all.iter().map(|folder| (folder.as_str(), Some("a"))).collect();
        let many = store(&all);
        for name in ["orders@x/0/x", "orders@12", "orders@10a/x", "orders-2/topic.json", "orders@02/topic.json"] {
            many.overwrite(name, "of another program");
        }
        assert_eq!(newest(&many).await.unwrap(), 11);
        assert_eq!(Generations::of(&many, "orders").later().await.unwrap(), (2..=11).collect());
    }

    #[tokio::test]
    async fn a_generation_without_its_topic_json_does_not_make_an_older_one_the_newest() {
        let store = store(&[("orders", Some("a")), ("orders@2", Some("a"))]);
        store.overwrite("orders@4/0/00000000000000000000.tar.gz", "a segment");
        assert_eq!(newest(&store).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn of_several_clusters_none_is_the_newest() {
        let store = store(&[("orders", Some("a")), ("orders@2", Some("b")), ("orders@3", Some("a"))]);
        let error = newest(&store).await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_retryable() && text.contains("orders@2 of \"b\"") && text.contains("BACKUP_TOPIC_NAME=orders@3"), "{text}");
        let generations = Generations::of(&store, "orders");
        assert_eq!(generations.newest_of_each_cluster().await.unwrap(), BTreeSet::from([2, 3]));
    }

    #[tokio::test]
    async fn the_folder_of_a_topic_is_told_from_one_of_topics() {
        let of_topics = store(&[("orders", None), ("bills", None), ("bills@2", None)]);
        assert_eq!(what_is_there(&of_topics).await.unwrap(), r#"there are: "bills@1", "bills@2", "orders""#);
        // Topics can have such names.
        assert_eq!(what_is_there(&store(&[("0", None), ("1", None)])).await.unwrap(), r#"there are: "0", "1""#);
        for names in [["topic.json", "0/00000000000000000000.tar.gz"], ["0/20261123-072346.tar.gz", "1/20261123-072346.tar.gz"]] {
            let store = MemoryStore::new();
            names.iter().for_each(|name| store.overwrite(name, "x"));
            let told = what_is_there(&store).await.unwrap();
            assert!(told.contains("folder of one topic") && told.contains("BACKUP_TOPIC_NAME"), "{told}");
        }
    }
}
