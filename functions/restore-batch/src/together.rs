//! Requests about many topics or partitions, some in parallel.

use archive::Result;
use futures::{StreamExt, TryStreamExt, stream};

/// The number of parallel requests.
const AT_ONCE: usize = 16;

/// Awaits these; the results are in their order.
pub(crate) async fn at_once<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    stream::iter(all).buffered(AT_ONCE).collect().await
}

/// Like `at_once`, up to the first error.
pub(crate) async fn try_at_once<T, F: Future<Output = Result<T>>>(all: Vec<F>) -> Result<Vec<T>> {
    stream::iter(all).buffered(AT_ONCE).try_collect().await
}
