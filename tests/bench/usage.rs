//! The CPU time of this process, as Linux counts it.

use std::error::Error;

/// User and system time of this process, in steps of 10 ms. See proc(5), fields 14 and 15, in
/// ticks. Linux reports 100 ticks a second.
pub(crate) fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}
