//! What a person did, out of the journal: one act for what they meant as one.

use aurore_action::{Action, FrameId, Size, Target};
use aurore_agent::{CONCEALED, Event, HandRecord, Record, StepOutcome};
use aurore_policy::Decision;

/// Something that was done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Act {
    /// What the person saw when they did it.
    pub(super) frame: FrameId,
    pub(super) size: Size,
    pub(super) url: Option<String>,
    pub(super) action: Action,
    /// What they said that it is for; empty if they said nothing.
    pub(super) purpose: String,
    pub(super) target: Option<Target>,
    /// Whether the rules would have asked a model about it.
    pub(super) asked: bool,
    pub(super) result: String,
}

/// What was carried out, in order. Text in pieces is one text, without what was taken back; turns of the wheel in one
/// direction are one.
pub(super) fn acts(records: impl IntoIterator<Item = Record>) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut open: Option<Box<HandRecord>> = None;
    for record in records {
        match record.event {
            Event::Hand(hand) => open = Some(hand).filter(|hand| hand.perform),
            Event::HandResult(result) => {
                let done = matches!(result.outcome, StepOutcome::Done | StepOutcome::NoEffect);
                if let Some(hand) = open.take().filter(|_| done) {
                    push(&mut acts, Act::new(*hand, result.result));
                }
            }
            _ => {}
        }
    }
    acts
}

impl Act {
    fn new(hand: HandRecord, result: String) -> Self {
        Self {
            frame: hand.frame,
            size: hand.size,
            url: hand.url,
            action: hand.action,
            purpose: hand.purpose,
            target: hand.target,
            asked: hand.verdict.decision == Decision::Ask,
            result,
        }
    }

    /// Whether text was left out of it.
    pub(super) fn is_masked(&self) -> bool {
        matches!(&self.action, Action::Type { text } if text.contains(CONCEALED))
    }

    /// Whether both go to the same field.
    fn has_field_of(&self, other: &Self) -> bool {
        let field = |act: &Self| {
            let target = act.target.as_ref()?;
            Some((
                target.role.clone(),
                target.label.clone(),
                target.field,
                target.bounds,
            ))
        };
        field(self) == field(other)
    }
}

fn push(acts: &mut Vec<Act>, act: Act) {
    if let Some(last) = acts.last_mut()
        && last.has_field_of(&act)
        && let Some(joined) = join(&last.action, &act.action)
    {
        if last.purpose.is_empty() {
            last.purpose.clone_from(&act.purpose);
        }
        last.asked |= act.asked;
        match joined {
            Some(action) => last.action = action,
            None => _ = acts.pop(),
        }
        return;
    }
    acts.push(act);
}

/// Two actions as one; as none where the second takes the first back. `None` if they are two.
#[expect(
    clippy::option_option,
    reason = "whether they are one, and what is left of them"
)]
fn join(first: &Action, second: &Action) -> Option<Option<Action>> {
    match (first, second) {
        (Action::Type { text }, Action::Type { text: more }) => {
            if text.contains(['\n', '\r']) {
                return None;
            }
            // What is left out has no parts, and a secret is typed once.
            let text = if text == more && is_hidden(text) {
                text.clone()
            } else if text == CONCEALED || more == CONCEALED {
                CONCEALED.to_owned()
            } else {
                format!("{text}{more}")
            };
            Some(Some(Action::Type { text }))
        }
        (Action::Type { text }, Action::Key { chord }) => {
            let key = chord.key.as_ref().map_or("", |key| key.name());
            if key != "Backspace" || !chord.modifiers.is_empty() {
                return None;
            }
            if is_hidden(text) {
                return Some(Some(first.clone()));
            }
            let mut text = text.clone();
            text.pop();
            Some((!text.is_empty()).then_some(Action::Type { text }))
        }
        (
            Action::Scroll {
                at,
                dx,
                dy,
                modifiers,
            },
            Action::Scroll {
                dx: more_x,
                dy: more_y,
                modifiers: others,
                ..
            },
        ) => {
            let same_way = |one: i32, other: i32| one.signum() * other.signum() >= 0;
            (modifiers == others && same_way(*dx, *more_x) && same_way(*dy, *more_y)).then(|| {
                Some(Action::Scroll {
                    at: *at,
                    dx: dx.saturating_add(*more_x),
                    dy: dy.saturating_add(*more_y),
                    modifiers: modifiers.clone(),
                })
            })
        }
        _ => None,
    }
}

fn is_hidden(text: &str) -> bool {
    text == CONCEALED || text.starts_with("{{secret:")
}

#[cfg(test)]
mod tests {
    use aurore_action::{Chord, Point, Rect};

    use super::*;

    fn act(label: &str, action: Action) -> Act {
        Act {
            frame: FrameId("0".into()),
            size: Size {
                width: 100,
                height: 100,
            },
            url: None,
            action,
            purpose: String::new(),
            target: Some(Target {
                role: "textbox".into(),
                label: label.into(),
                bounds: Some(Rect {
                    x: 0,
                    y: 0,
                    width: 10,
                    height: 10,
                }),
                ..Target::default()
            }),
            asked: false,
            result: String::new(),
        }
    }

    fn typed(text: &str) -> Action {
        Action::Type { text: text.into() }
    }

    fn key(name: &str) -> Action {
        Action::Key {
            chord: Chord::parse(&[name]).unwrap(),
        }
    }

    fn scroll(dy: i32) -> Action {
        Action::Scroll {
            at: Some(Point::new(1, 1)),
            dx: 0,
            dy,
            modifiers: Vec::new(),
        }
    }

    fn pushed(all: impl IntoIterator<Item = Act>) -> Vec<Action> {
        let mut acts = Vec::new();
        for act in all {
            push(&mut acts, act);
        }
        acts.into_iter().map(|act| act.action).collect()
    }

    #[test]
    fn text_in_pieces_is_one_text_without_what_was_taken_back() {
        let name = |action| act("Name", action);
        let all = [
            name(typed("Adb")),
            name(key("Backspace")),
            name(typed("a")),
            name(key("Enter")),
        ];
        assert_eq!(pushed(all), [typed("Ada"), key("Enter")]);
        assert_eq!(pushed([name(typed("x")), name(key("Backspace"))]), []);
        let two = [name(typed("Ada")), act("Town", typed("Oslo"))];
        assert_eq!(pushed(two), [typed("Ada"), typed("Oslo")]);
    }

    #[test]
    fn what_is_left_out_stays_left_out() {
        let pin = |text: &str| act("PIN", typed(text));
        assert_eq!(pushed([pin(CONCEALED), pin(CONCEALED)]), [typed(CONCEALED)]);
        assert_eq!(
            pushed([pin(CONCEALED), act("PIN", key("Backspace"))]),
            [typed(CONCEALED)]
        );
        let secret = "{{secret:bank}}";
        assert_eq!(pushed([pin(secret), pin(secret)]), [typed(secret)]);
    }

    #[test]
    fn turns_of_the_wheel_in_one_direction_are_one() {
        let page = |dy| act("Page", scroll(dy));
        assert_eq!(
            pushed([page(40), page(60), page(-30)]),
            [scroll(100), scroll(-30)]
        );
    }
}
