//! How many partitions are written at once.

/// Threads that all writers may have together. A process on Lambda can have 1,024, and needs some for everything else.
const THREADS: usize = 600;
/// Open files that all writers may have together: the same holds for them.
const FILES: usize = 900;
/// Threads of a writer's client besides one for each broker: its own, one for a bootstrap server, one for the coordinator of transactions.
const OWN_THREADS: usize = 3;
/// Files besides two for each broker, which wake its thread up: four for the other two threads, and four connections.
const OWN_FILES: usize = 8;

/// How many writers may be open in a cluster of so many brokers, at least one.
///
/// Each has a client of its own, for a transaction belongs to one. Not counted are the two clients that they share, which ask about topics and groups.
fn most(brokers: i32) -> usize {
    let brokers = usize::try_from(brokers).unwrap_or(0);
    (THREADS / (brokers + OWN_THREADS)).min(FILES / (2 * brokers + OWN_FILES)).max(1)
}

/// So many partitions are written at once: NUMBER_OF_KAFKA_THREADS, or fewer where the cluster has too many brokers for that. Then the log says so.
pub(crate) fn at_once(wanted: usize, brokers: i32) -> usize {
    let most = most(brokers);
    if wanted > most {
        tracing::warn!(
            "NUMBER_OF_KAFKA_THREADS is {wanted}, and {most} partitions are written at once: in a cluster of {brokers} brokers more would take too many \
             threads and open files. Set it to {most} or less"
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
