//! The function on AWS Lambda, on Azure Functions, or once from a shell. The environment shows the
//! platform and contains the configuration.

use std::process::ExitCode;

fn main() -> ExitCode {
    host::run::<restore_batch::Restore>()
}
