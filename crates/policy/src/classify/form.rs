//! What submitting a form would cause.

use aurore_action::{FieldKind, Form, Target};

use super::{Classified, goal_asks};
use crate::{
    Context, Effect, Tier,
    fold::{fold, has_phrase},
    origin,
};

/// Submitting `form` through `target` (a button, or the field where Enter is pressed).
pub(super) fn submitting(form: &Form, target: &Target, context: &Context) -> Classified {
    let has = |kind| form.fields.contains(&kind);
    // A form without an address goes to its own page.
    let destination = match origin::of_url(&form.action) {
        empty if empty.is_empty() => target.origin.clone(),
        destination => destination,
    };
    let known = origin::is_known(&destination, context);
    let goal = fold(&context.goal);
    let label = fold(&target.label);
    let named = label.chars().count() > 2 && has_phrase(&goal, &label);
    let how = "the goal names what to press";

    let carried = if has(FieldKind::Payment) {
        Classified::new(Tier::Always, Effect::Pay, "submits payment data")
    } else if has(FieldKind::Password) {
        Classified::new(Tier::Once, Effect::LogIn, "logs in").covered_if(
            named || goal_asks(context, Effect::LogIn),
            "the goal asks to log in",
        )
    } else if has(FieldKind::File) {
        Classified::new(Tier::Once, Effect::Upload, "uploads a file").covered_if(
            named || goal_asks(context, Effect::Upload),
            "the goal asks for an upload",
        )
    } else if has(FieldKind::Email) || has(FieldKind::Telephone) || has(FieldKind::Personal) {
        Classified::new(Tier::Once, Effect::PersonalData, "submits personal data").covered_if(named, how)
    } else {
        Classified::free("submits plain choices or a search")
    };
    let personal = carried.tier > Tier::Free;
    let mut classified = carried;
    if !known {
        let tier = if personal { Tier::Always } else { Tier::Once };
        let effect = if personal {
            Effect::PersonalData
        } else {
            Effect::NewPlace
        };
        classified = classified.or(Classified::new(
            tier,
            effect,
            format!("submits a form to {destination}, which neither the goal nor the start of the run names"),
        ));
    }
    if origin::is_insecure(&destination) && (has(FieldKind::Payment) || has(FieldKind::Password)) {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::Secret,
            format!("sends a password or payment data to {destination} in the clear"),
        ));
    }
    // Enter in a field presses the form's button, whatever that says.
    if let Some(button) = form.button.as_ref().filter(|_| target.field != FieldKind::None) {
        let pressed = Target {
            role: "button".to_owned(),
            label: button.clone(),
            ..target.clone()
        };
        classified = classified.or(super::press::by_label(&pressed, context));
    }
    classified
}

/// Whether the text holds 13 to 19 digits that pass the check of card numbers (Luhn).
pub(super) fn looks_like_card(text: &str) -> bool {
    let digits: Vec<u32> = text
        .chars()
        .filter(|character| !matches!(character, ' ' | '-'))
        .map_while(|character| character.to_digit(10))
        .take(20)
        .collect();
    if !(13..=19).contains(&digits.len()) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => *digit,
            _ if *digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10) && sum > 0
}
