use std::time::Duration;

/// How often a request is tried, how long one try may take, and how long the pauses between tries are.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Tries in all of a request that fails in a way that can pass. Throttled ones do not count: see `patience`.
    pub tries: u32,
    /// Upper bound of the first pause; it doubles with every try. Each pause is random between nothing and its bound, so that many
    /// invocations that failed together do not come back together.
    pub first_pause: Duration,
    /// Upper bound of any pause.
    pub longest_pause: Duration,
    /// Requests that the store throttles are tried until the deadline. Where there is none: as long as it takes one now and then, and so long without one.
    pub patience: Duration,
    /// What a try may take besides moving the object's bytes.
    pub try_time: Duration,
    /// The slowest line that a try does not give up on, in bytes a second. All requests under way share it.
    pub slowest_line: u64,
}

impl RetryPolicy {
    /// The slowest line that uploads are reckoned with as long as nothing was measured, in bytes a second.
    pub const SLOWEST_LINE: u64 = 256 << 10;
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 8,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            patience: Duration::from_secs(300),
            try_time: Duration::from_secs(20),
            slowest_line: Self::SLOWEST_LINE,
        }
    }
}
