//! A model acts, and an expert says at each state that it gets into what should be done there: what a model has to
//! learn is what to do after its own mistakes.

use aurore_action::{Action, Frame, Point};
use aurore_agent::{Brain, BrainError, Decision, Observation};
use aurore_policy::Principal;

use super::{Looks, Seen, TaskExpert};

/// Pixels between two points that are the same to an expert's memory.
const NEAR: i32 = 12;

/// What should have been done in one state.
pub struct Label {
    /// What was seen.
    pub frame: Frame,
    /// Names of the actions that the model had carried out,
    pub done: Vec<String>,
    /// and what it had meant by them.
    pub did: Vec<String>,
    /// The expert's decision.
    pub decision: Decision,
    /// What can be read in the frame.
    pub seen: Seen,
}

/// The model's decisions, with the expert's beside them.
pub struct Corrected<'a> {
    model: &'a mut dyn Brain,
    expert: TaskExpert,
    looks: Looks,
    /// One for each state that the model got into, oldest first.
    pub labels: Vec<Label>,
}

impl<'a> Corrected<'a> {
    /// `expert` must keep what it sees in `looks`.
    pub fn new(model: &'a mut dyn Brain, expert: TaskExpert, looks: Looks) -> Self {
        Self {
            model,
            expert,
            looks,
            labels: Vec::new(),
        }
    }
}

impl Brain for Corrected<'_> {
    fn principal(&self) -> Principal {
        self.model.principal()
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        let advice = self.expert.advise(observation)?;
        let known = |label: &Label| label.frame.id == observation.frame.id;
        // An expert that can only wait is where nobody should be.
        let is_waiting = matches!(advice.decision.action, Action::Wait { .. });
        let seen = self.looks.take().pop().unwrap_or_default();
        if !is_waiting && !self.labels.last().is_some_and(known) {
            let carried_out = || {
                observation
                    .history
                    .iter()
                    .filter(|past| past.done)
                    .filter_map(|past| past.decision.as_ref())
            };
            self.labels.push(Label {
                frame: observation.frame.clone(),
                done: carried_out()
                    .map(|decision| decision.action.name().to_owned())
                    .collect(),
                did: carried_out().map(|decision| decision.intent.clone()).collect(),
                decision: advice.decision.clone(),
                seen,
            });
        }
        let own = self.model.decide(observation);
        let agreed = own
            .as_ref()
            .is_ok_and(|own| is_alike(&own.action, &advice.decision.action));
        self.expert.go_on(if agreed { advice.note } else { None });
        own
    }
}

/// Whether two actions do the same, give or take some pixels.
fn is_alike(one: &Action, other: &Action) -> bool {
    let near = |(a, b): (Point, Point)| (a.x - b.x).abs() <= NEAR && (a.y - b.y).abs() <= NEAR;
    let (points, others) = (one.points(), other.points());
    if points.is_empty() && others.is_empty() {
        return one == other;
    }
    one.name() == other.name() && points.len() == others.len() && points.into_iter().zip(others).all(near)
}

#[cfg(test)]
mod tests {
    use aurore_action::Button;

    use super::*;

    #[test]
    fn actions_are_alike_within_some_pixels() {
        let click = |x, y| Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(x, y),
            modifiers: Vec::new(),
        };
        let typed = |text: &str| Action::Type {
            text: text.to_owned(),
        };
        assert!(is_alike(&click(10, 20), &click(14, 30)));
        assert!(!is_alike(&click(10, 20), &click(40, 20)));
        assert!(!is_alike(&click(10, 20), &typed("a")));
        assert!(is_alike(&typed("a"), &typed("a")));
        assert!(!is_alike(&typed("a"), &typed("b")));
    }
}
