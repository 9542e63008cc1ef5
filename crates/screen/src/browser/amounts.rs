//! Amounts of money on a page, in all its documents: what a press may be about, and what a yes to it is bound to.

use aurore_action::{Action, Chord};
use aurore_policy::Binding;

use super::Browser;
use super::hit::Found;
use super::world::World;
use crate::ScreenError;

/// Documents of one page that are read; a page of more is not read to its end.
const MOST_DOCUMENTS: usize = 50;

impl Browser {
    /// Amounts that stand on the page in front: those of one document, and those of all others.
    fn amounts(&mut self, own: &World) -> Result<(Vec<String>, Vec<String>), ScreenError> {
        const READ: &str = "() => aurore.amounts()";
        let mut elsewhere = Vec::new();
        for (session, frame) in self.documents()?.into_iter().take(MOST_DOCUMENTS) {
            if frame == own.frame {
                continue;
            }
            // One that has just gone shows nothing.
            let read: Result<Vec<String>, ScreenError> = self
                .world(&session, &frame)
                .and_then(|world| self.value(&world, READ, &[]));
            match read {
                Ok(amounts) => elsewhere.extend(amounts),
                Err(error @ ScreenError::DialogOpen { .. }) => return Err(error),
                Err(error) => tracing::debug!(%error, "a document that says nothing"),
            }
        }
        Ok((self.value(own, READ, &[])?, elsewhere))
    }

    /// Reads the amounts that a press of an element, or the key that sends its form, may be about.
    pub(super) fn read_amounts(&mut self, found: &mut Found, sends: bool) -> Result<(), ScreenError> {
        if found.priced || sends && found.enters {
            let (own, elsewhere) = self.amounts(&found.world)?;
            found.target.amounts = own.iter().cloned().chain(elsewhere).collect();
            found.amounts = Some(own);
        }
        Ok(())
    }

    /// The same where somebody was shown amounts with what they let pass; elsewhere none are held on to.
    pub(super) fn read_bound_amounts(
        &mut self,
        binding: &Binding,
        found: &mut Found,
        sends: bool,
    ) -> Result<(), ScreenError> {
        match &binding.target {
            Some(target) if target.amounts.is_some() => self.read_amounts(found, sends),
            _ => Ok(()),
        }
    }
}

/// Whether keys send the form of a field that takes Enter for that.
pub(super) fn sends(action: &Action) -> bool {
    match action {
        Action::Key { chord } | Action::HoldKey { chord, .. } => is_enter(chord),
        Action::Type { text } => text.contains('\n'),
        _ => false,
    }
}

/// Whether a chord's key is Enter.
pub(super) fn is_enter(chord: &Chord) -> bool {
    chord.key.as_ref().is_some_and(|key| key.name() == "Enter")
}
