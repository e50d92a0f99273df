use std::time::Duration;

/// How often a request is tried, how long one try may take, and how long to back off between tries.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Tries of a request that fails with a transient error, in total. Throttled ones do not count:
    /// see `patience`.
    pub tries: u32,
    /// Upper bound of the first pause; it doubles with every try. Each pause is random between zero
    /// and its bound, so that invocations that failed together do not retry together.
    pub first_pause: Duration,
    /// Upper bound of any pause.
    pub longest_pause: Duration,
    /// Throttled requests are retried until the deadline. Without a deadline, they are given up
    /// when the store has accepted no request for this long.
    pub patience: Duration,
    /// The time of a try without the transfer of the object's bytes.
    pub try_time: Duration,
    /// The lowest bandwidth at which a try is not given up, in bytes per second. All concurrent
    /// requests share it.
    pub slowest_line: u64,
}

impl RetryPolicy {
    /// The bandwidth assumed for uploads until one is measured, in bytes per second.
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
