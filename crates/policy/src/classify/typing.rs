//! Typing into what has the focus, and pressing keys.

use aurore_action::{Chord, FieldKind, Target};

use super::{Classified, form, place::here, press::press, words};
use crate::{Context, Effect, Tier, fold::fold};

/// Typing. A line break presses Enter.
pub(super) fn typing(text: &str, target: Option<&Target>, context: &Context) -> Classified {
    let goal = fold(&context.goal);
    let typed = fold(text);
    let covered = !typed.is_empty() && goal.contains(&typed);
    let field = target.map_or(FieldKind::None, |target| target.field);
    let place = here(target, context);
    let how = "the goal holds the very text";
    let once = |effect, what: &str| Classified::new(Tier::Once, effect, what).covered_if(covered, how);
    let mut classified = match field {
        FieldKind::Search => Classified::free("types a search term").or(place),
        FieldKind::Password if target.is_some_and(is_new_password) => place.or(Classified::new(
            Tier::Always,
            Effect::Password,
            "types a new password",
        )),
        FieldKind::Password => place.or(once(Effect::Secret, "types a password")),
        FieldKind::Payment => place.or(Classified::new(Tier::Always, Effect::Pay, "types payment data")),
        FieldKind::File => place.or(once(Effect::Upload, "names a file to upload")),
        FieldKind::Email | FieldKind::Telephone | FieldKind::Personal => {
            place.or(once(Effect::PersonalData, "types personal data"))
        }
        FieldKind::None | FieldKind::Text | FieldKind::Choice => {
            Classified::free("types plain text").or(place)
        }
    };
    if text.contains("{{secret:") {
        classified = classified.or(Classified::new(Tier::Once, Effect::Secret, "types a secret"));
    }
    if form::looks_like_card(text) {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::Pay,
            "types what looks like a card number",
        ));
    }
    if text.contains(['\n', '\r']) {
        classified = classified.or(enter(target, context));
    }
    classified
}

fn is_new_password(target: &Target) -> bool {
    words::is_new_password(&fold(&target.label))
}

/// Pressing keys.
pub(super) fn keys(chord: &Chord, target: Option<&Target>, context: &Context) -> Classified {
    let place = here(target, context);
    let key = chord.key.as_ref().map_or("", |key| key.name());
    match key {
        "Enter" => enter(target, context).or(place),
        " " if target.is_some_and(|target| target.field == FieldKind::None) => press(target, context),
        "" | "Tab" | "Escape" | "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight" | "Home" | "End"
        | "PageUp" | "PageDown" => Classified::free("moves about the page"),
        _ if key.chars().count() == 1 && chord.modifiers.is_empty() => typing(key, target, context),
        _ => Classified::free("presses a key").or(place),
    }
}

/// Enter presses what has the focus, and in a text field submits its form.
fn enter(target: Option<&Target>, context: &Context) -> Classified {
    let Some(focus) = target else {
        return Classified::free("presses Enter with nothing in focus");
    };
    let field = !matches!(focus.field, FieldKind::None);
    let pressed = if field {
        Classified::free("presses Enter in a field")
    } else {
        press(target, context)
    };
    match &focus.form {
        Some(form) => pressed.or(form::submitting(form, focus, context)),
        None => pressed,
    }
}
