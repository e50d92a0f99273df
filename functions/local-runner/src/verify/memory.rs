//! The memory budget of verify.

use host::Budget;

/// If the system does not report its free memory.
const DEFAULT: u64 = 512 << 20;
/// More memory does not make it faster.
const MOST: u64 = 2 << 30;

/// Bytes for reading: of MEMORY_LIMIT_MB, or of half of the free memory of this machine.
pub(super) fn for_reading(limit: Option<u64>) -> u64 {
    let of_machine = || free().map_or(DEFAULT, |free| (free / 2).clamp(Budget::DEFAULT_MEMORY, MOST));
    // Never 0: with a very low limit, verify is slow and still works.
    Budget::unlimited(Some(limit.unwrap_or_else(of_machine))).for_records().max(8 << 20)
}

/// The free memory of this machine or container. `None` if unknown.
fn free() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo").and_then(|text| available(&text));
    let limit = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse::<u64>().ok());
    let used = read("/sys/fs/cgroup/memory.current").and_then(|text| text.trim().parse::<u64>().ok());
    let of_container = limit.map(|limit| limit.saturating_sub(used.unwrap_or_default()));
    of_machine.into_iter().chain(of_container).min()
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_read_and_the_limit_counts() {
        assert_eq!(available("MemTotal:       16326204 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(for_reading(Some(128 << 20)), 88 << 20);
        assert_eq!(for_reading(Some(1)), 8 << 20);
        assert!((88 << 20..=MOST).contains(&for_reading(None)));
    }
}
