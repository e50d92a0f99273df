//! The function on AWS Lambda, on Azure Functions, or once from a shell: the environment says where it runs and what to do.

use std::process::ExitCode;

fn main() -> ExitCode {
    host::run::<backup_batch::Backup>()
}
