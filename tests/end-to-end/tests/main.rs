//! All end-to-end tests. One program: they are linked once, and wait for servers in parallel.

mod bad_configs;
mod buckets;
mod clusters;
mod command_line;
mod damage;
mod formats;
mod functions;
mod harness;
mod kafka;
mod main_job;
mod python_archives;
mod ticks;
