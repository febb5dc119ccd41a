//! `larm man`: the manual page in roff, the commands one after the other.
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `larm man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: larm man | man -l -")]
pub(super) struct Args {
    /// The command whose page is wanted, such as `serve`; without it the page of larm itself.
    command: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut tree = super::command_tree();
    tree.build();
    let page = match &args.command {
        None => tree,
        Some(name) => tree
            .find_subcommand(name)
            .ok_or_else(|| {
                anyhow::anyhow!("there is no command `{name}`; `larm --help` lists them")
            })?
            .clone()
            .display_name(format!("larm-{name}")),
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    std::io::stdout().lock().write_all(&roff)?;
    Ok(ExitCode::SUCCESS)
}
