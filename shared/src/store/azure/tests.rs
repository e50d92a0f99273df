#![allow(clippy::unwrap_used)]

mod azurite;
mod meddler;
mod refusals;
mod script;
mod scripted;
