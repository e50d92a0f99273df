//! `local-runner`: the command line. See `local-runner --help`.

use std::process::ExitCode;

use local_runner::{Cli, parse, run};

fn main() -> ExitCode {
    host::keep_freed_memory();
    let code = match parse() {
        Ok(cli) => serve(cli),
        Err(ended) => ended,
    };
    kafka::wait_until_closed(host::CLOSING);
    code
}

#[tokio::main]
async fn serve(cli: Cli) -> ExitCode {
    #[cfg(feature = "failpoints")]
    kernel::failpoint::set_up();
    run(cli).await
}
