#![allow(clippy::unwrap_used)]

mod azurite;
mod delete;
mod meddler;
mod refusals;
mod script;
mod scripted;
