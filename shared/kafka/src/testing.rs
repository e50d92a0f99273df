//! What tests of other crates need of a cluster. Nothing of it is in the product: it takes the feature `testing`, which only tests ask for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use kernel::lock;

use crate::{
    Acl, ClusterAdministration, ClusterDescription, GroupOffset, GroupOffsets, Groups, KafkaError, KafkaErrorKind, Result, ScramUser,
    TopicConfigs, TopicPartition,
};

/// What a fake answers: this, or an error of this kind with these words.
pub type Answer<T> = Result<T, (KafkaErrorKind, String)>;

/// A cluster that answers what its fields say, and counts what it is asked. At first there is nothing in it.
#[derive(Debug)]
pub struct FakeAdministration {
    /// What [`cluster`](ClusterAdministration::cluster) answers.
    pub cluster: Answer<ClusterDescription>,
    /// What [`groups`](ClusterAdministration::groups) answers.
    pub groups: Answer<Groups>,
    /// What [`group_offsets`](ClusterAdministration::group_offsets) answers of each group; of others, that they have committed nothing.
    pub offsets: BTreeMap<String, Answer<BTreeMap<TopicPartition, Answer<GroupOffset>>>>,
    /// What [`topic_configs`](ClusterAdministration::topic_configs) answers of each topic; others are not there.
    pub configs: BTreeMap<String, Answer<TopicConfigs>>,
    /// What [`acls`](ClusterAdministration::acls) answers.
    pub acls: Answer<Vec<Acl>>,
    /// What [`users`](ClusterAdministration::users) answers.
    pub users: Answer<Vec<ScramUser>>,
    asked: Mutex<BTreeMap<&'static str, usize>>,
}

impl Default for FakeAdministration {
    fn default() -> Self {
        Self {
            cluster: Ok(ClusterDescription::default()),
            groups: Ok(Groups::default()),
            offsets: BTreeMap::new(),
            configs: BTreeMap::new(),
            acls: Ok(Vec::new()),
            users: Ok(Vec::new()),
            asked: Mutex::default(),
        }
    }
}

impl FakeAdministration {
    /// How often a method was called, by its name. `group_offsets` counts for each group, `topic_configs` for each topic.
    pub fn asked(&self, method: &str) -> usize {
        lock(&self.asked).get(method).copied().unwrap_or(0)
    }

    fn count(&self, method: &'static str, times: usize) {
        *lock(&self.asked).entry(method).or_default() += times;
    }
}

#[async_trait]
impl ClusterAdministration for FakeAdministration {
    async fn cluster(&self) -> Result<ClusterDescription> {
        self.count("cluster", 1);
        told("the cluster", &self.cluster)
    }

    async fn groups(&self) -> Result<Groups> {
        self.count("groups", 1);
        told("all consumer groups", &self.groups)
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        self.count("group_offsets", groups.len());
        let of = |group: &String| {
            let Some(offsets) = self.offsets.get(group) else { return Ok(GroupOffsets::new()) };
            let offsets = told(group, offsets)?.into_iter();
            Ok(offsets.map(|(partition, offset)| (partition.clone(), told(&partition.to_string(), &offset))).collect())
        };
        Ok(groups.iter().map(|group| (group.clone(), of(group))).collect())
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        self.count("topic_configs", topics.len());
        Ok(topics.iter().filter_map(|topic| Some((topic.clone(), told(topic, self.configs.get(topic)?)))).collect())
    }

    async fn acls(&self) -> Result<Vec<Acl>> {
        self.count("acls", 1);
        told("the cluster's access control lists", &self.acls)
    }

    async fn users(&self) -> Result<Vec<ScramUser>> {
        self.count("users", 1);
        told("the cluster's SCRAM users", &self.users)
    }
}

fn told<T: Clone>(subject: &str, answer: &Answer<T>) -> Result<T> {
    answer.clone().map_err(|(kind, what)| KafkaError::new(kind, subject, what))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fake_answers_what_it_is_told() {
        let acls = Err((KafkaErrorKind::Denied, "no".to_owned()));
        let mut fake = FakeAdministration { acls, ..FakeAdministration::default() };
        let partition = TopicPartition::new("orders", 0);
        let offset = GroupOffset { offset: 7, metadata: "m".to_owned(), pending: false };
        fake.offsets.insert("billing".to_owned(), Ok(BTreeMap::from([(partition.clone(), Ok(offset.clone()))])));
        let fake: &dyn ClusterAdministration = &fake;
        assert_eq!(fake.acls().await.unwrap_err().kind, KafkaErrorKind::Denied);
        let offsets = fake.group_offsets(&["billing".to_owned(), "other".to_owned()]).await.unwrap();
        assert_eq!(offsets["billing"].as_ref().unwrap()[&partition].as_ref().unwrap(), &offset);
        assert!(offsets["other"].as_ref().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_fake_counts_what_it_is_asked() {
        let fake = FakeAdministration::default();
        fake.group_offsets(&["one".to_owned(), "two".to_owned()]).await.unwrap();
        fake.cluster().await.unwrap();
        assert_eq!((fake.asked("group_offsets"), fake.asked("cluster"), fake.asked("users")), (2, 1, 0));
    }
}
