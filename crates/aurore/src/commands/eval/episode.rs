//! One episode of a small page.

use std::time::Duration;

use anyhow::Result;
use aurore_agent::{Brain, Budgets, CountingApprover, EndKind};

use crate::brains::Mind;
use crate::tasks::{Corrected, Label, Looks, Site, Task, TaskExpert};
use crate::worksite::{Hands, Outcome, Worksite};

/// One episode, by the expert if there is no model. A browser that died gets one more chance: its death says nothing
/// about who decides.
pub(in crate::commands) fn episode(
    worksite: &mut Worksite,
    site: &Site,
    task: &Task,
    seed: u64,
    mut mind: Option<&mut Mind>,
    max_steps: u32,
) -> Result<Outcome> {
    twice(task, seed, || match &mut mind {
        Some(mind) => attempt(worksite, site, task, seed, mind.brain.as_mut(), max_steps),
        None => {
            let looks = worksite.looks();
            let mut expert = TaskExpert::new(task, worksite.browser()?, looks);
            attempt(worksite, site, task, seed, &mut expert, max_steps)
        }
    })
}

/// The same by a model, with what the expert would have done in each state.
pub(in crate::commands) fn corrected(
    worksite: &mut Worksite,
    site: &Site,
    task: &Task,
    seed: u64,
    mind: &mut Mind,
    max_steps: u32,
) -> Result<(Outcome, Vec<Label>)> {
    let mut labels = Vec::new();
    let outcome = twice(task, seed, || {
        let looks = Looks::default();
        let expert = TaskExpert::new(task, worksite.browser()?, Some(looks.clone()));
        let mut brain = Corrected::new(mind.brain.as_mut(), expert, looks);
        let outcome = attempt(worksite, site, task, seed, &mut brain, max_steps);
        labels = brain.labels;
        outcome
    })?;
    Ok((outcome, labels))
}

fn attempt(
    worksite: &mut Worksite,
    site: &Site,
    task: &Task,
    seed: u64,
    brain: &mut dyn Brain,
    max_steps: u32,
) -> Result<Outcome> {
    let mut approver = CountingApprover::yes();
    let mut hands = Hands {
        brain,
        approver: &mut approver,
        budgets: Budgets {
            steps: max_steps,
            time: Duration::from_mins(5),
            ..Budgets::default()
        },
    };
    worksite
        .work(site, task, seed, &mut hands, &mut |_| (), &mut |_| ())
        .inspect_err(|_| worksite.forget_browser())
}

fn twice(task: &Task, seed: u64, mut attempt: impl FnMut() -> Result<Outcome>) -> Result<Outcome> {
    match attempt() {
        Ok(outcome) if outcome.end.kind != EndKind::Failed => Ok(outcome),
        Ok(outcome) => {
            tracing::warn!(%task, seed, message = %outcome.end.message, "the episode failed and is tried again");
            attempt()
        }
        Err(error) => {
            tracing::warn!(%task, seed, %error, "the episode failed and is tried again");
            attempt()
        }
    }
}
