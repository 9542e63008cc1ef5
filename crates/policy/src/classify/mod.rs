//! What an action would cause: its tier and effects, from roles, labels, fields, forms, origins, keys, commands
//! and paths. Never from the model's own word.

mod form;
mod place;
mod press;
mod tool;
mod typing;
mod words;

use aurore_action::{Action, Target};

use self::place::opening;
use crate::{
    Context, Effect, Request, Tier,
    fold::{fold, has_phrase},
};

pub(crate) use tool::{Part, parts};

/// A tier and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Classified {
    /// How far it reaches.
    pub(crate) tier: Tier,
    /// Everything that it would cause beyond what is free.
    pub(crate) effects: Vec<Effect>,
    /// In words: "it …".
    pub(crate) what: String,
    /// Whether the goal itself asks for it, in words; lets tier 2 pass.
    pub(crate) covered: Option<String>,
}

impl Classified {
    fn new(tier: Tier, effect: Effect, what: impl Into<String>) -> Self {
        Self {
            tier,
            effects: vec![effect],
            what: what.into(),
            covered: None,
        }
    }

    fn free(what: &str) -> Self {
        Self {
            tier: Tier::Free,
            effects: Vec::new(),
            what: what.to_owned(),
            covered: None,
        }
    }

    fn covered_if(mut self, covered: bool, how: &str) -> Self {
        if covered {
            self.covered = Some(how.to_owned());
        }
        self
    }

    /// The stricter of two, with the effects of both; of equals the one that nobody asked for, so that a covered
    /// half cannot hide an uncovered one.
    fn or(self, other: Self) -> Self {
        let (mut strict, mild) =
            if (other.tier, other.covered.is_none()) > (self.tier, self.covered.is_none()) {
                (other, self)
            } else {
                (self, other)
            };
        strict.effects.extend(mild.effects);
        strict.effects.sort_unstable();
        strict.effects.dedup();
        strict
    }
}

/// Classifies a request as if `target` were what it hits.
pub(crate) fn classify(request: &Request<'_>, target: Option<&Target>) -> Classified {
    let context = request.context;
    match request.action {
        Action::Click { .. }
        | Action::LongPress { .. }
        | Action::MouseDown { .. }
        | Action::MouseUp { .. }
        | Action::Drag { .. } => press::press(target, context),
        Action::Type { text } => typing::typing(text, target, context),
        Action::Key { chord } | Action::HoldKey { chord, .. } => typing::keys(chord, target, context),
        Action::OpenUrl { url } => opening(url, context),
        Action::OpenApp { name } => Classified::new(Tier::Once, Effect::Program, "opens an app").covered_if(
            name.chars().count() > 2 && has_phrase(&fold(&context.goal), &fold(name)),
            "the goal names the app",
        ),
        Action::MouseMove { .. } | Action::Scroll { .. } | Action::Swipe { .. } => {
            Classified::free("moves or scrolls")
        }
        Action::CursorPosition | Action::Screenshot | Action::Zoom { .. } => Classified::free("only looks"),
        Action::Back | Action::Forward => Classified::free("goes through the tab's own history"),
        Action::SwitchTab { .. } | Action::CloseTab => Classified::free("changes tabs"),
        Action::SystemButton { .. } => Classified::free("goes through the device's own screens"),
        Action::Wait { .. } => Classified::free("waits"),
        Action::Answer { .. } => Classified::free("talks to the person"),
        Action::Terminate { .. } => Classified::free("ends the run"),
    }
}

/// Whether the goal's own words ask for this.
pub(crate) fn goal_asks(context: &Context, effect: Effect) -> bool {
    words::asked_by(&fold(&context.goal), effect)
}

#[cfg(test)]
mod tests;
