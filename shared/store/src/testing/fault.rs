use std::fmt;
use std::future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Operation;
use crate::{Body, Object, ObjectStore, Page, Part, Result, StoreError, StoreErrorKind, Throttling, Version};

/// What happens to one call on a [`FaultyStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is passed on.
    None,
    /// It fails and has no effect.
    Before(StoreErrorKind),
    /// It takes effect, then its response is lost: the caller sees this failure.
    After(StoreErrorKind),
    /// It is passed on after a pause on tokio's clock.
    Delay(Duration),
    /// It has no effect and never ends: a process that waits for it can only be killed.
    HangBefore,
    /// It takes effect and never ends.
    HangAfter,
    /// It is passed on, and one bit of the data flips.
    Damage,
}

/// Decides the fate of every call, from the operation and the object's name (a listing's prefix).
pub type Faults = Arc<dyn Fn(Operation, &str) -> Fault + Send + Sync>;

/// A store whose calls fail as a test decides: for faults in tests.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl FaultyStore {
    /// Asks `faults` before every call to `inner`.
    pub fn new(inner: Arc<dyn ObjectStore>, faults: impl Fn(Operation, &str) -> Fault + Send + Sync + 'static) -> Self {
        Self { inner, faults: Arc::new(faults) }
    }

    async fn pass<T>(&self, operation: Operation, name: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.meet((self.faults)(operation, name), operation, name, call).await
    }

    async fn meet<T>(&self, fault: Fault, operation: Operation, name: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let failure = |kind| StoreError::new(kind, self.location(name), format!("injected fault in {operation}"));
        match fault {
            Fault::None | Fault::Damage => call.await,
            Fault::Before(kind) => Err(failure(kind)),
            Fault::After(kind) => call.await.and(Err(failure(kind))),
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                call.await
            }
            Fault::HangBefore => future::pending().await,
            Fault::HangAfter => {
                let _ = call.await;
                future::pending().await
            }
        }
    }
}

/// Bytes as they arrive.
fn arrived(bytes: Bytes, fault: Fault) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let (Fault::Damage, middle) = (fault, bytes.len() / 2)
        && let Some(byte) = bytes.get_mut(middle)
    {
        *byte ^= 1;
    }
    bytes.into()
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn throttling(&self) -> Throttling {
        self.inner.throttling()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.pass(Operation::Create, name, self.inner.create(name, body)).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.pass(Operation::Replace, name, self.inner.replace(name, body, unchanged_since)).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        let fault = (self.faults)(Operation::Get, name);
        let object = self.meet(fault, Operation::Get, name, self.inner.get(name)).await?;
        Ok(Object { body: arrived(object.body, fault), ..object })
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        let fault = (self.faults)(Operation::GetRange, name);
        let part = self.meet(fault, Operation::GetRange, name, self.inner.get_range(name, range)).await?;
        Ok(Part { bytes: arrived(part.bytes, fault), ..part })
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.pass(Operation::List, prefix, self.inner.list(prefix, after, limit)).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.pass(Operation::Folders, prefix, self.inner.folders(prefix)).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::FutureExt;

    use super::*;
    use crate::testing::MemoryStore;

    fn store(fault: Fault) -> (MemoryStore, FaultyStore) {
        let inner = MemoryStore::new();
        (inner.clone(), FaultyStore::new(Arc::new(inner), move |_, _| fault))
    }

    #[tokio::test]
    async fn before_has_no_effect_and_after_has_one() {
        for (fault, written) in [(Fault::Before(StoreErrorKind::Throttled), 0), (Fault::After(StoreErrorKind::Throttled), 1)] {
            let (inner, store) = store(fault);
            assert_eq!(store.create("a", Body::new()).await.unwrap_err().kind, StoreErrorKind::Throttled);
            assert_eq!(inner.snapshot().len(), written, "{fault:?}");
        }
    }

    #[test]
    fn a_call_that_hangs_has_its_effect_or_not() {
        for (fault, written) in [(Fault::HangBefore, 0), (Fault::HangAfter, 1)] {
            let (inner, store) = store(fault);
            assert!(store.create("a", Body::new()).now_or_never().is_none());
            assert_eq!(inner.snapshot().len(), written, "{fault:?}");
        }
    }
}
