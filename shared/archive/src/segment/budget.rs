//! Memory that the readers of one process share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of counting: a semaphore has fewer permits than a machine has bytes.
const UNIT: u64 = 1 << 10;

/// Bytes of memory that the readers of one process share. Clones share them.
#[derive(Debug, Clone)]
pub struct ReadBudget {
    free: Arc<Semaphore>,
    units: u32,
}

/// A part of a [`ReadBudget`], returned when this is dropped.
#[derive(Debug)]
pub struct ReadPermit {
    _units: Option<OwnedSemaphorePermit>,
}

impl ReadBudget {
    /// This many bytes.
    pub fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, Semaphore::MAX_PERMITS.try_into().unwrap_or(u32::MAX));
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits until this many bytes are free; callers are served in order. A request above the total
    /// takes all of them, so one that is too large runs alone. A permit holder must not wait for
    /// another permit: two of them would wait for each other.
    pub async fn take(&self, bytes: u64) -> ReadPermit {
        let units = self.units_of(bytes).min(self.units);
        // Only a closed semaphore refuses, and this one is never closed.
        ReadPermit { _units: Arc::clone(&self.free).acquire_many_owned(units).await.ok() }
    }

    /// This many bytes, if they are free.
    pub fn try_take(&self, bytes: u64) -> Option<ReadPermit> {
        let units = Arc::clone(&self.free).try_acquire_many_owned(self.units_of(bytes)).ok()?;
        Some(ReadPermit { _units: Some(units) })
    }

    /// The total, taken or not.
    pub fn bytes(&self) -> u64 {
        u64::from(self.units) * UNIT
    }

    fn units_of(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn no_more_is_taken_than_there_is_and_too_much_is_all() {
        let budget = ReadBudget::new(8 << 10);
        let half = budget.take(4 << 10).await;
        assert!(budget.take(5 << 10).now_or_never().is_none());
        drop(half);
        let all = budget.take(u64::MAX).await;
        assert!(budget.take(1).now_or_never().is_none());
        drop(all);
        assert!(budget.take(8 << 10).now_or_never().is_some());
    }
}
