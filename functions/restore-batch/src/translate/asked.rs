//! Offsets to translate, of readers that store them outside of Kafka (Flink, Spark, Connect's
//! sinks).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use archive::catalog::{RestoreIdentity, RestoredTopic, names};
use archive::{Error, Result};
use kernel::in_full;

use super::{Asked, Place, Places};
use crate::Restore;
use crate::identity::Bound;
use crate::source::is_name_of;

/// An offset of the source topic: `orders/0:5120`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceOffset {
    /// The topic, or a generation of it: `orders@2`.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset for the reader, as groups commit it.
    pub offset: i64,
}

impl FromStr for SourceOffset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (place, offset) = text.rsplit_once(':')?;
            let (topic, partition) = place.rsplit_once('/')?;
            names::parse_topic(topic).filter(|(name, _)| !name.is_empty() && !name.contains('/'))?;
            let offset = offset.parse().ok().filter(|number: &i64| *number >= 0 && number.to_string() == offset)?;
            Some(Self { topic: topic.to_owned(), partition: names::parse_partition(partition)?, offset })
        };
        parse().ok_or_else(|| format!("{text:?} is not topic/partition:offset, as in orders/0:5120"))
    }
}

impl fmt::Display for SourceOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.topic, self.partition, self.offset)
    }
}

/// The result of a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedOffset {
    /// The requested offset.
    pub source: SourceOffset,
    /// The target topic, in the partition of the same number.
    pub target: Option<String>,
    /// The position.
    pub place: Place,
}

impl Restore {
    /// Translates offsets of any partitions of this restore; the results are in the order of the
    /// requests.
    ///
    /// # Errors
    /// There is no such restore, or none of its offsets can be translated; an error of Kafka or of
    /// the bucket. Problems of a single partition or topic are in the results.
    pub async fn translate_offsets(&self, asked: &[SourceOffset]) -> Result<Vec<TranslatedOffset>> {
        let cluster = self.cluster.cluster().await?;
        self.name(&cluster);
        let noted = self.noted().await?;
        let none = || Error::request(format!("restore {:?} has not begun, so there is nothing to translate", self.id()));
        let noted = noted.ok_or_else(none)?;
        noted.check(self.id(), &self.choice(cluster.id))?;
        self.refuse_untranslatable(&noted)?;
        let of = |offset: &SourceOffset| noted.topics.iter().position(|topic| is_name_of(&offset.topic, &topic.folder));
        let mut partitions: BTreeMap<(usize, i32), BTreeSet<i64>> = BTreeMap::new();
        for offset in asked {
            if let Some(index) = of(offset) {
                partitions.entry((index, offset.partition)).or_default().insert(offset.offset);
            }
        }
        let refused = self.not_as_restored(&noted, partitions.keys().map(|(index, _)| *index).collect()).await?;
        let (refused_ones, asked_of): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|((index, _), _)| refused.contains_key(index));
        let questions: Vec<Asked<'_>> =
            asked_of.iter().map(|((index, partition), offsets)| (&noted.topics[*index], *partition, offsets.clone())).collect();
        let places = self.translate(&noted, &questions).await?;
        let mut translated: BTreeMap<(usize, i32), Places> = asked_of.into_iter().map(|(of, _)| of).zip(places).collect();
        translated.extend(refused_ones.into_iter().map(|(of, _)| (of, Err(refused[&of.0].clone()))));
        let answer = |source: &SourceOffset| {
            let index = of(source);
            let place = match index.and_then(|index| translated.get(&(index, source.partition))) {
                None => Place::Unknown(format!("topic {:?} is not part of restore {:?}", source.topic, self.id())),
                Some(Err(why)) => Place::Unknown(why.clone()),
                Some(Ok(places)) => places
                    .get(&source.offset)
                    .cloned()
                    .unwrap_or_else(|| Place::Unknown("there is no result: a defect of this program".into())),
            };
            TranslatedOffset { source: source.clone(), target: index.map(|index| noted.topics[index].target.clone()), place }
        };
        Ok(asked.iter().map(answer).collect())
    }

    /// Which targets of the restore are not the original topics any more, and why.
    async fn not_as_restored(&self, noted: &RestoreIdentity, indexes: BTreeSet<usize>) -> Result<BTreeMap<usize, String>> {
        let topics: Vec<RestoredTopic> = indexes.iter().map(|index| noted.topics[*index].clone()).collect();
        let asked = RestoreIdentity { topics, ..noted.clone() };
        let Bound { bound, there } = self.bound(&asked).await?;
        let refused = indexes.into_iter().zip(&asked.topics).zip(&bound).filter_map(|((index, topic), bound)| {
            let error = self.check_bound(bound.as_ref(), there.get(&topic.target)).err()?;
            Some((index, in_full(&error)))
        });
        Ok(refused.collect())
    }
}
