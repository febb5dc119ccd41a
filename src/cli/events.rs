//! `larm events`: reads the history, and follows what comes.
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larm_event::{Category, Event, Kind, Timestamp};

use crate::history::{Feed, Filter, Tail, directory};
use table::{Language, Table};

mod table;
pub(super) mod when;

/// Time between two looks at the journal.
const POLL: Duration = Duration::from_millis(100);
/// Events printed between two looks at whether to end.
const BURST: usize = 1000;

/// Arguments of `larm events`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "TIME is 2026-11-25T12:00:00Z, 2026-11-25 12:00 (UTC), 2026-11-25 (UTC), or back from now: 10m, 2h, 1d.\nConditions of different options must all hold; an option that can be given several times, or with commas, holds for any of its words.\nIn the table P is the priority, 1 (life) to 5 (log only), and a ? marks an account that is not in the register.\n\nExamples:\n  larm events --since 1h --kind alarm,trouble\n  larm events --account 1234 --limit 20\n  larm events --follow --json | jq .account"
)]
pub(super) struct Args {
    /// Go on with what comes, until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Only this account, as sent.
    #[arg(long, short)]
    account: Option<String>,
    /// Only what was received at this time or later.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what was received before this time; a date alone includes that day.
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Timestamp>,
    /// Only these kinds.
    #[arg(long, value_delimiter = ',', value_parser = kinds())]
    kind: Vec<Kind>,
    /// Only these categories.
    #[arg(long, value_delimiter = ',', value_parser = categories())]
    category: Vec<Category>,
    /// Only this code, as sent, such as BA or 130.
    #[arg(long)]
    code: Option<String>,
    /// Only the newest N of them.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
    /// Language of the names.
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "larm-data")]
    data: PathBuf,
}

fn kinds() -> impl clap::builder::TypedValueParser<Value = Kind> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Kind::ALL.iter().map(|word| word.as_str()))
        .map(|word| Kind::from_word(&word).expect("clap let only words of the list pass"))
}

fn categories() -> impl clap::builder::TypedValueParser<Value = Category> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Category::ALL.iter().map(|word| word.as_str()))
        .map(|word| Category::from_word(&word).expect("clap let only words of the list pass"))
}

fn since(text: &str) -> Result<Timestamp, String> {
    when::since(text, now())
}

fn until(text: &str) -> Result<Timestamp, String> {
    when::until(text, now())
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let journal = args.data.join("journal");
    let history = directory(&args.data);
    if !journal.is_dir() && !history.is_dir() {
        anyhow::bail!(
            "nothing was received in {}: start `larm serve` with this data directory, or point \
             --data at the right one",
            args.data.display()
        );
    }
    let filter = Filter {
        account: args.account.clone(),
        since: args.since,
        until: args.until,
        kinds: args.kind.clone(),
        categories: args.category.clone(),
        code: args.code.clone(),
        known: None,
        up_to: None,
    };
    let mut feed = Feed::open(&history, filter, |from| Tail::open(&journal, from))?;
    let mut printer = Printer::new(args);
    if let Some(limit) = args.limit {
        for event in feed.newest(limit)? {
            printer.print(&event)?;
        }
    } else {
        for event in feed.stored() {
            printer.print(&event?)?;
        }
        while let Some(event) = feed.arrived()? {
            printer.print(&event)?;
        }
    }
    printer.flush()?;
    if args.follow {
        follow(&mut feed, &mut printer)?;
    } else if printer.printed == 0 && !args.json {
        writeln!(io::stderr(), "larm: no event matches")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what comes until SIGINT or SIGTERM, or until nobody reads any more.
fn follow(feed: &mut Feed<Tail>, printer: &mut Printer) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    loop {
        for _ in 0..BURST {
            let Some(event) = feed.arrived()? else { break };
            printer.print(&event)?;
        }
        printer.flush()?;
        if stop.load(Ordering::Acquire) || output_closed() {
            return Ok(());
        }
        std::thread::park_timeout(POLL);
    }
}

/// Events on standard output, in the form that was asked for.
struct Printer {
    out: BufWriter<io::Stdout>,
    table: Option<Table>,
    printed: u64,
}

impl Printer {
    fn new(args: &Args) -> Self {
        let out = io::stdout();
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let table = Table {
            language: args.lang,
            colours,
        };
        Self {
            out: BufWriter::with_capacity(1 << 16, out),
            table: (!args.json).then_some(table),
            printed: 0,
        }
    }

    fn print(&mut self, event: &Event) -> anyhow::Result<()> {
        match self.table {
            None => {
                serde_json::to_writer(&mut self.out, event).map_err(io::Error::from)?;
                self.out.write_all(b"\n")?;
            }
            Some(table) => {
                if self.printed == 0 {
                    table.heading(&mut self.out)?;
                }
                table.event(&mut self.out, event)?;
            }
        }
        self.printed += 1;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A flag that is set by SIGINT or SIGTERM; the thread that asked is woken. The second signal ends
/// the process at once, should it hang in writing to a pipe that nobody empties.
fn stop_on_signal() -> io::Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, sleeper) = (Arc::clone(&stop), std::thread::current());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut wait = || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                });
            };
            wait();
            asked.store(true, Ordering::Release);
            sleeper.unpark();
            wait();
            std::process::exit(0);
        })?;
    Ok(stop)
}

/// Whether whoever read our output has gone, told without writing to it.
fn output_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let out = io::stdout();
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut watched, Some(&at_once)) {
        Ok(_) => watched
            .iter()
            .any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP)),
        Err(_) => false,
    }
}
