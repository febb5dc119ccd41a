//! `larm completions`: a completion script for a shell.
use std::process::ExitCode;

/// Arguments of `larm completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: larm completions bash > /etc/bash_completion.d/larm")]
pub(super) struct Args {
    /// The shell to write for.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command_tree(), "larm", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}
