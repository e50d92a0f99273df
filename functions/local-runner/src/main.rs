//! `local-runner`: the functions' handlers on this machine. See `local-runner --help`.

use std::process::ExitCode;

use clap::Parser;
use local_runner::{Cli, run};

fn main() -> ExitCode {
    host::keep_freed_memory();
    let code = serve();
    kafka::wait_until_closed(host::CLOSING);
    code
}

#[tokio::main]
async fn serve() -> ExitCode {
    #[cfg(feature = "failpoints")]
    kernel::failpoint::set_up();
    run(Cli::parse()).await
}
