//! The expert's workflows over several apps.

use aurore_agent::Journal;
use aurore_apps::Goal;
use aurore_chat::AgentSettings;

use super::{Args, Recorded};
use crate::commands::eval::{Scratch, progress};
use crate::global::Global;
use crate::rules;
use crate::workflows::{Episode, Workshop, families};
use crate::worksite::Worksite;

/// More steps are no episode of the expert.
const STEPS: u32 = 200;

/// Records workflows. One that did not meet its goal is told and not kept.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<Option<Recorded>> {
    let names: Vec<&str> = args.family.iter().map(String::as_str).collect();
    let families = families(&names, args.suite)?;
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
    worksite.keep_looks();
    let mut recorded = Recorded::default();
    for family in families {
        let bar = progress(args.seeds.count(), family.name());
        for seed in args.seeds.all() {
            if global.is_interrupted() {
                bar.finish_and_clear();
                return Ok(None);
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
                bar.finish_and_clear();
                return Ok(None);
            }
            let verdict = verdict?;
            if verdict.is_met() {
                recorded.steps +=
                    episode.write(worksite.journal(), &verdict.outcome.run, &worksite.take_looks())?;
                recorded.episodes += 1;
            } else {
                recorded.failed += 1;
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
    Ok(Some(recorded))
}
