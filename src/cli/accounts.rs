//! `larm accounts`: cares for the register of transmitters, while the gateway runs or stands.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::accounts::{Draft, Number, Register};
use crate::registry::ACCOUNT_RULES;
use edit::FieldArgs;
use key_source::{KeyArgs, OptionalKeyArgs};

mod edit;
mod key_source;
mod show;
mod transfer;
mod unknown;

/// The data directory where none is named.
const DATA: &str = "larm-data";

/// Arguments of `larm accounts`.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "A running gateway takes changes over by itself, within `accounts.reload_interval`.\nKeys are never printed. They stand in keys.sqlite in the data directory, which its owner alone may read.\n\nExamples:\n  larm accounts add 1234 --key-file key.txt --site \"Corner shop\" --zone \"1=Front door\"\n  larm accounts list --unknown                who sent something and is not registered\n  larm accounts import panels.csv             columns: at least account,key\n  larm accounts rotate-key 1234 --key-stdin   both keys are taken ...\n  larm accounts rotate-key 1234 --finish      ... until the panel has the new one"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Register a transmitter, or change one with --update.
    Add(Box<Add>),
    /// Print every account, one per line.
    List(List),
    /// Print one account with all its fields; of its keys only whether they are set.
    Show(Show),
    /// Read accounts from a CSV or TOML file; all or nothing.
    Import(transfer::Import),
    /// Write all accounts as CSV or TOML.
    Export(transfer::Export),
    /// Take an account out, with its keys and its personal data.
    Remove(Remove),
    /// Change a key while the transmitter goes on: set the next one, then finish.
    RotateKey(RotateKey),
}

/// Where the register is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "LARM_DATA",
        default_value = DATA
    )]
    data: PathBuf,
}

/// Which account.
#[derive(Debug, clap::Args)]
struct Who {
    /// The account number as the transmitter sends it; zeros in front count.
    #[arg(value_name = "ACCOUNT", required_unless_present = "account")]
    number: Option<String>,
    /// The same, by name.
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "number")]
    account: Option<String>,
    /// The receiver number it sends (digits alone), where several have this account number.
    #[arg(long, value_name = "NUMBER")]
    receiver: Option<String>,
    /// The line prefix it sends (digits alone), where several have this account number.
    #[arg(long, value_name = "PREFIX")]
    line: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    who: Who,
    /// The account is registered: change the fields that are given here, and no others. A key that is
    /// given replaces the old one at once; `rotate-key` takes both for a while.
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: OptionalKeyArgs,
    #[command(flatten)]
    fields: FieldArgs,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Instead those that sent something and are not registered, each with the command that adopts it.
    #[arg(long)]
    unknown: bool,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    who: Who,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Remove {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "First set the next key: from then on both are taken. Give it to the transmitter. When it uses it, finish: the old key is forgotten.\n\nExamples:\n  larm accounts rotate-key 1234 --key-file new-key.txt\n  larm accounts rotate-key 1234 --finish"
)]
struct RotateKey {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Add(args) => add(args),
        Command::List(args) if args.unknown => unknown::list(
            &args.place.data,
            &unknown::register(&args.place.data)?,
            args.json,
            &mut std::io::stdout().lock(),
        ),
        Command::List(args) => show::list(
            &existing(&args.place)?,
            args.json,
            &mut std::io::stdout().lock(),
        ),
        Command::Show(args) => {
            let listed = existing(&args.place)?.show(&args.who.number()?)?;
            show::one(&listed, args.json, &mut std::io::stdout().lock())
        }
        Command::Import(args) => transfer::import(args),
        Command::Export(args) => transfer::export(args),
        Command::Remove(args) => remove(args),
        Command::RotateKey(args) => rotate(args),
    }
}

fn add(args: &Add) -> anyhow::Result<ExitCode> {
    let number = args.who.number()?;
    let key = args.key.read()?;
    let mut register = open(&args.place)?;
    let weak = key.as_ref().and_then(crate::accounts::weakness);
    let apply = |draft: &mut Draft| {
        if let Some(key) = key {
            draft.keys = [Some(key), None];
        }
        args.fields.apply(draft)
    };
    if args.update {
        register.change(&number, apply)?;
    } else {
        let mut draft = Draft::default();
        draft.account.number = number.clone();
        apply(&mut draft)?;
        register.add(&draft)?;
    }
    if let Some(weakness) = weak {
        warn(&format!("the key of account {number} is weak: {weakness}"));
    }
    warn_of_shared(&register, Some(&number))?;
    let verb = if args.update { "changed" } else { "added" };
    let listed = register.show(&number)?;
    say(&format!(
        "account {number} {verb}; {}",
        show::keys(listed.keys)
    ))
}

fn remove(args: &Remove) -> anyhow::Result<ExitCode> {
    let number = args.who.number()?;
    existing(&args.place)?.remove(&number)?;
    say(&format!("account {number} removed"))
}

fn rotate(args: &RotateKey) -> anyhow::Result<ExitCode> {
    let number = args.who.number()?;
    let mut register = existing(&args.place)?;
    if args.key.finish {
        register.finish_rotation(&number)?;
    } else if args.key.cancel {
        register.cancel_rotation(&number)?;
    } else {
        let key = args.key.source.read()?.context("there is no key")?;
        if let Some(weakness) = crate::accounts::weakness(&key) {
            warn(&format!(
                "the new key of account {number} is weak: {weakness}"
            ));
        }
        register.rotate(&number, key)?;
        warn_of_shared(&register, Some(&number))?;
    }
    let listed = register.show(&number)?;
    say(&format!("account {number}: {}", show::keys(listed.keys)))
}

impl Who {
    fn number(&self) -> anyhow::Result<Number> {
        use crate::accounts::Column;
        let mut draft = Draft::default();
        let account = self
            .number
            .as_deref()
            .or(self.account.as_deref())
            .unwrap_or_default();
        let parts = [
            (Column::Account, Some(account)),
            (Column::Receiver, self.receiver.as_deref()),
            (Column::Line, self.line.as_deref()),
        ];
        for (column, text) in parts {
            if let Some(text) = text {
                draft.set(column, text, &ACCOUNT_RULES)?;
            }
        }
        Ok(draft.account.number)
    }
}

/// The register, made where it is missing.
fn open(place: &Place) -> anyhow::Result<Register> {
    Ok(Register::open(&place.data, ACCOUNT_RULES)?)
}

/// The register, which must be there: a wrong directory is not to be filled with an empty one.
fn existing(place: &Place) -> anyhow::Result<Register> {
    if !place.data.join("accounts.sqlite").exists() {
        anyhow::bail!(
            "there is no register in {}; name the gateway's data directory with --data, or begin one with `larm accounts add`",
            place.data.display()
        );
    }
    open(place)
}

/// Tells which accounts share a key; with `about`, only where it is one of them.
fn warn_of_shared(register: &Register, about: Option<&Number>) -> anyhow::Result<()> {
    for owners in register.shared_keys()? {
        if about.is_some_and(|number| !owners.contains(number)) {
            continue;
        }
        let names: Vec<String> = owners.iter().take(10).map(ToString::to_string).collect();
        let more = match owners.len().saturating_sub(names.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        warn(&format!(
            "{}{more} share one key: who has one of them can speak for all",
            names.join(", ")
        ));
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "warnings belong on standard error")]
fn warn(text: &str) {
    eprintln!("larm: warning: {text}");
}
