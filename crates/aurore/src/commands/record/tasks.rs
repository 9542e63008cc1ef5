//! The experts' work on small pages.

use aurore_action::Size;
use aurore_agent::{EndKind, Journal};
use aurore_chat::AgentSettings;

use super::{Args, Recorded, What};
use crate::adapters::AdapterChoice;
use crate::brains;
use crate::commands::eval::{EXPERT_STEPS, Scratch, Terms, choose, corrected, episode, progress};
use crate::global::Global;
use crate::models::ModelChoice;
use crate::rules;
use crate::tasks::{MiniWob, Site};
use crate::workflows::Episode;
use crate::worksite::Worksite;

/// So many episodes after one another that cannot be played end a recording.
const MOST_LOST: u32 = 3;
/// Steps of a model that is corrected: one that has lost its way learns nothing from going on.
const MODEL_STEPS: u32 = 12;

/// Records small pages. Some goals are worded so that even the expert errs: those episodes are not kept.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<Option<Recorded>> {
    let miniwob = match args.what {
        What::Miniwob => Some(MiniWob::required(args.miniwob.as_deref())?),
        _ => None,
    };
    let suite = if miniwob.is_some() { "miniwob" } else { "bundled" };
    let tasks = choose(&args.tasks, miniwob.as_ref(), true)?;
    let site = Site::start(miniwob.as_ref())?;
    let scratch = Scratch::new(None)?;
    let mut model = match &args.corrections_of {
        Some(name) => Some(brains::network(
            &ModelChoice::named(name),
            &AdapterChoice::default(),
            None,
            &global.interrupted,
        )?),
        None => None,
    };
    let mut choice = args.browser.clone();
    choice.viewport = choice.viewport.or(Some(Size {
        width: 160,
        height: 210,
    }));
    let mut worksite = Worksite::open(
        &choice,
        AgentSettings::default(),
        Journal::in_folder(&scratch.folder)?,
        rules::load(&[])?,
        &global.interrupted,
    )?;
    worksite.keep_looks();
    let mut recorded = Recorded::default();
    for task in &tasks {
        let bar = progress(args.seeds.count(), &task.name);
        for seed in args.seeds.all() {
            if global.is_interrupted() {
                bar.finish_and_clear();
                return Ok(None);
            }
            bar.inc(1);
            let mut kept = Episode::of_task(suite, &task.name, seed, &args.out);
            if kept.exists() {
                continue;
            }
            let played = match &mut model {
                Some(mind) => corrected(&mut worksite, &site, task, seed, mind, Terms::of(MODEL_STEPS)),
                None => episode(&mut worksite, &site, task, seed, None, Terms::of(EXPERT_STEPS))
                    .map(|outcome| (outcome, Vec::new())),
            };
            if global.is_interrupted() {
                // Whatever came of it, the stop is why.
                bar.finish_and_clear();
                return Ok(None);
            }
            let (outcome, labels) = match played {
                Ok(played) => played,
                // One page that hangs does not end a long recording; a machine on which all of them do, does.
                Err(error) if recorded.lost + 1 < MOST_LOST => {
                    recorded.lost += 1;
                    recorded.failed += 1;
                    bar.suspend(|| eprintln!("{task} {seed} could not be recorded: {error:#}"));
                    worksite.forget_browser();
                    continue;
                }
                Err(error) => return Err(error),
            };
            recorded.lost = 0;
            if model.is_some() {
                // However it ended: the labels are the expert's.
                kept.set_goal(&outcome.goal);
                recorded.steps += kept.write_labels(&labels)?;
                recorded.episodes += 1;
            } else if outcome.end.kind == EndKind::Reached {
                kept.set_goal(&outcome.goal);
                recorded.steps += kept.write(worksite.journal(), &outcome.run, &worksite.take_looks())?;
                recorded.episodes += 1;
            } else {
                recorded.failed += 1;
                bar.suspend(|| eprintln!("{task} {seed} did not meet its goal: {}", outcome.end.message));
            }
            worksite.journal().delete(&outcome.run)?;
        }
        bar.finish_and_clear();
    }
    Ok(Some(recorded))
}
