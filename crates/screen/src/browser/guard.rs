//! What was approved is compared twice: here, right before the input, and by the guard in the page when the event
//! arrives there.

use aurore_action::Point;
use aurore_policy::{Binding, BoundTarget};
use serde::Deserialize;
use serde_json::json;

use super::Browser;
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
    /// Whether the guard gets to see the events: a disabled control swallows them, and an open drop-down list takes
    /// keys for itself.
    seen: bool,
}

/// What became of an armed action's events in one document.
#[derive(Debug, Deserialize)]
struct Report {
    token: u64,
    passed: u64,
    stopped: Option<String>,
}

/// What became of an armed action's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// They reached what was approved.
    Passed,
    /// They were stopped.
    Stopped {
        /// Why.
        why: String,
        /// Whether something had passed before.
        reached: bool,
    },
    /// None came to the document that was approved.
    Nothing,
    /// That document has gone, or is blocked by a dialog.
    Gone,
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
        Err(changed(format!(
            "the page was of {} and is of {now}",
            binding.origin
        )))
    }

    /// The element under a point, if it is the one that was approved.
    pub(super) fn approved_at(&mut self, binding: &Binding, at: Point) -> Result<Found, ScreenError> {
        self.unblocked()?;
        self.same_page(binding)?;
        let mut found = self.found_at(at)?;
        self.read_bound_amounts(binding, &mut found, false)?;
        compare(binding.target.as_ref(), &found)?;
        // A canvas that moves is another picture each time: only what a person was shown is held against it.
        if let Some(around) = binding.around.as_ref().filter(|_| found.painted)
            && !self.still_shows(around)?
        {
            return Err(changed("the picture under the pointer is another".to_owned()));
        }
        Ok(found)
    }

    /// The element that has the focus, if it is the one that was approved. `sends` says whether its form may be sent.
    pub(super) fn approved_focus(&mut self, binding: &Binding, sends: bool) -> Result<Found, ScreenError> {
        self.unblocked()?;
        self.same_page(binding)?;
        let mut found = self.focused()?;
        self.read_bound_amounts(binding, &mut found, sends)?;
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
        const ARM: &str = "(token, kind, node, print, release, free, amounts) => aurore.arm(token, kind, node, print, release, free, amounts)";
        self.token += 1;
        let token = self.token;
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
            Argument::Value(json!(found.amounts)),
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
        Ok(Armed {
            token,
            worlds,
            seen: found.target.enabled && !(found.list && kind == Kind::Key),
        })
    }

    /// What the guards say.
    pub(super) fn hear(&mut self, armed: &Armed) -> Result<Heard, ScreenError> {
        let mut passed = false;
        let mut stopped = None;
        let mut gone = false;
        for world in &armed.worlds {
            match self.value::<Report>(world, "() => aurore.report()", &[]) {
                Ok(report) if report.token == armed.token => {
                    passed |= report.passed > 0;
                    stopped = stopped.or(report.stopped);
                }
                Ok(_) | Err(ScreenError::Protocol { .. } | ScreenError::DialogOpen { .. }) => gone = true,
                Err(error) => return Err(error),
            }
        }
        Ok(match stopped {
            Some(why) => Heard::Stopped { why, reached: passed },
            None if gone => Heard::Gone,
            None if passed || !armed.seen => Heard::Passed,
            None => Heard::Nothing,
        })
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

    /// The wheel is the run's own until a person may use the window again. A page that cannot be told takes it for a
    /// person's, which costs a look.
    pub(super) fn own_wheel(&mut self) {
        for (session, frame) in self.documents().unwrap_or_default() {
            if let Ok(world) = self.world(&session, &frame) {
                let _ = self.value::<()>(&world, "() => aurore.wheel()", &[]);
            }
        }
    }

    /// Lets a person use the window, or not while an action is carried out.
    pub(super) fn allow_person(&mut self, now: bool) -> Result<(), ScreenError> {
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

impl Heard {
    /// An error if the input did not all reach what was approved; `done` says what did, if something.
    pub(super) fn judged(self, done: &str) -> Result<(), ScreenError> {
        let done = Some(done.to_owned());
        match self {
            Self::Passed => Ok(()),
            Self::Stopped { why, reached: true } => Err(ScreenError::TargetChanged {
                difference: why,
                done,
            }),
            Self::Stopped { why, reached: false } => Err(changed(why)),
            Self::Nothing => Err(changed("another document came in its place".to_owned())),
            Self::Gone => Err(ScreenError::TargetChanged {
                difference: "the page went elsewhere meanwhile".to_owned(),
                done,
            }),
        }
    }

    /// The same after the last event, which may well have sent the page elsewhere.
    pub(super) fn judged_last(self, done: &str) -> Result<(), ScreenError> {
        match self {
            Self::Gone => Ok(()),
            heard => heard.judged(done),
        }
    }
}

/// The page is another than was approved, and nothing was input.
pub(super) fn changed(difference: String) -> ScreenError {
    ScreenError::TargetChanged {
        difference,
        done: None,
    }
}
