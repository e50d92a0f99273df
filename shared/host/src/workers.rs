//! What runs in parallel in one invocation.

use std::future::Future;
use std::sync::OnceLock;

use tokio::task::JoinSet;

/// How many threads can compute in parallel. Read once per process: the value is in files of the
/// kernel.
pub fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Runs all to completion.
///
/// # Panics
/// A panic of one is a panic of the invocation: nothing is hidden, and nothing durable depends on
/// it. The others end with it.
pub async fn work_together<W>(workers: impl IntoIterator<Item = W>)
where
    W: Future<Output = ()> + Send + 'static,
{
    let mut together: JoinSet<()> = workers.into_iter().collect();
    while let Some(ended) = together.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "a defect")]
    async fn a_panic_of_one_is_a_panic_of_all() {
        work_together((0..3).map(|number| async move { assert!(number != 1, "a defect") })).await;
    }
}
