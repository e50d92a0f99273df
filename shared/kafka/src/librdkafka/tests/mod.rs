//! The adapter against the embedded broker, and against a real Kafka where
//! `KAFKA_BOOTSTRAP_SERVERS` names one.
#![allow(clippy::unwrap_used)]

/// The settings of the real Kafka; without one the test ends.
macro_rules! real {
    () => {
        match $crate::librdkafka::tests::real::real() {
            Some(settings) => settings,
            None => return,
        }
    };
}

mod administration;
mod changes;
mod costs;
mod embedded;
mod faults;
mod help;
mod limits;
mod login;
mod outage;
mod real;
mod topics;
mod writers;
