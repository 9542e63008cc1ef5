//! `aurore eval workflows`: whole workflows over the bundled apps, checked in the apps' databases.

use std::process::ExitCode;

use anyhow::Context;
use aurore_agent::{EndKind, Journal};
use aurore_apps::Goal;

use super::episode::not_given_up;
use super::{Args, EXPERT_STEPS, Scratch, Seeds, Tally, keep_away, print_head, print_line, progress};
use crate::brains::{self, Mind};
use crate::global::Global;
use crate::rules;
use crate::workflows::{ExpertBrain, Verdict, Workshop, families};
use crate::worksite::Worksite;

/// Runs the suite. With the expert it fails unless every goal is met and the questions are right.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let names: Vec<&str> = args.families().collect();
    let families = families(&names, args.of_suite)?;
    let seeds = match &args.seeds {
        Some(seeds) => seeds.clone(),
        None => Seeds::few(),
    };
    let scratch = Scratch::new(args.journal.clone())?;
    let journal = Journal::in_folder(&scratch.folder)?;
    let (mut mind, name) = mind(args, global)?;
    let settings = mind.as_ref().map(|mind| mind.settings).unwrap_or_default();
    let mut worksite = Worksite::open(
        &args.browser,
        settings,
        journal,
        rules::load(&[])?,
        &global.interrupted,
    )?;
    keep_away(&mut worksite, mind.as_ref());
    let mut workshop = if args.refuse {
        Workshop::refusing()
    } else {
        Workshop::default()
    };
    let mut failed = 0_u64;
    print_head(global);
    for family in families {
        let mut tally = Tally::default();
        let bar = progress(seeds.count(), family.name());
        for seed in seeds.all() {
            if global.is_interrupted() {
                break;
            }
            if args.script.is_some() {
                // A script is played from its beginning for each goal.
                mind = self::mind(args, global)?.0;
            }
            let goal = Goal::new(family, seed)?;
            let steps = args.max_steps.unwrap_or(EXPERT_STEPS);
            let verdict = episode(&mut worksite, &mut workshop, &goal, mind.as_mut(), steps);
            if global.is_interrupted() {
                // Whatever came of it, the stop is why.
                break;
            }
            let verdict = verdict?;
            args.check(&verdict.outcome)?;
            let wrong = if args.refuse {
                not_given_up(&verdict.outcome, verdict.is_met()).map(str::to_owned)
            } else {
                verdict.questions.wrong(goal.effects)
            };
            let unmet = !verdict.is_met() && !args.refuse;
            if args.expert && (unmet || wrong.is_some()) {
                failed += 1;
                bar.suspend(|| complain(&goal, &verdict, wrong.as_deref()));
            }
            tally.add(&verdict.outcome, verdict.is_met());
            bar.set_message(format!("{} of {} met", tally.successes, tally.episodes));
            bar.inc(1);
        }
        bar.finish_and_clear();
        if global.is_interrupted() {
            // Rates over a part of the seeds would look like rates over all of them.
            eprintln!(
                "stopped in the middle of `{}`; its numbers are not shown",
                family.name()
            );
            return Ok(ExitCode::FAILURE);
        }
        print_line(
            global,
            &tally.line("workflows", family.name(), &name, &seeds.text),
        )?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{failed} episodes of the expert are not as they should be");
        ExitCode::FAILURE
    })
}

/// Who decides, the expert if nobody else, and the name.
fn mind(args: &Args, global: &Global) -> anyhow::Result<(Option<Mind>, String)> {
    Ok(match (args.expert, &args.script) {
        (true, _) => (None, ExpertBrain::NAME.to_owned()),
        (_, Some(script)) => (Some(brains::script(script)?), script.display().to_string()),
        _ => {
            let (mind, name) = args.mind(global)?;
            (Some(mind), name)
        }
    })
}

/// One episode. A browser that died gets one more chance: its death says nothing about who decides.
fn episode(
    worksite: &mut Worksite,
    workshop: &mut Workshop,
    goal: &Goal,
    mind: Option<&mut Mind>,
    steps: u32,
) -> anyhow::Result<Verdict> {
    let mut mind = mind;
    let mut attempt = |worksite: &mut Worksite| {
        let brain = match mind.as_mut() {
            Some(mind) => Some(&mut *mind.brain as _),
            None => None,
        };
        workshop
            .work(worksite, goal, brain, steps, &mut |_| ())
            .with_context(|| format!("{} {} cannot be worked on", goal.family.name(), goal.seed))
    };
    match attempt(worksite) {
        Ok(verdict) if verdict.outcome.end.kind != EndKind::Failed => Ok(verdict),
        Ok(verdict) => {
            tracing::warn!(seed = goal.seed, message = %verdict.outcome.end.message, "the episode failed and is tried again");
            worksite.forget_browser();
            attempt(worksite)
        }
        Err(error) => {
            tracing::warn!(seed = goal.seed, %error, "the episode failed and is tried again");
            worksite.forget_browser();
            attempt(worksite)
        }
    }
}

/// Says what is wrong with an episode.
fn complain(goal: &Goal, verdict: &Verdict, asked: Option<&str>) {
    eprintln!("{} {}: {}", goal.family.name(), goal.seed, goal.text);
    eprintln!("  ended: {}", verdict.outcome.end.message);
    for difference in &verdict.differences {
        eprintln!("  {difference}");
    }
    if let Some(asked) = asked {
        eprintln!("  {asked}");
    }
}
