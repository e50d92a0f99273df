//! What is left of it.

pub mod host;
