//! A mutex that stays usable after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, even after a panic of another thread that held it. For state that is only replaced as
/// a whole, so that a panic leaves it consistent.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
