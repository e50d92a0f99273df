//! Consumer groups and the other state of a cluster except records, through Kafka's own client.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kafka::{Kafka, output};
use crate::record::Record;

/// How a group commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// An administrator commits for the group.
    #[default]
    #[serde(rename = "")]
    Simple,
    /// A member commits, and leaves.
    Classic,
    /// A member commits with the protocol of KIP-848, and leaves.
    Consumer,
}

/// What a group commits on a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// The group.
    pub group: String,
    /// How it commits. The same for all offsets of a group.
    pub protocol: Protocol,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset that it reads.
    pub offset: i64,
    /// The metadata of the offset.
    pub metadata: String,
}

/// What a group reads of a partition, from what it has committed to the end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Resumed {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The committed offset, where it begins.
    pub committed: i64,
    /// The metadata of the offset.
    pub metadata: String,
    /// Only records of committed transactions, with their offsets.
    pub records: Vec<Record>,
}

impl Kafka {
    /// Lets groups commit.
    ///
    /// # Panics
    /// When Kafka refuses one.
    pub fn commit(&self, commits: &[Commit]) {
        let mut child = self.java("Commit").stdin(Stdio::piped()).spawn().expect("java/run starts");
        let mut lines = child.stdin.take().expect("piped");
        for commit in commits {
            writeln!(lines, "{}", serde_json::to_string(commit).expect("JSON")).expect("Commit reads on");
        }
        drop(lines);
        assert!(child.wait().expect("it was started").success(), "Commit failed, see above");
    }

    /// What groups read if they start now, for each partition that one of them has committed on.
    /// They commit nothing.
    ///
    /// # Panics
    /// If a group has committed an offset that does not exist.
    pub fn resumed(&self, groups: &[&str]) -> Vec<Resumed> {
        let mut command = self.java("Resume");
        command.args(groups);
        output(command).lines().map(|line| serde_json::from_str(line).expect("a line of Resume")).collect()
    }

    /// Groups with their offsets and metadata, the configs set on topics, and access control lists:
    /// see `java/State.java`. Groups without a commit are left out.
    pub fn state(&self) -> Value {
        let mut state: Value = serde_json::from_str(&output(self.java("State"))).expect("the line of State");
        state["groups"]
            .as_object_mut()
            .expect("groups")
            .retain(|_, offsets| offsets.as_object().is_some_and(|offsets| !offsets.is_empty()));
        state
    }

    /// A consumer that is a member of a group and commits nothing. It is a member from the return
    /// until it is dropped.
    ///
    /// # Panics
    /// If it cannot join.
    pub fn join(&self, group: &str, topic: &str) -> Joined {
        let mut command = self.java("Member");
        let mut child = command.args([group, topic]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("java/run starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("UTF-8");
        assert_eq!(said, "joined\n", "Member failed, see above");
        Joined(child)
    }
}

/// A consumer that leaves its group with this value.
#[derive(Debug)]
pub struct Joined(Child);

impl Drop for Joined {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
