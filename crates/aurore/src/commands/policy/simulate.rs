//! `aurore policy simulate`: past steps under other rules.
//!
//! The journal holds what the rules saw of each step. That is judged again, so that only the rules differ.

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_agent::{DecisionRecord, Event, Journal, RunId, describe_action, reveal};
use aurore_policy::{Decision, Facts, Layer, Rules, VerdictRecord, judge_facts};
use serde::Serialize;
use serde_json::json;

use crate::commands::replay;
use crate::folders;
use crate::global::Global;
use crate::rules;

/// Options of `aurore policy simulate`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The rules to try, in the place of your own.
    rules: PathBuf,
    /// The folder of a journal; yours if absent.
    journal: Option<PathBuf>,
    /// Only this run: its name, the beginning of it, or `last`. May be given several times.
    #[arg(long = "run", value_name = "RUN")]
    runs: Vec<String>,
}

/// One step, judged again.
#[derive(Debug, Serialize)]
struct Judged {
    run: RunId,
    step: u32,
    /// The action in words.
    words: String,
    /// What was decided then; a question that nobody was there to answer is `ask`.
    was: Decision,
    was_rule: String,
    /// What would be decided now.
    now: VerdictRecord,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    runs: usize,
    steps: usize,
    allowed: usize,
    asked: usize,
    denied: usize,
    /// Steps that would have come out another way than they did.
    changed: usize,
    /// Steps without a verdict: what the model said was no action.
    not_judged: usize,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let rules = rules::add(rules::of_the_system()?, Layer::User, &args.rules)?;
    let journal = Journal::in_folder(&folders::journals(args.journal.as_deref())?)?;
    let runs: Vec<RunId> = if args.runs.is_empty() {
        journal.runs()?.into_iter().map(|summary| summary.run).collect()
    } else {
        args.runs
            .iter()
            .map(|name| replay::find(&journal, name))
            .collect::<Result<_, _>>()?
    };
    let mut summary = Summary {
        runs: runs.len(),
        ..Summary::default()
    };
    for run in runs {
        for record in journal.records(&run)? {
            let Event::Decision(decision) = record.event else {
                continue;
            };
            match judged(&run, &decision, &rules) {
                Some(step) => {
                    summary.count(&step);
                    step.print(global)?;
                }
                None => summary.not_judged += 1,
            }
        }
    }
    if global.json {
        println!("{}", json!({"summary": summary}));
    } else {
        println!(
            "{} steps of {} runs: {} would be allowed, {} asked about, {} denied; {} would come out another way than they did",
            summary.steps, summary.runs, summary.allowed, summary.asked, summary.denied, summary.changed
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn judged(run: &RunId, decision: &DecisionRecord, rules: &Rules) -> Option<Judged> {
    let was = decision.verdict.as_ref()?;
    let facts: Vec<Facts> = decision
        .facts
        .iter()
        .chain(&decision.more_facts)
        .cloned()
        .collect();
    let words = decision
        .action
        .as_ref()
        .map(|action| describe_action(action, decision.target.as_ref()))?;
    // As if somebody had been there: who was is no matter of the rules.
    let now = (!facts.is_empty()).then(|| judge_facts(&facts, rules, true))?;
    Some(Judged {
        run: run.clone(),
        step: decision.step,
        words,
        was: if was.asks() { Decision::Ask } else { was.decision },
        was_rule: was.rule.to_string(),
        now,
    })
}

impl Judged {
    fn print(&self, global: &Global) -> anyhow::Result<()> {
        if global.json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        if self.now.decision == Decision::Allow && self.was == Decision::Allow {
            return Ok(());
        }
        let was = if self.was == self.now.decision {
            "as it was".to_owned()
        } else {
            format!("was {} by {}", self.was.name(), self.was_rule)
        };
        println!(
            "{} step {:>3}  {:<5} {}\n{:27}by {}: {} ({})",
            self.run,
            self.step,
            self.now.decision.name(),
            reveal(&self.words, false),
            "",
            self.now.rule,
            reveal(&self.now.rule.reason, false),
            was,
        );
        Ok(())
    }
}

impl Summary {
    fn count(&mut self, step: &Judged) {
        self.steps += 1;
        *match step.now.decision {
            Decision::Allow => &mut self.allowed,
            Decision::Ask => &mut self.asked,
            Decision::Deny => &mut self.denied,
        } += 1;
        self.changed += usize::from(step.was != step.now.decision);
    }
}
