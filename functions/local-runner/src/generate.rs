//! `local-runner completions` and `local-runner man`.

use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::Cli;
use crate::output::Output;

/// Prints a shell's completion script.
pub(crate) fn completions(shell: Shell, output: &Output) -> Result<bool> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output.raw(&script);
    Ok(true)
}

/// Prints the manual page of the program, or writes those of all commands into `folder`.
pub(crate) fn man(folder: Option<&Path>, output: &Output) -> Result<bool> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        output.raw(&page);
        return Ok(true);
    };
    let failed = || format!("{}: cannot write manual pages", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        man(Some(folder.path()), &Output::new(false)).unwrap();
        for command in Cli::command().get_subcommands() {
            let page = std::fs::read_to_string(folder.path().join(format!("local-runner-{}.1", command.get_name()))).unwrap();
            assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
            assert!(page.contains("Example"), "{}", command.get_name());
        }
        assert!(std::fs::read_to_string(folder.path().join("local-runner.1")).unwrap().contains("backup"));
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "local-runner", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
