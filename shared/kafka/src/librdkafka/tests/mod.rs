//! The adapter against the embedded broker, and against a real Kafka where `KAFKA_BOOTSTRAP_SERVERS` names one.
#![allow(clippy::unwrap_used)]

mod administration;
mod embedded;
mod faults;
mod help;
mod limits;
mod login;
mod outage;
mod real;
mod writers;
