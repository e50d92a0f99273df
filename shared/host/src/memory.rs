//! How the C library's allocator keeps memory.

/// Makes freed memory stay with the process for the next segment. Call it first in `main`, while there is one thread.
///
/// A segment is made of pieces of some hundred kilobytes. As it comes, glibc gives such pieces back to the kernel when they are freed and has
/// them zeroed page by page when they are needed again, and keeps a heap for each thread, of which each one grows to the largest need.
/// docs/decisions/0004 has what it costs, and what other allocators do. Elsewhere than with glibc this does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Pieces below come from the heap. Larger ones, as what a broker sent so well compressed, would leave holes in it.
        const FROM_THE_HEAP: libc::c_int = 4 << 20;
        /// What is free at the end of the heap is given back from here on.
        const KEPT: libc::c_int = 32 << 20;
        for (option, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, FROM_THE_HEAP), (libc::M_TRIM_THRESHOLD, KEPT)] {
            // SAFETY: mallopt(3) has no preconditions besides a known option; a value that it does not take changes nothing.
            #[allow(unsafe_code)]
            unsafe {
                libc::mallopt(option, value);
            }
        }
    }
}
