//! What other clients do to the consumer group with the progress.

use std::path::Path;

use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::Value;

use crate::kafka::{assert_restorable, group_of, numbered, records_in};

#[test]
fn offsets_deleted_and_moved_by_others_lose_nothing_and_double_nothing() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("meddled", 1, &[]);
    let group = group_of(&topic);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    let meddle: [&dyn Fn(); 4] = [
        &|| kafka.delete_offsets(&group, &topic),
        &|| kafka.move_offset(&group, &topic, 7),
        &|| kafka.move_offset(&group, &topic, 345),
        &|| kafka.delete_group(&group),
    ];
    kafka.produce(&topic, &numbered(0, 0..100));
    assert_eq!(records_in(&runner.back_up(&backup)), 100);
    for (round, meddle) in (1..).zip(meddle) {
        kafka.produce(&topic, &numbered(0, 100 * round..100 * (round + 1)));
        meddle();
        assert_eq!(records_in(&runner.back_up(&backup)), 100, "round {round}");
    }
    assert_restorable(&kafka, &runner, &backup, &topic);
}

/// Kafka refuses commits of another client for a group with members. The backup reports this. What
/// it has read until then is kept and adopted later.
#[test]
fn a_group_with_a_live_member_is_refused_and_named() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("shared", 1, &[]);
    let group = group_of(&topic);
    kafka.produce(&topic, &numbered(0, 0..100));
    let member = kafka.subscribe(&group, &topic);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    let outcome = runner.run([Path::new("backup"), &backup, Path::new("--once")]);
    outcome.failed_with(&[&format!("consumer group {group}"), "Stop its members, or set a GROUP_ID that only the backup uses"]);
    member.leave();
    kafka.produce(&topic, &numbered(0, 100..150));
    runner.back_up(&backup);
    assert_restorable(&kafka, &runner, &backup, &topic);
}
