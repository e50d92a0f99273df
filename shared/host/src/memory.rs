//! How the C library's allocator keeps memory.

/// Keeps freed memory in the process for the next segment. Call it first in `main`, while there is
/// one thread.
///
/// A segment consists of chunks of some hundred kilobytes. By default, glibc returns such chunks to
/// the kernel when they are freed, and the kernel zeroes their pages again on reuse. It also keeps
/// a heap per thread, and each grows to the largest need. docs/decisions/0004 has the costs, and
/// what other allocators do. Without glibc this does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Smaller allocations come from the heap. Larger ones, such as well-compressed responses
        /// of a broker, would leave holes in it.
        const FROM_THE_HEAP: libc::c_int = 4 << 20;
        /// Free memory at the end of the heap above this size is returned.
        const KEPT: libc::c_int = 32 << 20;
        for (option, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, FROM_THE_HEAP), (libc::M_TRIM_THRESHOLD, KEPT)] {
            // SAFETY: mallopt(3) has no preconditions besides a known option; an invalid value
            // changes nothing.
            #[allow(unsafe_code)]
            unsafe {
                libc::mallopt(option, value);
            }
        }
    }
}
