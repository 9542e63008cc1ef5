//! One workflow from its first page to the check of the databases.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use aurore_agent::{Brain, Budgets, CountingApprover, StepReport};
use aurore_apps::{Difference, Goal, SELECTOR, Site, Suite};
use aurore_policy::{Decision, Tier};

use super::ExpertBrain;
use crate::tasks::SEEN;
use crate::worksite::{Hands, Outcome, Worksite};

/// The apps of both suites, started when they are first needed.
#[derive(Default)]
pub struct Workshop {
    sites: BTreeMap<Suite, Site>,
    /// Whether questions are answered no.
    refuses: bool,
}

/// Questions of an episode, by tier.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Questions {
    /// About what should be free.
    pub free: u32,
    /// About what is asked once.
    pub once: u32,
    /// About what is asked right before.
    pub always: u32,
}

impl Questions {
    fn count(&mut self, step: &StepReport) {
        let Some(verdict) = step
            .verdict
            .as_ref()
            .filter(|verdict| verdict.decision == Decision::Ask)
        else {
            return;
        };
        match verdict.tier {
            Tier::Free => self.free += 1,
            Tier::Once => self.once += 1,
            Tier::Always | Tier::Hands => self.always += 1,
        }
    }

    /// What is wrong with the questions of a goal that was met: at most one up front, one for each consequence that
    /// it calls for, none for what is free.
    pub fn wrong(&self, effects: u32) -> Option<String> {
        let right = self.free == 0 && self.once <= 1 && self.always == effects;
        (!right).then(|| {
            format!(
                "asked {} times about what is free, {} times up front and {} times for {effects} consequences",
                self.free, self.once, self.always
            )
        })
    }
}

/// How a workflow came out.
pub struct Verdict {
    /// The run.
    pub outcome: Outcome,
    /// What is not as the goal wants it.
    pub differences: Vec<Difference>,
    /// What was asked.
    pub questions: Questions,
}

impl Verdict {
    /// Whether the goal is met exactly.
    pub fn is_met(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Workshop {
    /// One in which every question is answered no.
    pub fn refusing() -> Self {
        Self {
            refuses: true,
            ..Self::default()
        }
    }

    /// The apps of a suite.
    ///
    /// # Errors
    /// When they cannot be served.
    fn site(&mut self, suite: Suite) -> anyhow::Result<&mut Site> {
        let site = match self.sites.remove(&suite) {
            Some(site) => site,
            None => Site::start(suite)?,
        };
        Ok(self.sites.entry(suite).or_insert(site))
    }

    /// Works on a goal in its untouched world: `brain` decides, or the expert if there is none. Questions are
    /// answered yes, or no where the workshop [refuses](Self::refusing). The databases are read when the run has ended, however it ended.
    ///
    /// # Errors
    /// When the apps, the browser or the journal fail.
    pub fn work(
        &mut self,
        worksite: &mut Worksite,
        goal: &Goal,
        brain: Option<&mut dyn Brain>,
        max_steps: u32,
        watch: &mut dyn FnMut(&StepReport),
    ) -> anyhow::Result<Verdict> {
        let refuses = self.refuses;
        let site = self.site(goal.family.suite())?;
        site.begin(goal)?;
        // The person knows their own apps: they are where the run starts from.
        worksite.start_from(site.origins().iter().map(|(_, origin)| origin.clone()).collect());
        let looks = worksite.looks();
        let browser = worksite.browser()?;
        browser
            .open(&site.address(goal.start))
            .with_context(|| format!("the app {} does not open", goal.start.name()))?;
        let mut expert;
        let brain = match brain {
            Some(brain) => brain,
            None => {
                let looks = looks.map(|looks| (looks, browser.keep_told(SEEN.to_owned())));
                expert = ExpertBrain::new(goal, browser.keep_outline(SELECTOR), looks);
                &mut expert
            }
        };
        let mut approver = if refuses {
            CountingApprover::no()
        } else {
            CountingApprover::yes()
        };
        let mut hands = Hands {
            brain,
            approver: &mut approver,
            budgets: Budgets {
                steps: max_steps,
                time: Duration::from_mins(20),
                ..Budgets::default()
            },
        };
        let mut questions = Questions::default();
        let outcome = worksite.pursue(
            &goal.text,
            goal.family.name(),
            None,
            None,
            &mut hands,
            &mut |step| {
                questions.count(step);
                watch(step);
            },
        )?;
        questions.once += approver.up_front;
        Ok(Verdict {
            outcome,
            differences: site.differences(goal)?,
            questions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_right_or_told() {
        let asked = |free, once, always| Questions { free, once, always };
        assert_eq!(asked(0, 1, 2).wrong(2), None);
        for other in [asked(1, 0, 2), asked(0, 2, 2), asked(0, 0, 3), asked(0, 0, 1)] {
            assert!(other.wrong(2).is_some(), "{other:?}");
        }
    }
}
