//! Which generation contains each partition of a topic.

use crate::catalog::Generation;

/// The generations of one topic id, up to one of them. A log that lost its end begins again in a
/// newer one; the other partitions stay where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    newest: Generation,
    /// Newest first, down to one in which all partitions began.
    older: Vec<Generation>,
}

impl Lineage {
    /// `older` are the earlier generations of the same topic, newest first. `None` if some
    /// partition began in none of them.
    pub(super) fn new(newest: Generation, older: impl IntoIterator<Item = Generation>) -> Option<Self> {
        let mut lineage = Self { newest, older: Vec::new() };
        let mut older = older.into_iter();
        while lineage.oldest().begins.is_some() {
            lineage.older.push(older.next()?);
        }
        Some(lineage)
    }

    /// One in which all partitions have just begun.
    pub fn of_one(begun: Generation) -> Self {
        Self { newest: begun, older: Vec::new() }
    }

    /// The newest generation.
    pub fn newest(&self) -> &Generation {
        &self.newest
    }

    fn oldest(&self) -> &Generation {
        self.older.last().unwrap_or(&self.newest)
    }

    /// The generation that contains a partition.
    pub fn of(&self, partition: i32) -> &Generation {
        self.all().find(|generation| generation.begins(partition)).unwrap_or_else(|| self.oldest())
    }

    /// Every partition that the topic had, its folder, and whether a segment of it was known.
    pub fn counted(&self) -> impl Iterator<Item = (i32, String, bool)> {
        let partitions = self.newest.all_partitions().into_iter();
        partitions.map(|partition| (partition, self.of(partition).folder(), self.newest.begun.contains(&partition)))
    }

    /// All of them, newest first.
    pub fn all(&self) -> impl Iterator<Item = &Generation> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}
