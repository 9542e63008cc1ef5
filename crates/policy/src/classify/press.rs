//! Pressing on something.

use aurore_action::{FieldKind, Target};

use super::{Classified, form, goal_asks, place, words};
use crate::{
    Context, Effect, Tier,
    fold::{fold, fold_lookalikes, has_phrase},
};

pub(super) fn press(target: Option<&Target>, context: &Context) -> Classified {
    let here = place::here(target, context);
    let Some(target) = target else {
        return Classified::free("presses on nothing").or(here);
    };
    let mut classified = by_label(target, context).or(here);
    if let Some(link) = &target.link {
        classified = classified.or(place::following(link, target, context));
    }
    if target.field == FieldKind::File {
        classified = classified.or(
            Classified::new(Tier::Once, Effect::Upload, "chooses a file to upload")
                .covered_if(goal_asks(context, Effect::Upload), "the goal asks for an upload"),
        );
    }
    if let Some(form) = target.form.as_ref().filter(|form| form.submits) {
        classified = classified.or(form::submitting(form, target, context));
    }
    classified
}

/// What the label says that it does.
pub(super) fn by_label(target: &Target, context: &Context) -> Classified {
    let texts = [fold(&target.label), fold_lookalikes(&target.label)];
    if texts.iter().all(String::is_empty) || !may_act(&target.role) {
        return Classified::free("makes a plain choice");
    }
    let Some(consequence) = words::of_a_label(&texts, &target.role) else {
        return Classified::free("presses something without a known consequence");
    };
    let named = texts[0].chars().count() > 2 && has_phrase(&fold(&context.goal), &texts[0]);
    Classified::new(consequence.tier, consequence.effect, consequence.what.clone()).covered_if(
        consequence.tier == Tier::Once && (named || goal_asks(context, consequence.effect)),
        "the goal asks for it",
    )
}

/// Roles that only choose, hold text or group. Everything else may act, unknown roles included.
fn may_act(role: &str) -> bool {
    !matches!(
        role,
        "tab"
            | "option"
            | "listbox"
            | "textbox"
            | "searchbox"
            | "combobox"
            | "spinbutton"
            | "slider"
            | "scrollbar"
            | "progressbar"
            | "separator"
            | "tooltip"
            | "document"
            | "main"
            | "navigation"
            | "banner"
            | "table"
            | "list"
            | "tablist"
            | "tree"
            | "grid"
    )
}
