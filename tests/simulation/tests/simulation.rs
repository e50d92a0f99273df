//! Nothing lost, nothing twice, nothing changed: thousands of seeded schedules of faults.
//!
//! `SIMULATION_SEED=42 cargo test -p simulation --test simulation` runs one seed again; `SIMULATION_RUNS=100000` runs more of them.
//! `cargo test -p simulation --test simulation -- --ignored` runs every order of two small instances, as CI does.
#![allow(clippy::print_stdout, clippy::panic)]

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::kafka::Delivery;
use simulation::{Instance, Outcome, Schedule, deleted, expired, explore, overtaken, run, set_back, silence, without_ids};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

#[test]
fn schedules_of_faults() {
    let runs = number("SIMULATION_RUNS").unwrap_or(1_000);
    let seeds = number("SIMULATION_SEED").map_or(0..runs, |seed| seed..seed + 1);
    let (next, count) = (AtomicU64::new(seeds.start), seeds.end - seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sums: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run_from(&next, seeds.end))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    println!("{count} schedules: {:?}", sums.into_iter().sum::<Outcome>());
}

/// Runs the seeds that are left, one after another.
fn run_from(next: &AtomicU64, end: u64) -> Outcome {
    let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end));
    let one = |seed: u64| {
        let schedule = Schedule {
            seed,
            steps: 20 + usize::try_from(seed % 60).unwrap_or(0),
            errors: [0, 20, 100][usize::try_from(seed % 3).unwrap_or(0)],
            delivery: if seed % 4 == 3 { Delivery::AtLeastOnce } else { Delivery::ExactlyOnce },
        };
        run(schedule).unwrap_or_else(|problem| panic!("{problem}\nreplay it with SIMULATION_SEED={seed}"))
    };
    seeds.map(one).sum()
}

#[test]
fn an_invocation_that_is_overtaken_by_a_newer_generation_ends() {
    overtaken().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_silent_partition_waits_for_the_others_and_they_do_not_wait_for_it() {
    silence().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn partitions_without_a_commit_do_not_use_up_invocations() {
    expired().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_commit_counts_only_where_its_segment_is() {
    set_back().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_target_that_is_deleted_meanwhile_is_not_complete() {
    deleted().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn an_empty_target_without_an_id_is_not_complete() {
    without_ids().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
#[ignore = "takes minutes: CI runs it by name"]
fn every_order_of_two_backups() {
    every_order(Instance::Backup);
}

#[test]
#[ignore = "takes minutes: CI runs it by name"]
fn every_order_of_two_restores() {
    every_order(Instance::Restore);
}

fn every_order(instance: Instance) {
    match explore(instance) {
        Ok(explored) => println!("{instance:?}, two invocations, two segments, at most one kill: {explored:?}"),
        Err(problem) => panic!("{problem}"),
    }
}
