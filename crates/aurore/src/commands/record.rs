//! `aurore record`: the expert's workflows as training data.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use aurore_agent::Journal;
use aurore_apps::Goal;
use aurore_chat::AgentSettings;
use indicatif::ProgressBar;
use serde_json::json;

use super::eval::{Scratch, Seeds, progress};
use crate::browser::BrowserChoice;
use crate::global::Global;
use crate::rules;
use crate::workflows::{Episode, SuiteChoice, Workshop, families};
use crate::worksite::Worksite;

/// Options of `aurore record`.
#[derive(clap::Args)]
pub struct Args {
    /// Where episodes go, a file each with its frames beside it. Those that are there already are not recorded again.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The families of these apps alone.
    #[arg(long, value_name = "APPS", value_enum)]
    suite: Option<SuiteChoice>,
    /// These families of goals alone, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    family: Vec<String>,
    /// Seeds: `A..B` without B, or `A..=B` with it. Those from 2000000 on are kept for measuring.
    #[arg(long, value_name = "A..B", default_value = "0..10")]
    seeds: Seeds,
    /// Goals in these languages alone: en, fr, zh, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "CODES", value_parser = ["en", "fr", "zh"])]
    language: Vec<String>,
    #[command(flatten)]
    browser: BrowserChoice,
}

/// More steps are no episode of the expert.
const STEPS: u32 = 200;

/// Runs the command. It fails if an episode did not meet its goal; that one is not kept.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let names: Vec<&str> = args.family.iter().map(String::as_str).collect();
    let families = families(&names, args.suite)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let scratch = Scratch::new(None)?;
    let journal = Journal::in_folder(&scratch.folder)?;
    let mut worksite = Worksite::open(
        &args.browser,
        AgentSettings::default(),
        journal,
        rules::load(&[])?,
        &global.interrupted,
    )?;
    let mut workshop = Workshop::default();
    let (mut episodes, mut steps, mut failed) = (0_u64, 0, 0_u64);
    for family in families {
        let bar = progress(args.seeds.count(), family.name());
        for seed in args.seeds.all() {
            if global.is_interrupted() {
                return Ok(stopped(&bar));
            }
            let goal = Goal::new(family, seed)?;
            let episode = Episode::of(&goal, &args.out);
            bar.inc(1);
            let code = goal.language().code();
            let wanted = args.language.is_empty() || args.language.iter().any(|wanted| wanted == code);
            if !wanted || episode.exists() {
                continue;
            }
            let verdict = workshop.work(&mut worksite, &goal, None, STEPS, &mut |_| ());
            if global.is_interrupted() {
                // Whatever came of it, the stop is why.
                return Ok(stopped(&bar));
            }
            let verdict = verdict?;
            if verdict.is_met() {
                steps += episode.write(worksite.journal(), &verdict.outcome.run)?;
                episodes += 1;
            } else {
                failed += 1;
                bar.suspend(|| {
                    eprintln!(
                        "{} {seed} did not meet its goal: {}",
                        family.name(),
                        verdict.outcome.end.message
                    );
                });
            }
            worksite.journal().delete(&verdict.outcome.run)?;
        }
        bar.finish_and_clear();
    }
    if global.json {
        println!(
            "{}",
            json!({"episodes": episodes, "steps": steps, "failed": failed})
        );
    } else {
        println!("{episodes} episodes of {steps} steps in {}", args.out.display());
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn stopped(bar: &ProgressBar) -> ExitCode {
    bar.finish_and_clear();
    eprintln!("stopped; what was recorded is whole, and the same command goes on from here");
    ExitCode::FAILURE
}
