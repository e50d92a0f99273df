//! The main job: a topic backed up and restored, and nothing more on a second run.

use serde_json::Value;

use crate::compare::assert_identical;
use crate::kafka::{Kafka, Read, unique};
use crate::runner::Runner;

/// Backs up `topic`, verifies, restores into a new topic and compares the records. Then does it all
/// again, which must add nothing. `more` are further keys of the backup's configuration. Returns
/// the new topic's name.
///
/// # Panics
/// If anything differs or fails.
#[track_caller]
pub fn round_trip(kafka: &Kafka, runner: &Runner, topic: &str, more: Value) -> String {
    let copy = unique(&format!("copy-of-{topic}"));
    let backup = runner.backup_config(&[topic], more);
    let restore = runner.restore_config(topic, &copy, Value::Null);
    let source = kafka.dump(topic, Read::Committed);

    runner.back_up(&backup);
    runner.verify(&backup).succeeded();
    runner.restore(&restore);
    let restored = kafka.dump(&copy, Read::Uncommitted);
    assert_identical(&source, &restored);
    assert_eq!(kafka.digest(topic).len(), kafka.digest(&copy).len(), "partitions of {topic} and {copy}");

    let before = runner.list(&backup);
    runner.back_up(&backup);
    assert_eq!(before, runner.list(&backup), "a second backup of an unchanged topic adds nothing");
    runner.restore(&restore);
    assert_identical(&restored, &kafka.dump(&copy, Read::Uncommitted));
    copy
}
