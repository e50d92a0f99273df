//! How many partitions are written in parallel.

/// Most threads of all writers together. A process on Lambda can have 1,024, and needs some for
/// everything else.
const THREADS: usize = 600;
/// Most open files of all writers together, for the same reason.
const FILES: usize = 900;
/// Threads of a writer's client in addition to one per broker: its own, one for a bootstrap server,
/// one for the coordinator of transactions.
const OWN_THREADS: usize = 3;
/// Files in addition to two per broker, which wake up its thread: four for the other two threads,
/// and four connections.
const OWN_FILES: usize = 8;

/// How many writers may be open in a cluster with this many brokers, at least one.
///
/// Each has its own client, because a transaction belongs to one. This excludes the two clients
/// that they share, which request topics and groups.
fn most(brokers: i32) -> usize {
    let brokers = usize::try_from(brokers).unwrap_or(0);
    (THREADS / (brokers + OWN_THREADS)).min(FILES / (2 * brokers + OWN_FILES)).max(1)
}

/// How many partitions are written in parallel: NUMBER_OF_KAFKA_THREADS, or fewer if the cluster
/// has too many brokers for that. Then it is logged.
pub(crate) fn at_once(wanted: usize, brokers: i32) -> usize {
    let most = most(brokers);
    if wanted > most {
        tracing::warn!(
            "NUMBER_OF_KAFKA_THREADS is {wanted}, but {most} partitions are written in parallel: in a cluster of \
             {brokers} brokers more would need too many threads and open files. Set it to {most} or less"
        );
    }
    wanted.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_have_no_more_than_a_process_on_lambda_can() {
        assert_eq!([0, 1, 3, 12, 100, 1_000].map(most), [112, 90, 64, 28, 4, 1]);
        for brokers in 0..440 {
            let (writers, brokers) = (most(brokers), usize::try_from(brokers).unwrap_or(0));
            assert!(writers * (brokers + 3) <= 600 && writers * (2 * brokers + 8) <= 900, "{brokers}");
        }
    }

    #[test]
    fn what_fits_is_used_as_it_is() {
        assert_eq!([8, 64, 65, 1_000].map(|wanted| at_once(wanted, 3)), [8, 64, 64, 64]);
    }
}
