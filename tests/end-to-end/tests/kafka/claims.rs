//! Which restore a target topic belongs to, and that it stays the topic that it was.

use std::path::Path;

use end_to_end::cluster::Cluster;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::runner::{Runner, finish};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{LONG_AGO, files_below, numbered, records_in, until_it_has};

const UNTIL_CAUGHT_UP: &str = "--until-caught-up";

/// Two restores with different ids into one topic at the same time. One of them claims it, the
/// other is refused, and no record is there twice.
#[test]
fn two_restores_at_once_do_not_share_a_topic() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 4, &[]);
    (0..4).for_each(|partition| kafka.produce(&topic, &numbered(partition, 0..500)));
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 100})));
    let copy = kafka.create_topic("shared", 4, &[]);
    let ids = [unique("one"), unique("other")];
    let of = |id: &str, more: Value| {
        let mut keys = json!({"RESTORE_ID": id});
        keys.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let config = runner.restore_config(&topic, &copy, keys);
        let own = config.with_file_name(format!("{id}.json"));
        std::fs::rename(&config, &own).expect("a file can be renamed");
        own
    };
    let configs = ids.clone().map(|id| of(&id, Value::Null));
    let runs = configs.each_ref().map(|config| runner.spawn([Path::new("restore"), config, Path::new(UNTIL_CAUGHT_UP)]));
    let [one, other] = runs.map(finish);
    let (winner, loser) = if one.status.success() { (0, other) } else { (1, one) };
    loser.failed_with(&["belongs to restore", &ids[winner], "Set another RESTORE_TOPIC_NAME"]);
    runner.restore(&configs[winner]);
    assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));

    // RESTORE_ANYWAY lets another restore follow a finished one. The first one does not continue
    // then.
    let anyway = of(&ids[1 - winner], json!({"RESTORE_ANYWAY": "not-empty"}));
    assert_eq!(records_in(&runner.restore(&anyway)), 2000);
    assert_eq!(kafka.dump(&copy, Read::Committed).len(), 4000);
    kafka.produce(&topic, &numbered(0, 500..510));
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    let outcome = runner.run([Path::new("restore"), &configs[winner], Path::new(UNTIL_CAUGHT_UP)]);
    outcome.failed_with(&["belongs to restore", &ids[1 - winner]]);
    assert_eq!(records_in(&runner.restore(&anyway)), 10);
}

/// The records before a bad deploy, and then those after it, into one topic.
#[test]
fn until_then_from_into_one_topic() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..100));
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10})));
    let copy = unique("copy");
    let moment = |n| jiff::Timestamp::from_millisecond(LONG_AGO + n).expect("a time").to_string();
    let until = runner.restore_config(&topic, &copy, json!({"RESTORE_ID": unique("until"), "RESTORE_UNTIL": moment(40)}));
    let outcome = runner.run([Path::new("restore"), &until, Path::new("--once")]).succeeded();
    assert_eq!(outcome.reports().last().map(|report| report["caught_up"] == true), Some(false));
    let until = std::fs::read(&until).expect("it was written");
    let from = json!({"RESTORE_ID": unique("from"), "RESTORE_FROM": moment(60), "RESTORE_ANYWAY": "not-empty"});
    let from = runner.restore_config(&topic, &copy, from);
    let outcome = runner.run([Path::new("restore"), &from, Path::new(UNTIL_CAUGHT_UP)]);
    outcome.failed_with(&["belongs to restore", "is not finished", "run that until it is complete", "@target"]);
    let first = from.with_file_name("until.json");
    std::fs::write(&first, until).expect("it can be written");
    runner.restore(&first);
    assert_eq!(records_in(&runner.restore(&from)), 40);
    assert_identical(&[numbered(0, 0..40), numbered(0, 60..100)].concat(), &kafka.dump(&copy, Read::Uncommitted));
}

/// Between two invocations the target is deleted and created again. Kafka's progress is deleted
/// with it.
#[test]
fn a_target_that_was_made_again_is_not_gone_on_with() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..100));
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10})));
    let copy = unique("copy");
    let restore = runner.restore_config(&topic, &copy, Value::Null);
    runner.run([Path::new("restore"), &restore, Path::new("--once")]).succeeded();
    kafka.delete_topic(&copy);
    kafka.create_topic_named(&copy, 1, &[]);
    let outcome = runner.run([Path::new("restore"), &restore, Path::new(UNTIL_CAUGHT_UP)]);
    outcome.failed_with(&["was deleted since", "another one", "choose a new RESTORE_ID"]);
    assert_eq!(kafka.high_watermarks(&copy)[&0], 0, "nothing was written");
}

/// The brokers create topics for producers that ask for them. The restore's producers do not ask,
/// and the restore reports that its target is gone.
#[test]
fn a_target_that_is_deleted_during_a_restore_stays_deleted() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start_with(&shared, 1, &["auto.create.topics.enable=true"]);
    deleted_meanwhile(&cluster.kafka, |_| ());
}

/// The same if someone else creates it again.
#[test]
fn a_target_that_is_made_again_during_a_restore_is_not_complete() {
    let Some(kafka) = require_kafka() else { return };
    deleted_meanwhile(&kafka, |copy| kafka.create_topic_named(copy, 1, &[]));
}

fn deleted_meanwhile(kafka: &Kafka, then: impl FnOnce(&str)) {
    let topic = kafka.create_topic("source", 1, &[]);
    kafka.bulk(&topic, 2_000, 200);
    let runner = Runner::on_folder(kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 100})));
    let (copy, client) = (unique("copy"), unique("slow"));
    // Slow enough that the restore runs for a while.
    kafka.throttle(&client, 20_000);
    let restore = runner.restore_config(&topic, &copy, json!({"KAFKA_PROPERTIES": {"client.id": client}}));
    let mut child = runner.spawn([Path::new("restore"), &restore, Path::new(UNTIL_CAUGHT_UP)]);
    until_it_has(&mut child, || files_below(&runner.backups(), "/0.json") > 0);
    assert!(child.try_wait().expect("it was started").is_none(), "the restore was done before its target was deleted");
    kafka.delete_topic(&copy);
    then(&copy);
    let is_made_again = kafka.topic_exists(&copy);
    let says = if is_made_again { "was deleted since" } else { "no longer exists" };
    finish(child).failed_with(&["restored into a topic", says, "hoose a new RESTORE_ID"]);
    assert_eq!(kafka.topic_exists(&copy), is_made_again);
}
