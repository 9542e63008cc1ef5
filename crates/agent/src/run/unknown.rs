//! An action that was begun before a crash and has no result.

use aurore_action::{Action, Target};

/// What nobody knows the effect of.
#[derive(Debug, Clone)]
pub(super) struct Unknown {
    pub(super) action: Action,
    pub(super) target: Option<Target>,
}

impl Unknown {
    /// Whether an action would do the same once more: the same action, or one of its kind on the same thing, wherever that
    /// stands now.
    pub(super) fn is_repeated_by(&self, action: &Action, target: Option<&Target>) -> bool {
        if *action == self.action {
            return true;
        }
        // What is typed, pressed or opened says by itself what it does; pointers say it by what they hit.
        let points = action.point().is_some() && self.action.point().is_some();
        let alike = std::mem::discriminant(action) == std::mem::discriminant(&self.action);
        match (&self.target, target) {
            (Some(before), Some(now)) if points && alike => {
                !now.label.is_empty()
                    && (&now.role, &now.label, &now.origin) == (&before.role, &before.label, &before.origin)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use aurore_action::{Button, Point};

    use super::*;

    fn click(x: i32, count: u8) -> Action {
        Action::Click {
            button: Button::Left,
            count,
            at: Point::new(x, 5),
            modifiers: Vec::new(),
        }
    }

    fn button(label: &str) -> Target {
        Target {
            role: "button".into(),
            label: label.into(),
            origin: "https://a.test".into(),
            ..Target::default()
        }
    }

    #[test]
    fn the_same_thing_elsewhere_on_the_page_is_the_same() {
        let unknown = Unknown {
            action: click(5, 1),
            target: Some(button("Order")),
        };
        let repeats = |action: &Action, target: Option<&Target>| unknown.is_repeated_by(action, target);
        assert!(repeats(&click(5, 1), None));
        assert!(repeats(&click(90, 1), Some(&button("Order"))));
        assert!(
            repeats(&click(90, 2), Some(&button("Order"))),
            "a double click orders too"
        );
        assert!(!repeats(&click(90, 1), Some(&button("Cancel"))));
        assert!(!repeats(&click(90, 1), None));
        assert!(!repeats(
            &Action::MouseMove { to: Point::new(5, 5) },
            Some(&button("Order"))
        ));
        let typed = |text: &str| Action::Type { text: text.into() };
        let unknown = Unknown {
            action: typed("a"),
            target: Some(button("Order")),
        };
        assert!(unknown.is_repeated_by(&typed("a"), None));
        assert!(!unknown.is_repeated_by(&typed("b"), Some(&button("Order"))));
    }
}
