//! On Azure Functions: the main job through the custom handler's contract.

use std::thread;

use end_to_end::azure::{FunctionApp, first_tick, payload};
use end_to_end::function::{Function, wait_until};
use end_to_end::kafka::unique;
use serde_json::{Value, json};

use crate::functions::on_minio;

/// Many ticks in every form that the host sends, whole and in chunks, some at the same time. Then a
/// graceful stop.
#[test]
fn a_topic_comes_back_tick_by_tick() {
    let Some((kafka, runner)) = on_minio() else { return };
    let topic = kafka.create_topic("azure", 3, &[]);
    kafka.bulk(&topic, 9_000, 300);
    let copy = unique("copy");
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 500, "TIME_BUDGET_SECONDS": 60}));
    let restore = runner.restore_config(&topic, &copy, json!({"TIME_BUDGET_SECONDS": 60}));

    tick_until_done(Function::Backup, &runner.variables(&backup), || {
        runner.list(&backup).iter().map(|row| row["next"].as_i64().unwrap_or(0)).sum::<i64>() == 9_000
    });
    assert_eq!(runner.list(&backup).iter().map(|row| row["segments"].as_u64().unwrap_or(0)).sum::<u64>(), 18, "each stretch once");
    tick_until_done(Function::Restore, &runner.variables(&restore), || {
        kafka.topic_exists(&copy) && kafka.digest(&copy) == kafka.digest(&topic)
    });
}

fn tick_until_done(function: Function, variables: &Vec<(String, String)>, done: impl Fn() -> bool) {
    let mut app = FunctionApp::start(function, variables);
    let status = json!({"Last": "2026-11-23T18:55:00Z", "Next": "2026-11-23T19:05:00Z", "LastUpdated": "2026-11-23T18:55:00Z"});
    let late = json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": status, "IsPastDue": true});
    let shapes = [first_tick(), late.clone(), first_tick().to_string().into(), late.to_string().into()];
    for _ in 0..20 {
        for shape in &shapes {
            app.tick(shape).succeeded();
        }
        app.post(&payload(function, &first_tick()).to_string(), Some(1)).succeeded();
        app.post(&payload(function, &late).to_string(), Some(64)).succeeded();
        parallel_ticks(&app);
        if done() {
            assert!(app.process.stop(), "a stop between ticks is a success");
            return;
        }
    }
    panic!("not done after many ticks");
}

/// A late tick can overlap with the next one. One of them may adopt what the other has begun, or be
/// fenced by it. At least one succeeds, and the host gets a complete answer to both.
fn parallel_ticks(app: &FunctionApp) {
    let answers = thread::scope(|scope| {
        let other = scope.spawn(|| app.tick(&first_tick()));
        [app.tick(&first_tick()), other.join().expect("it is answered")]
    });
    assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
    for answer in answers {
        assert!(answer.is_whole(), "{answer:?}");
        assert!(answer.status == 200 || answer.logs().contains("Retryable"), "{answer:?}");
    }
}

/// SIGTERM while segments are written. The instance finishes and answers the current work, and the
/// next instance does the rest. Nothing is lost or written twice.
#[test]
fn a_stop_ends_a_tick_in_good_order() {
    let Some((kafka, runner)) = on_minio() else { return };
    let topic = kafka.create_topic("stopped", 1, &[]);
    kafka.bulk(&topic, 50_000, 300);
    let keys = json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 100, "MAX_SEGMENTS_PER_INVOCATION": 0});
    let backup = runner.backup_config(&[&topic], keys);
    let variables = runner.variables(&backup);
    let mut app = FunctionApp::start(Function::Backup, &variables);
    let poster = app.poster();
    let segments = || runner.list(&backup).first().map_or(0, |row| row["segments"].as_u64().unwrap_or(0));
    let answer = thread::scope(|scope| {
        let tick = scope.spawn(|| poster.tick(&first_tick()));
        wait_until("a segment is there", || segments() > 0);
        assert!(app.process.stop(), "it ends cleanly");
        tick.join().expect("it is answered")
    });
    answer.succeeded();
    let left: Value = runner.list(&backup).swap_remove(0);
    assert_eq!(left["next"], json!(100 * left["segments"].as_u64().unwrap_or(0)), "whole segments: {left}");

    FunctionApp::start(Function::Backup, &variables).tick(&first_tick()).succeeded();
    assert_eq!(segments(), 500);
    let copy = unique("copy");
    runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}
