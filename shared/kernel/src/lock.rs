//! A mutex that a panic leaves usable.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, also after a panic of another thread that held it. For state that is only ever replaced whole, so that a panic leaves it sound.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
