//! What is left of it.

pub mod config;
pub mod host;
