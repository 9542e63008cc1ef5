//! What was approved is compared twice: here, right before the input, and by the guard in the page when the event
//! arrives there.

use aurore_action::Point;
use aurore_policy::{Binding, BoundTarget};
use serde_json::json;

use super::Browser;
use super::cdp::GuardReport;
use super::hit::Found;
use super::world::{Argument, World};
use crate::ScreenError;

/// What an approved action goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Presses of the pointer.
    Pointer,
    /// Keys.
    Key,
}

/// Where a press may be released.
pub(super) enum Release {
    /// On the same element.
    Same,
    /// On this element too.
    On(Box<Found>),
    /// Anywhere: nothing was judged there.
    Anywhere,
}

/// A guard that lets one action through.
pub(super) struct Armed {
    token: u64,
    worlds: Vec<World>,
}

impl Browser {
    /// The page must still be of the origin that was judged.
    pub(super) fn same_page(&mut self, binding: &Binding) -> Result<(), ScreenError> {
        if binding.origin.is_empty() {
            return Ok(());
        }
        let now = self.origin()?;
        if now == binding.origin {
            return Ok(());
        }
        Err(changed(format!("the page was of {} and is of {now}", binding.origin)))
    }

    /// The element under a point, if it is the one that was approved.
    pub(super) fn approved_at(&mut self, binding: &Binding, at: Point) -> Result<Found, ScreenError> {
        self.unblocked()?;
        self.same_page(binding)?;
        let found = self.found_at(at)?;
        compare(binding.target.as_ref(), &found)?;
        Ok(found)
    }

    /// The element that has the focus, if it is the one that was approved.
    pub(super) fn approved_focus(&mut self, binding: &Binding) -> Result<Found, ScreenError> {
        self.unblocked()?;
        self.same_page(binding)?;
        let found = self.focused()?;
        compare(binding.target.as_ref(), &found)?;
        Ok(found)
    }

    /// The element where a drag ends, if one was judged there.
    pub(super) fn approved_end(&mut self, binding: &Binding, at: Point) -> Result<Release, ScreenError> {
        let Some(judged) = binding.also.last() else {
            return Ok(Release::Anywhere);
        };
        let found = self.found_at(at)?;
        compare(Some(judged), &found)?;
        Ok(Release::On(Box::new(found)))
    }

    fn unblocked(&mut self) -> Result<(), ScreenError> {
        let page = self.current()?.session;
        match self.cdp.state.dialog_of(&page) {
            Some(_) => Err(self.dialog_open(&page)),
            None => Ok(()),
        }
    }

    /// Lets the guard in the page pass one action on to one element.
    pub(super) fn arm(&mut self, kind: Kind, found: &Found, release: &Release) -> Result<Armed, ScreenError> {
        const ARM: &str = "(token, kind, node, print, release, free) => aurore.arm(token, kind, node, print, release, free)";
        self.token += 1;
        let token = self.token;
        self.cdp.state.reports.clear();
        if self.shown() {
            self.allow_person(false)?;
        }
        let token_argument = || Argument::Value(json!(token));
        let kind_argument = || {
            Argument::Value(json!(match kind {
                Kind::Pointer => "pointer",
                Kind::Key => "key",
            }))
        };
        let free = Argument::Value(json!(matches!(release, Release::Anywhere)));
        let (here, elsewhere) = match release {
            Release::On(end) if end.world == found.world => (Some(end), None),
            Release::On(end) => (None, Some(end)),
            Release::Same | Release::Anywhere => (None, None),
        };
        let none = || Argument::Value(json!(null));
        let arguments = [
            token_argument(),
            kind_argument(),
            Argument::Handle(&found.element),
            Argument::Value(json!(found.print)),
            here.map_or_else(none, |end| Argument::Handle(&end.element)),
            free,
        ];
        self.value::<()>(&found.world, ARM, &arguments)?;
        let mut worlds = vec![found.world.clone()];
        if let Some(end) = elsewhere {
            let arguments = [
                token_argument(),
                kind_argument(),
                Argument::Handle(&end.element),
                Argument::Value(json!(end.print)),
                none(),
                Argument::Value(json!(false)),
            ];
            self.value::<()>(&end.world, ARM, &arguments)?;
            worlds.push(end.world.clone());
        }
        Ok(Armed { token, worlds })
    }

    /// What the guards stopped so far.
    pub(super) fn stopped(&mut self, armed: &Armed) -> Option<GuardReport> {
        self.cdp
            .state
            .reports
            .iter()
            .find(|report| !report.passed && (report.token == armed.token || report.token == 0))
            .cloned()
    }

    /// Whether anything got through to the page.
    pub(super) fn reached(&self, armed: &Armed) -> bool {
        self.cdp
            .state
            .reports
            .iter()
            .any(|report| report.passed && report.token == armed.token)
    }

    /// Waits until what the guards said has come in.
    pub(super) fn hear(&mut self, armed: &Armed) -> Result<(), ScreenError> {
        for world in &armed.worlds {
            // Reports of a process come before its next answer. A document that has gone, or is blocked by a
            // dialog, has said what it had to say.
            match self.value::<bool>(world, "() => true", &[]) {
                Ok(_) | Err(ScreenError::Protocol { .. } | ScreenError::DialogOpen { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Another document may have got the event instead.
        self.cdp.catch_up("the guard")
    }

    /// Closes the guard again.
    pub(super) fn disarm(&mut self, armed: &Armed) {
        for world in &armed.worlds {
            self.tell_world(world, "aurore.disarm()");
            self.release(&world.session);
        }
        if self.shown() {
            // The person's turn comes with the next action at the latest.
            let _ = self.allow_person(true);
        }
    }

    /// Lets a person use the window, or not while an action is carried out.
    fn allow_person(&mut self, now: bool) -> Result<(), ScreenError> {
        let script = format!("aurore.allow({now})");
        for (session, frame) in self.documents()? {
            if let Ok(world) = self.world(&session, &frame) {
                self.tell_world(&world, &script);
            }
        }
        Ok(())
    }
}

/// What is different from what was judged.
fn compare(judged: Option<&BoundTarget>, found: &Found) -> Result<(), ScreenError> {
    let now = BoundTarget::of(&found.target);
    let difference = match judged {
        Some(judged) => judged.difference(&now),
        None => Some(format!(
            "nothing was judged there, and now there is {}",
            found.target.describe()
        )),
    };
    difference.map_or(Ok(()), |difference| Err(changed(difference)))
}

/// The page is another than was approved, and nothing was input.
pub(super) fn changed(difference: String) -> ScreenError {
    ScreenError::TargetChanged {
        difference,
        done: None,
    }
}
