//! One episode of a small page.

use std::time::Duration;

use anyhow::Result;
use aurore_agent::{Brain, Budgets, CountingApprover, EndKind};

use crate::brains::Mind;
use crate::tasks::{Corrected, Label, Looks, Site, Task, TaskExpert};
use crate::worksite::{Hands, Outcome, Worksite};

/// How an episode is held.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Terms {
    /// Most steps.
    pub(in crate::commands) steps: u32,
    /// Whether every question is answered no.
    pub(in crate::commands) refuse: bool,
}

impl Terms {
    /// Every question is answered yes.
    pub(in crate::commands) fn of(steps: u32) -> Self {
        Self { steps, refuse: false }
    }
}

/// One episode, by the expert if there is no model. A browser that died gets one more chance: its death says nothing
/// about who decides.
pub(in crate::commands) fn episode(
    worksite: &mut Worksite,
    site: &Site,
    task: &Task,
    seed: u64,
    mut mind: Option<&mut Mind>,
    terms: Terms,
) -> Result<Outcome> {
    twice(task, seed, || match &mut mind {
        Some(mind) => attempt(worksite, site, task, seed, mind.brain.as_mut(), terms),
        None => {
            let looks = worksite.looks();
            let mut expert = TaskExpert::new(task, worksite.browser()?, looks);
            attempt(worksite, site, task, seed, &mut expert, terms)
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
    terms: Terms,
) -> Result<(Outcome, Vec<Label>)> {
    let mut labels = Vec::new();
    let outcome = twice(task, seed, || {
        let looks = Looks::default();
        let expert = TaskExpert::new(task, worksite.browser()?, Some(looks.clone()));
        let mut brain = Corrected::new(mind.brain.as_mut(), expert, looks);
        let outcome = attempt(worksite, site, task, seed, &mut brain, terms);
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
    terms: Terms,
) -> Result<Outcome> {
    let mut approver = if terms.refuse {
        CountingApprover::no()
    } else {
        CountingApprover::yes()
    };
    let mut hands = Hands {
        brain,
        approver: &mut approver,
        budgets: Budgets {
            steps: terms.steps,
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

/// What is wrong with an episode in which every question was answered no: who was refused something should end it, and
/// say why.
pub(super) fn not_given_up(outcome: &Outcome, met: bool) -> Option<&'static str> {
    if outcome.refused == 0 {
        return (!met).then_some("nothing was refused, and the goal is not met");
    }
    let gave_up = outcome.end.kind == EndKind::GaveUp && outcome.end.message.contains("refused");
    (!gave_up || met).then_some("it was told no and did not give up, saying so")
}
