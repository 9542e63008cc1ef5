//! A recorded run once more, on pages of now.

use std::io::IsTerminal;
use std::process::ExitCode;

use aurore_agent::{
    Approver, Budgets, DenyAll, Event, Journal, ProgramApprover, RecordedBrain, RunId, TerminalApprover,
    reveal,
};
use aurore_chat::AgentSettings;
use serde_json::json;

use super::Args;
use crate::failure::{WithHint, hinted};
use crate::global::Global;
use crate::rules;
use crate::steps::StepPrinter;
use crate::style::{Look, Style};
use crate::worksite::{Hands, Worksite};

/// Decides again what the run decided. Exit code 1 when the pages go another way.
pub(super) fn run(
    args: &Args,
    address: &str,
    journal: Journal,
    run: &RunId,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let mut brain = RecordedBrain::open(&journal, run)?;
    let Some(size) = brain.size() else {
        return Err(hinted(
            format!("nothing was decided in run {run}"),
            "name another run",
        ));
    };
    (brain.same_frames, brain.moved) = (args.same_frames, true);
    brain.sites = args.sites.iter().cloned().collect();
    let goal = journal
        .records(run)?
        .into_iter()
        .find_map(|record| match record.event {
            Event::Start(start) => Some(start.goal),
            _ => None,
        })
        .unwrap_or_default();
    let browser = args.browser.clone();
    // A frame has the page's size times the scale.
    let side = |pixels: u32| (f64::from(pixels) / browser.scale).round() as u32;
    let settings = AgentSettings {
        viewport: Some([side(size.width), side(size.height)]),
        ..AgentSettings::default()
    };
    let mut approver: Box<dyn Approver> = match &args.approve_with {
        Some(command) => Box::new(ProgramApprover::new(command)),
        None if global.json || !std::io::stdin().is_terminal() => Box::new(DenyAll),
        None => Box::new(TerminalApprover::stdio()),
    };
    let rules = rules::load(&args.rules)?;
    let mut site = Worksite::open(&browser, settings, journal, rules, &global.interrupted)?;
    site.start_from(args.sites.clone());
    site.browser()?.open(address).with_hint(
        &format!("cannot open {address}"),
        "is it a whole http or https address?",
    )?;
    let printer = StepPrinter::new(global.color);
    let recorded = brain.len();
    let mut hands = Hands {
        brain: &mut brain,
        approver: approver.as_mut(),
        budgets: Budgets {
            steps: u32::try_from(recorded).unwrap_or(u32::MAX).saturating_add(1),
            ..Budgets::default()
        },
    };
    let outcome = site.pursue(
        &goal,
        &format!("replay of {run}"),
        None,
        None,
        &mut hands,
        &mut |step| {
            if global.json {
                println!("{}", json!({"event": "step", "step": step}));
            } else {
                printer.print(step);
            }
        },
    )?;
    let replayed = brain.replayed();
    // The last step's result is compared when a further one is asked for; a run that ended itself has none.
    let same = replayed == recorded && outcome.end.kind != aurore_agent::EndKind::Failed;
    if global.json {
        println!(
            "{}",
            json!({"event": "end", "same": same, "recorded": recorded, "replayed": replayed, "outcome": outcome})
        );
    } else {
        let style = Style::new(global.color);
        if same {
            let words = format!("the same way: {recorded} steps");
            println!("{}", style.paint(Look::Green, words));
        } else {
            let words = format!(
                "another way after {replayed} of {recorded} steps: {}",
                outcome.end.message
            );
            println!("{}", style.paint(Look::Red, reveal(&words, false)));
        }
    }
    Ok(if same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
