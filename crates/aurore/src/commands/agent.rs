//! `aurore agent`: a goal, a browser, your rules.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aurore_agent::{
    Approver, Budgets, DenyAll, EndKind, Event, Hub, Journal, Keeper, ProgramApprover, ProgramOpinion,
    ReportOptions, RunId, TerminalApprover, WatchApprover, html, reveal,
};
use serde_json::json;

use crate::adapters::AdapterChoice;
use crate::allowances::Allowances;
use crate::brains;
use crate::browser::BrowserChoice;
use crate::failure::{WithHint, hinted};
use crate::folders;
use crate::global::Global;
use crate::models::ModelChoice;
use crate::remote::{self, RemoteChoice};
use crate::rules;
use crate::secrets::Keyring;
use crate::site;
use crate::steps::StepPrinter;
use crate::style::{Look, Style};
use crate::watching::WatchChoice;
use crate::worksite::{Beside, Hands, Worksite};

/// Refused by policy.
const EXIT_REFUSED: u8 = 3;

/// Options of `aurore agent`.
#[derive(clap::Args)]
pub struct Args {
    /// What is to be reached, in your words: the only text that is trusted.
    #[arg(required_unless_present = "resume")]
    goal: Option<String>,
    /// Open this address in a browser of its own and work there.
    #[arg(long = "browser", value_name = "ADDRESS", required_unless_present = "resume")]
    address: Option<String>,
    /// Another site that the goal is about, such as `https://hotels.example`; may be given several times. Going to a site
    /// that neither you nor the goal named is asked about.
    #[arg(long = "site", value_name = "ORIGIN", value_parser = site::origin)]
    sites: Vec<String>,
    #[command(flatten)]
    model: ModelChoice,
    #[command(flatten)]
    adapter: AdapterChoice,
    #[command(flatten)]
    remote: RemoteChoice,
    #[command(flatten)]
    browser: BrowserChoice,
    /// More rules, for this run; may be given several times.
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Most steps.
    #[arg(long, default_value_t = 50, value_name = "N")]
    max_steps: u32,
    /// Most minutes.
    #[arg(long, default_value_t = 30, value_name = "N")]
    max_minutes: u64,
    /// Most questions.
    #[arg(long, default_value_t = 20, value_name = "N")]
    max_questions: u32,
    /// How long a question waits for its answer; then it is a no.
    #[arg(long, default_value_t = 300, value_name = "N")]
    answer_seconds: u64,
    #[command(flatten)]
    watch: WatchChoice,
    /// Put questions to this program instead of the terminal: JSON on its input, JSON from its output.
    #[arg(long, value_name = "COMMAND", conflicts_with = "headless")]
    approve_with: Option<String>,
    /// Nobody is there to be asked: what the rules would ask is denied. So it is, too, where there is no terminal.
    #[arg(long)]
    headless: bool,
    /// Have what the rules let pass beyond tier 1 looked at by this program: JSON on its input, an opinion as JSON from
    /// its output. It can tighten a verdict, never loosen it.
    #[arg(long, value_name = "COMMAND", conflicts_with = "second_opinion_by_model")]
    second_opinion: Option<String>,
    /// Have it looked at by the model itself, in a conversation of its own.
    #[arg(long, conflicts_with_all = ["script", "model_url"])]
    second_opinion_by_model: bool,
    /// Go on with a run that was stopped or crashed: its name, the beginning of it, or `last`.
    #[arg(long, value_name = "RUN", conflicts_with = "goal")]
    resume: Option<String>,
    /// Take the decisions from a file of tool calls instead of a model.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Where journals are kept.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Write a report of the run to look at.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let rules = rules::load(&args.rules)?;
    let journals = folders::journals(args.journal.as_deref())?;
    let journal = Journal::in_folder(&journals)?;
    let resumed = match &args.resume {
        Some(name) => Some(find_resumable(&journal, name)?),
        None => None,
    };
    let address = match (&args.address, &resumed) {
        (Some(address), _)
        | (
            None,
            Some(Resumable {
                address: Some(address),
                ..
            }),
        ) => address.clone(),
        (None, _) => {
            return Err(hinted(
                "it is not known where to go on",
                "name the page: --browser ADDRESS",
            ));
        }
    };
    let mut mind = match (&args.script, &args.remote.model_url) {
        (Some(file), _) => {
            let begun = resumed
                .as_ref()
                .map(|resumed| (resumed.fingerprint.as_str(), resumed.decisions));
            brains::script_after(file, begun)?
        }
        (None, Some(url)) => remote::connect(url, &args.remote, &args.adapter, &global.interrupted)?,
        (None, None) => brains::network(&args.model, &args.adapter, args.threads, &global.interrupted)?,
    };
    let watching = args.watch.open(&journals, super::keys::store().ok(), global)?;
    let hub = watching.as_ref().map(|watching| watching.hub.clone());
    let mut approver = approver(&args, global, hub.as_ref());
    let mut site = Worksite::open(&args.browser, mind.settings, journal, rules, &global.interrupted)?;
    if let Some(watching) = &watching {
        site.show_at(watching.hub.clone(), watching.origin());
    }
    site.set_beside(Beside {
        keeper: Allowances::of_the_user()
            .ok()
            .map(|allowances| Box::new(allowances) as Box<dyn Keeper>),
        opinion: match &args.second_opinion {
            Some(command) => Some(Box::new(ProgramOpinion::new(command))),
            None if args.second_opinion_by_model => mind.opinion.take(),
            None => None,
        },
        secrets: Keyring::open(args.browser.secrets.as_deref())?.names(),
        private: Vec::new(),
    });
    site.keep_away_from(&mind.controls);
    // A page that a person names, they know; where a run happened to be when it stopped, they may not.
    let named = resumed.as_ref().and(args.address.as_deref()).map(site::origin);
    site.start_from(
        args.sites
            .iter()
            .cloned()
            .chain(named.into_iter().flatten())
            .collect(),
    );
    site.browser()?.open(&address).with_hint(
        &format!("cannot open {address}"),
        "is it a whole http or https address?",
    )?;

    let goal = match (&args.goal, &resumed) {
        (Some(goal), _) => goal.clone(),
        (None, Some(resumed)) => resumed.goal.clone(),
        (None, None) => String::new(),
    };
    if !global.json {
        let style = Style::new(global.color);
        println!("{}  {}", style.paint(Look::Bold, "Goal"), reveal(&goal, false));
        println!(
            "{}",
            style.paint(Look::Dim, format!("      {} on {address}", mind.description))
        );
    }
    let printer = StepPrinter::new(global.color);
    let mut hands = Hands {
        brain: mind.brain.as_mut(),
        approver: approver.as_mut(),
        budgets: Budgets {
            steps: args.max_steps,
            time: Duration::from_secs(args.max_minutes.saturating_mul(60)),
            questions: args.max_questions,
            answer_time: Duration::from_secs(args.answer_seconds),
            ..Budgets::default()
        },
    };
    let outcome = site.pursue(
        &goal,
        &goal,
        None,
        resumed.map(|resumed| resumed.run),
        &mut hands,
        &mut |step| {
            if global.json {
                println!("{}", json!({"event": "step", "step": step}));
            } else {
                printer.print(step);
            }
        },
    )?;
    if let Some(file) = &args.report {
        write_report(site.journal(), std::slice::from_ref(&outcome.run), file, None)?;
    }
    if global.json {
        println!("{}", json!({"event": "end", "outcome": outcome}));
    } else {
        let style = Style::new(global.color);
        let look = if outcome.end.is_success() {
            Look::Green
        } else {
            Look::Red
        };
        println!("{}", style.paint(look, reveal(&outcome.end.message, false)));
        println!(
            "run {}: `aurore replay {} --html` shows it",
            outcome.run, outcome.run
        );
    }
    if let Some(watching) = watching {
        watching.stay(global)?;
    }
    Ok(match outcome.end.kind {
        _ if outcome.end.is_success() => ExitCode::SUCCESS,
        EndKind::Refused => ExitCode::from(EXIT_REFUSED),
        EndKind::Stopped => ExitCode::FAILURE,
        _ if outcome.is_refused() => ExitCode::from(EXIT_REFUSED),
        _ => ExitCode::FAILURE,
    })
}

fn approver(args: &Args, global: &Global, hub: Option<&Hub>) -> Box<dyn Approver> {
    let terminal = !global.json && std::io::stdin().is_terminal();
    match (&args.approve_with, hub) {
        (Some(command), _) => Box::new(ProgramApprover::new(command)),
        // Whoever watches only looks on.
        _ if args.headless => Box::new(DenyAll),
        (None, Some(hub)) => {
            let terminal = terminal.then(TerminalApprover::stdio);
            Box::new(WatchApprover::new(hub.clone(), terminal))
        }
        (None, None) if terminal => Box::new(TerminalApprover::stdio()),
        (None, None) => Box::new(DenyAll),
    }
}

/// A run that can be gone on with.
struct Resumable {
    run: RunId,
    /// Its goal, in the person's words.
    goal: String,
    /// Where it was last.
    address: Option<String>,
    /// What decided last.
    fingerprint: String,
    /// How many decisions have a result: the same script goes on after them.
    decisions: usize,
}

fn find_resumable(journal: &Journal, name: &str) -> anyhow::Result<Resumable> {
    let run = super::replay::find(journal, name)?;
    let (mut goal, mut address, mut decisions) = (String::new(), None, 0);
    let mut fingerprint = String::new();
    for record in journal.records(&run)? {
        match record.event {
            Event::Start(start) => {
                goal = start.goal;
                fingerprint = start.fingerprint;
            }
            Event::Resume(again) => fingerprint = again.fingerprint,
            Event::Decision(decision) => address = decision.url.or(address),
            Event::Hand(hand) => address = hand.url.or(address),
            Event::Result(_) => decisions += 1,
            Event::UpFront(_) | Event::Order(_) | Event::HandResult(_) | Event::Window(_) | Event::End(_) => {
            }
        }
    }
    Ok(Resumable {
        run,
        goal,
        address,
        fingerprint,
        decisions,
    })
}

/// Writes the report of some runs, making its folder.
///
/// # Errors
/// When the journal cannot be read or the file not written.
pub fn write_report(
    journal: &Journal,
    runs: &[RunId],
    file: &Path,
    title: Option<&str>,
) -> anyhow::Result<()> {
    let options = ReportOptions {
        title: title.map(str::to_owned),
    };
    let page = html(journal, runs, &options)?;
    let cannot = format!("cannot write the report {}", file.display());
    let hint = "name another place: --report FILE";
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_hint(&cannot, hint)?;
    }
    write_private(file, page.as_bytes()).with_hint(&cannot, hint)
}

/// Screens are private data: the file is the user's alone.
fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(bytes)
}
