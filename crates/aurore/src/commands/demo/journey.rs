//! `aurore demo --journey`: a whole workflow over three apps, decided by the apps' own expert.

use std::process::ExitCode;
use std::time::Instant;

use aurore_agent::{Journal, reveal};
use aurore_apps::{Family, Goal};
use aurore_chat::AgentSettings;
use serde_json::json;

use super::{Args, report_file};
use crate::commands::agent::write_report;
use crate::folders;
use crate::global::Global;
use crate::rules;
use crate::steps::StepPrinter;
use crate::style::{Look, Style};
use crate::workflows::Workshop;
use crate::worksite::Worksite;

/// The first journey; its pages are in English.
const SEED: u64 = 1;

/// Many more steps than the expert needs.
const STEPS: u32 = 60;

/// A flight, a hotel, and both in the calendar. Exit code 0 when the databases say so.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let style = Style::new(global.color);
    let goal = Goal::new(Family::Trip, SEED.wrapping_add(args.seed))?;
    let journal = Journal::in_folder(&folders::journals(args.journal.as_deref())?)?;
    let mut worksite = Worksite::open(
        &args.browser,
        AgentSettings::default(),
        journal,
        rules::load(&[])?,
        &global.interrupted,
    )?;
    if global.json {
        println!(
            "{}",
            json!({"event": "goal", "name": goal.family.name(), "seed": goal.seed, "goal": goal.text})
        );
    } else {
        println!(
            "{}",
            style.paint(Look::Bold, "Aurore demo: a journey over three apps")
        );
        println!(
            "the apps’ own expert decides, through the loop, rules and journal of any model; questions are answered yes"
        );
        println!();
        println!(
            "{}",
            style.paint(Look::Bold, format!("Goal: {}", reveal(&goal.text, false)))
        );
    }
    let steps = StepPrinter::new(global.color);
    let verdict = Workshop::default().work(&mut worksite, &goal, None, STEPS, &mut |step| {
        if global.json {
            println!(
                "{}",
                json!({"event": "step", "name": goal.family.name(), "step": step})
            );
        } else {
            steps.print(step);
        }
    })?;
    let differences: Vec<String> = verdict.differences.iter().map(ToString::to_string).collect();
    let runs = [verdict.outcome.run.clone()];
    let report = report_file(args, &runs)?;
    write_report(worksite.journal(), &runs, &report, Some("Aurore demo: a journey"))?;
    let met = verdict.is_met();
    let seconds = began.elapsed().as_secs_f64();
    if global.json {
        println!(
            "{}",
            json!({"event": "outcome", "name": goal.family.name(), "as_expected": met, "differences": differences,
                "outcome": verdict.outcome})
        );
        println!(
            "{}",
            json!({"event": "summary", "as_expected": u32::from(met), "goals": 1, "seconds": seconds, "report": report})
        );
    } else {
        println!();
        for difference in &differences {
            println!("  {}", style.paint(Look::Red, reveal(difference, false)));
        }
        let (look, words) = if met {
            (Look::Green, "✓ met exactly, say the apps’ databases")
        } else {
            (Look::Red, "✗ not as the goal wants it")
        };
        println!(
            "{} in {} steps, {} questions, {seconds:.0} s",
            style.paint(look, words),
            verdict.outcome.steps,
            verdict.outcome.asked
        );
        println!("report: {}", report.display());
    }
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
