//! What an action faces, for the rules: what it hits, and the state of the run.

use aurore_action::{Action, Target};
use aurore_policy::Context;
use aurore_screen::{Screen, ScreenError};

use super::Run;
use crate::{Decision, crop};

impl<S: Screen + ?Sized> Run<'_, S> {
    /// What the action would hit: under its first point or at the focus, and under its other points.
    pub(super) fn targets(&mut self, action: &Action) -> Result<(Option<Target>, Vec<Target>), ScreenError> {
        let screen = &mut self.options.screen;
        let target = screen.target(action)?;
        let mut also = Vec::new();
        for point in action.points().into_iter().skip(1) {
            also.push(screen.target_at(point)?.unwrap_or_else(|| Target {
                origin: self.frame.origin.clone(),
                agrees: true,
                ..Target::default()
            }));
        }
        Ok((target, also))
    }

    pub(super) fn context(&self, decision: &Decision, target: Option<&Target>) -> Context {
        Context {
            tainted: self.untrusted.arguments(
                &decision.action,
                target,
                &self.frame.origin,
                &self.options.goal,
            ),
            raised: decision.raised,
            attended: self.options.approver.attended(),
            around: crop::around(&self.frame, decision.action.point(), target),
            ..self.surroundings()
        }
    }

    /// The state of the run, whoever acts.
    pub(super) fn surroundings(&self) -> Context {
        Context {
            goal: self.options.goal.clone(),
            origin: self.frame.origin.clone(),
            url: self.frame.url.clone(),
            known_origins: self.options.known_origins.clone(),
            controls: self.options.controls.clone(),
            control_paths: self.options.files.controls.clone(),
            folders: self.options.files.given.clone(),
            home: self.options.files.home.clone(),
            step: self.steps,
            budget: self.budget_left(),
            frame: Some(self.frame_id()),
            ..Context::default()
        }
    }
}
