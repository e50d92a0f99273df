//! Nothing lost, nothing twice, nothing changed: thousands of seeded schedules of faults.
//!
//! `SIMULATION_SEED=42 cargo test -p simulation --test simulation` runs one seed again.
//! `SIMULATION_RUNS=100000` runs more of them, beginning at SIMULATION_FIRST.
//!
//! `cargo test -p simulation --test simulation -- --ignored` runs every order of two small
//! instances, as CI does.
#![allow(clippy::print_stdout, clippy::panic)]

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use kafka::Delivery;
use simulation::{
    FinishOutcome, Instance, MomentOutcome, Outcome, RestoreOutcome, RestoreSchedule, Schedule, SnapshotOutcome, SnapshotSchedule,
    a_finish_of_another_id, a_finish_that_is_killed_at_each_request, a_finished_restore_is_followed,
    a_group_commits_while_the_cluster_is_read, a_kill_at_each_request, a_log_is_cut_and_grows_a_little, a_slot_is_named_by_its_end,
    a_target_is_deleted_beside_the_last_step, a_topic_is_created_again_while_it_is_read, ahead, an_event_takes_no_snapshot, cut_while_read,
    deleted, empty_topic, expired, explore, lost_end, lost_whole, newest, newest_of_two_clusters, one_id_in_two_buckets,
    one_of_two_lost_its_end, overtaken, run, run_finishes, run_moments, run_restores, run_with_snapshots, set_back,
    set_back_with_its_group, silence, slow_line, two_at_once, two_clusters, what_was_there_first_comes_back, without_ids,
};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

#[test]
fn schedules_of_faults() {
    println!("{:?}", all_seeds(1, run_seed).into_iter().sum::<Outcome>());
}

/// A snapshot schedule has a cluster and eight processes, so there is one for every twelve of the
/// others.
#[test]
fn schedules_of_faults_around_snapshots() {
    println!("{:?}", all_seeds(12, run_snapshot_seed).into_iter().sum::<SnapshotOutcome>());
}

/// A schedule of restores has three topics, and several invocations of each restore to its end.
#[test]
fn schedules_of_faults_in_restores_of_several_topics() {
    println!("{:?}", all_seeds(4, run_restore_seed).into_iter().sum::<RestoreOutcome>());
}

#[test]
fn schedules_of_faults_before_restores_as_of_a_moment() {
    println!("{:?}", all_seeds(4, run_moments).into_iter().sum::<MomentOutcome>());
}

/// A schedule of `finish` has an active cluster, its restore, and a dozen commands.
#[test]
fn schedules_of_faults_in_finish() {
    println!("{:?}", all_seeds(4, run_finishes).into_iter().sum::<FinishOutcome>());
}

/// Runs all seeds, or one in `share`.
fn all_seeds<O: Send>(share: u64, one: impl Fn(u64) -> Result<O, String> + Sync) -> Vec<O> {
    let first = number("SIMULATION_FIRST").unwrap_or(0);
    let runs = number("SIMULATION_RUNS").unwrap_or(1_000).div_ceil(share);
    let seeds = number("SIMULATION_SEED").map_or(first..first + runs, |seed| seed..seed + 1);
    let (queue, count) = (Seeds::new(&seeds), seeds.end - seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<O> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run_from(&queue, &one))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let failed = queue.failed.load(Ordering::Relaxed);
    assert_eq!(failed, 0, "{failed} of {count} seeds fail");
    println!("{count} schedules from seed {}:", seeds.start);
    outcomes
}

/// The remaining seeds, shared by threads.
struct Seeds {
    next: AtomicU64,
    end: u64,
    failed: AtomicU64,
    /// SIMULATION_EVERY_SEED: counts a failure and runs the next seed. Otherwise the first failure
    /// ends all threads.
    every: bool,
}

impl Seeds {
    fn new(seeds: &Range<u64>) -> Self {
        let every = std::env::var_os("SIMULATION_EVERY_SEED").is_some();
        Self { next: AtomicU64::new(seeds.start), end: seeds.end, failed: AtomicU64::new(0), every }
    }

    fn take(&self) -> Option<u64> {
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < self.end)
    }
}

fn run_from<O>(seeds: &Seeds, one: &impl Fn(u64) -> Result<O, String>) -> Vec<O> {
    let judge = |seed: u64| match one(seed) {
        Ok(outcome) => Some(outcome),
        Err(_) if seeds.every => {
            seeds.failed.fetch_add(1, Ordering::Relaxed);
            None
        }
        Err(problem) => {
            seeds.next.store(seeds.end, Ordering::Relaxed);
            panic!("{problem}\nreplay it with SIMULATION_SEED={seed}")
        }
    };
    std::iter::from_fn(|| seeds.take()).filter_map(judge).collect()
}

fn run_seed(seed: u64) -> Result<Outcome, String> {
    run(Schedule {
        seed,
        steps: 20 + usize::try_from(seed % 60).unwrap_or(0),
        errors: [0, 20, 100][usize::try_from(seed % 3).unwrap_or(0)],
        delivery: if seed % 4 == 3 { Delivery::AtLeastOnce } else { Delivery::ExactlyOnce },
    })
}

fn run_snapshot_seed(seed: u64) -> Result<SnapshotOutcome, String> {
    let steps = 40 + usize::try_from(seed % 80).unwrap_or(0);
    run_with_snapshots(SnapshotSchedule { seed, steps, errors: [0, 20, 100][usize::try_from(seed % 3).unwrap_or(0)] })
}

fn run_restore_seed(seed: u64) -> Result<RestoreOutcome, String> {
    let steps = 10 + usize::try_from(seed % 40).unwrap_or(0);
    run_restores(RestoreSchedule { seed, steps, errors: [0, 20, 100][usize::try_from(seed % 3).unwrap_or(0)] })
}

#[test]
fn a_restore_of_several_topics_that_is_killed_at_any_request_is_whole_in_the_end() {
    a_kill_at_each_request().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn two_invocations_of_a_restore_of_several_topics_write_each_record_once() {
    two_at_once().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_finished_restore_keeps_no_other_from_its_topics() {
    a_finished_restore_is_followed().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_finish_that_is_killed_at_any_request_is_done_or_taken_back_whole() {
    a_finish_that_is_killed_at_each_request().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn what_a_group_had_before_the_first_finish_comes_back() {
    what_was_there_first_comes_back().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn offsets_of_a_topic_that_was_created_again_are_given_to_nobody() {
    a_finish_of_another_id().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_target_that_is_made_again_beside_the_last_step_is_no_end() {
    a_target_is_deleted_beside_the_last_step().unwrap_or_else(|problem| panic!("{problem}"));
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
fn a_backup_over_a_slow_line_gets_ahead_in_each_invocation() {
    slow_line().unwrap_or_else(|problem| panic!("{problem}"));
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
fn two_clusters_in_one_place_continue_their_own_generations() {
    two_clusters().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn one_low_end_begins_no_generation_and_a_lost_end_does() {
    lost_end().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_cluster_that_was_set_back_with_its_group_is_not_gone_on_with() {
    set_back_with_its_group().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_partition_that_lost_its_end_begins_again_alone() {
    one_of_two_lost_its_end().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn what_was_read_of_a_log_that_was_cut_is_not_published() {
    cut_while_read().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn an_empty_topic_is_kept() {
    empty_topic().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_commit_of_a_clock_that_was_ahead_delays_nothing() {
    ahead().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_partition_that_is_gone_whole_is_not_taken_for_an_empty_one() {
    lost_whole().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_target_that_is_deleted_meanwhile_is_not_complete() {
    deleted().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn restores_of_one_id_in_two_buckets_do_not_fence_each_other() {
    one_id_in_two_buckets().unwrap_or_else(|problem| panic!("{problem}"));
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

#[test]
fn a_restore_takes_the_newest_generation_and_stays_with_it() {
    newest().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn of_two_clusters_no_generation_is_the_newest() {
    newest_of_two_clusters().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn a_snapshot_is_named_by_its_end_rounded_up() {
    a_slot_is_named_by_its_end().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn what_a_group_committed_is_never_above_the_logs_end() {
    a_group_commits_while_the_cluster_is_read().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn no_numbers_of_a_topic_stand_under_the_id_of_another() {
    a_topic_is_created_again_while_it_is_read().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn an_event_with_a_topic_takes_no_snapshot() {
    an_event_takes_no_snapshot().unwrap_or_else(|problem| panic!("{problem}"));
}

#[test]
fn what_a_snapshot_saw_of_a_log_that_lost_its_end_is_not_complete() {
    a_log_is_cut_and_grows_a_little().unwrap_or_else(|problem| panic!("{problem}"));
}
