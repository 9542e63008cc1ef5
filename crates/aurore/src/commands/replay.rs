//! `aurore replay`: the journal of a run, as text, as a page, or checked.

mod against;

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_agent::{Event, Journal, Record, RunId, describe_action, reveal};
use serde_json::json;

use super::agent::write_report;
use crate::browser::BrowserChoice;
use crate::failure::hinted;
use crate::folders;
use crate::global::Global;
use crate::site;
use crate::style::{Look, Style};

/// Options of `aurore replay`.
#[derive(clap::Args)]
pub struct Args {
    /// The run: its name, the beginning of it, or `last`.
    run: String,
    /// Write one self-contained page to look at; to RUN.html if no file is named.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "")]
    html: Option<PathBuf>,
    /// Check hashes, signatures and frames, and say where the chain breaks.
    #[arg(long)]
    verify: bool,
    /// Decide the same again, without a model, on the pages at this address, and say where they go another way. The rules
    /// are those of now, and so are the questions: without a terminal they are denied.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["html", "verify"])]
    against: Option<String>,
    /// With --against: another site that the run is about, as `aurore agent --site` names them; may be given several times.
    /// One that an address was opened on stands for the recorded one, in this order.
    #[arg(long = "site", value_name = "ORIGIN", value_parser = site::origin, requires = "against")]
    sites: Vec<String>,
    /// With --against: every frame has to be the same to the pixel.
    #[arg(long, requires = "against")]
    same_frames: bool,
    /// With --against: put questions to this program instead of the terminal.
    #[arg(long, value_name = "COMMAND", requires = "against")]
    approve_with: Option<String>,
    /// With --against: more rules.
    #[arg(long = "rules", value_name = "FILE", requires = "against")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    browser: BrowserChoice,
    /// Where journals are kept.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

/// Runs the command. Exit code 1 when the chain is broken, or the pages go another way.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let journal = Journal::in_folder(&folders::journals(args.journal.as_deref())?)?;
    let run = find(&journal, &args.run)?;
    if let Some(address) = &args.against {
        return against::run(&args, address, journal, &run, global);
    }
    if let Some(named) = &args.html {
        let file = if named.as_os_str().is_empty() {
            PathBuf::from(format!("{run}.html"))
        } else {
            named.clone()
        };
        write_report(&journal, std::slice::from_ref(&run), &file, None)?;
        if global.json {
            println!("{}", json!({"run": run, "html": file}));
        } else {
            println!("{}", file.display());
        }
    }
    if args.verify {
        return verify(&journal, &run, global);
    }
    if args.html.is_none() {
        for record in journal.records(&run)? {
            print(&record, global)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The run that a person names.
///
/// # Errors
/// When there is none.
pub fn find(journal: &Journal, name: &str) -> anyhow::Result<RunId> {
    if name != "last" {
        return Ok(journal.find(name)?);
    }
    let newest = journal.runs()?.pop();
    newest
        .map(|summary| summary.run)
        .ok_or_else(|| hinted("no run is in the journal", "`aurore demo` makes some"))
}

fn verify(journal: &Journal, run: &RunId, global: &Global) -> anyhow::Result<ExitCode> {
    let found = journal.verify(run)?;
    let whole = found.is_whole();
    if global.json {
        println!(
            "{}",
            json!({"run": run, "whole": whole, "records": found.records, "problems": found.problems, "notes": found.notes})
        );
    } else {
        for problem in &found.problems {
            println!("broken: {problem}");
        }
        for note in &found.notes {
            println!("note: {note}");
        }
        if whole {
            println!("{run}: {} records, the chain is whole", found.records);
        }
    }
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(record: &Record, global: &Global) -> anyhow::Result<()> {
    if global.json {
        println!(
            "{}",
            json!({"sequence": record.sequence, "at_ms": record.at_ms, "record": serde_json::to_value(&record.event)?})
        );
        return Ok(());
    }
    let style = Style::new(global.color);
    match &record.event {
        Event::Start(start) => {
            println!(
                "{}  {}",
                style.paint(Look::Bold, "Goal"),
                reveal(&start.goal, false)
            );
            println!("      decided by {}", reveal(&start.principal, false));
        }
        Event::Resume(again) if again.still_allowed.is_empty() => println!("      resumed"),
        Event::Resume(again) => println!(
            "      resumed; still allowed: {}",
            reveal(&again.still_allowed.join("; "), false)
        ),
        Event::UpFront(asked) => println!(
            "      asked up front: {}: {} by {}",
            reveal(&asked.items.join("; "), false),
            if asked.approval.allowed {
                format!("allowed {}", reveal(&asked.approval.note, false))
            } else {
                "not allowed".to_owned()
            },
            reveal(&asked.approval.by, false)
        ),
        Event::Decision(decision) => {
            println!(
                "{:>3}  thinking {}",
                decision.step,
                reveal(&decision.thinking, false)
            );
            for item in decision.plan.iter().flatten() {
                println!("     plan     {}", reveal(&item.to_string(), false));
            }
            for note in &decision.notes {
                println!("     note     {}", reveal(note, false));
            }
            println!("     intent   {}", reveal(&decision.intent, false));
            if let Some(action) = &decision.action {
                let target = decision.target.as_ref().map(aurore_action::Target::describe);
                println!(
                    "     action   {} {}",
                    action.name(),
                    reveal(&target.unwrap_or_default(), false)
                );
            }
            if let Some(verdict) = &decision.verdict {
                println!(
                    "     verdict  {} by rule {}: {}",
                    verdict.decision.name(),
                    reveal(&verdict.rule.to_string(), false),
                    reveal(&verdict.rule.reason, false)
                );
            }
        }
        Event::Result(result) => println!(
            "     result   {} ({:.2} s)",
            reveal(&result.result, false),
            result.seconds
        ),
        Event::Order(order) => println!("      {} by {}", order.order, reveal(&order.by, false)),
        Event::Hand(hand) => println!(
            "      by hand  {} ({})",
            reveal(&describe_action(&hand.action, hand.target.as_ref()), false),
            reveal(&hand.by, false)
        ),
        Event::Window(_) => println!("     the person used the browser’s own window"),
        Event::HandResult(result) => println!("     result   {}", reveal(&result.result, false)),
        Event::End(end) => println!("End   {}", reveal(&end.end.message, false)),
    }
    Ok(())
}
