//! What a person types that is nobody's business.

use aurore_action::{Action, FieldKind, Target};
use aurore_screen::Screen;

use super::Run;

/// What stands for text that is left out.
pub const CONCEALED: &str = "•••";

impl<S: Screen + ?Sized> Run<'_, S> {
    /// The action as it may be written down. Text that goes into a field for secrets, or one that was called private,
    /// is left out; where a secret is bound to the place, its name stands for a password.
    pub(super) fn concealed(&self, action: &Action, target: Option<&Target>) -> Action {
        let Some(field) = target.filter(|target| self.is_private(target)) else {
            return action.clone();
        };
        let typed = match action {
            Action::Type { text } if is_name(text) => return action.clone(),
            Action::Type { .. } => true,
            Action::Key { chord } => {
                let key = chord.key.as_ref().map_or("", |key| key.name());
                chord.modifiers.is_empty() && key.chars().count() == 1
            }
            _ => false,
        };
        if !typed {
            return action.clone();
        }
        let mut bound = self.beside.secrets.iter().filter(|(_, origins)| {
            origins
                .iter()
                .any(|origin| origin.trim_end_matches('/') == field.origin)
        });
        let text = match (field.field, bound.next(), bound.next()) {
            (FieldKind::Password, Some((name, _)), None) => format!("{{{{secret:{name}}}}}"),
            _ => CONCEALED.to_owned(),
        };
        Action::Type { text }
    }

    fn is_private(&self, target: &Target) -> bool {
        let label = target.label.to_lowercase();
        matches!(target.field, FieldKind::Password | FieldKind::Payment)
            || (target.field != FieldKind::None
                && self
                    .beside
                    .private
                    .iter()
                    .any(|text| !text.is_empty() && label.contains(&text.to_lowercase())))
    }
}

/// Whether a text is the name of a secret, and nothing besides.
fn is_name(text: &str) -> bool {
    let inside = text
        .strip_prefix("{{secret:")
        .and_then(|rest| rest.strip_suffix("}}"));
    inside.is_some_and(|name| !name.contains("}}"))
}
