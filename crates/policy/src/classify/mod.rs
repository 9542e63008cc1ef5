//! What an action would cause: its tier, from roles, labels, fields, forms, origins and keys. Never from the
//! model's own word.

mod form;
mod words;

use aurore_action::{Action, Chord, FieldKind, Target};

use self::words::{CONSEQUENCES, COOKIES, Consequence, NEW_PASSWORD};
use crate::{
    Context, Request, Tier,
    fold::{fold, fold_lookalikes, has_phrase, leads_with},
    origin,
};

/// A tier and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Classified {
    /// How far it reaches.
    pub(crate) tier: Tier,
    /// In words: "it …".
    pub(crate) what: String,
    /// Whether the goal itself asks for it, in words; lets tier 2 pass.
    pub(crate) covered: Option<String>,
}

impl Classified {
    fn new(tier: Tier, what: impl Into<String>) -> Self {
        Self {
            tier,
            what: what.into(),
            covered: None,
        }
    }

    fn free(what: &str) -> Self {
        Self::new(Tier::Free, what)
    }

    fn covered_if(mut self, covered: bool, how: &str) -> Self {
        if covered {
            self.covered = Some(how.to_owned());
        }
        self
    }

    /// The stricter of two; of equals the one that nobody asked for, so that a covered half cannot hide an
    /// uncovered one.
    fn or(self, other: Self) -> Self {
        if (other.tier, other.covered.is_none()) > (self.tier, self.covered.is_none()) {
            other
        } else {
            self
        }
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
        | Action::Drag { .. } => press(target, context),
        Action::Type { text } => typing(text, target, context),
        Action::Key { chord } | Action::HoldKey { chord, .. } => keys(chord, target, context),
        Action::OpenUrl { url } => opening(url, context),
        Action::OpenApp { name } => Classified::new(Tier::Once, "opens an app").covered_if(
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

/// Pressing on something.
fn press(target: Option<&Target>, context: &Context) -> Classified {
    let place = here(target, context);
    let Some(target) = target else {
        return Classified::free("presses on nothing").or(place);
    };
    let mut classified = by_label(target, context).or(place);
    if let Some(link) = &target.link {
        classified = classified.or(following(link, context));
    }
    if target.field == FieldKind::File {
        classified = classified.or(
            Classified::new(Tier::Once, "chooses a file to upload").covered_if(
                goal_asks(context, "uploads a file"),
                "the goal asks for an upload",
            ),
        );
    }
    if let Some(form) = target.form.as_ref().filter(|form| form.submits) {
        classified = classified.or(form::submitting(form, target, context));
    }
    classified
}

/// Whether the place itself is one where the run may act.
fn here(target: Option<&Target>, context: &Context) -> Classified {
    let unknown = [
        target.map_or("", |target| target.origin.as_str()),
        context.origin.as_str(),
    ]
    .into_iter()
    .find(|origin| !origin.is_empty() && !origin::is_known(origin, context));
    match unknown {
        Some(origin) => Classified::new(
            Tier::Once,
            format!("acts on {origin}, which neither the goal nor the start of the run names"),
        ),
        None if context.origin.is_empty() && target.is_none_or(|target| target.origin.is_empty()) => {
            Classified::new(Tier::Once, "acts on a page whose origin is not known")
        }
        None => Classified::free("acts on a page that the person knows"),
    }
}

/// What the label says that it does.
fn by_label(target: &Target, context: &Context) -> Classified {
    let texts = [fold(&target.label), fold_lookalikes(&target.label)];
    let goal = fold(&context.goal);
    let named = texts[0].chars().count() > 2 && has_phrase(&goal, &texts[0]);
    if texts.iter().all(String::is_empty) || !may_act(&target.role) {
        return Classified::free("makes a plain choice");
    }
    let cookies = COOKIES.iter().any(|word| has_phrase(&texts[0], word));
    let Some(consequence) = CONSEQUENCES.iter().find(|consequence| {
        (!cookies || consequence.tier == Tier::Hands)
            && texts.iter().any(|text| says(consequence, text, &target.role))
    }) else {
        return Classified::free("presses something without a known consequence");
    };
    Classified::new(consequence.tier, consequence.what).covered_if(
        consequence.tier == Tier::Once && (named || goal_asks(context, consequence.what)),
        "the goal asks for it",
    )
}

/// Whether a label says so. A link whose text only begins with a verb ("Order history") leads somewhere; it
/// counts when the verb is all of it.
fn says(consequence: &Consequence, text: &str, role: &str) -> bool {
    let leading = consequence.leading.iter().any(|phrase| match role {
        "link" | "heading" => text.trim_matches(|character: char| !character.is_alphanumeric()) == *phrase,
        _ => leads_with(text, phrase),
    });
    leading || consequence.anywhere.iter().any(|phrase| has_phrase(text, phrase))
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

fn goal_asks(context: &Context, what: &str) -> bool {
    let goal = fold(&context.goal);
    CONSEQUENCES
        .iter()
        .filter(|consequence| consequence.what == what)
        .flat_map(|consequence| consequence.goal)
        .any(|word| has_phrase(&goal, word))
}

/// Following a link.
fn following(link: &str, context: &Context) -> Classified {
    let scheme = link.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match scheme.as_str() {
        "javascript" => Classified::free("runs the page's own script"),
        "mailto" | "tel" | "sms" => Classified::new(Tier::Once, "opens another program to write or call"),
        "blob" | "data" => Classified::new(Tier::Once, "opens something that the page made"),
        _ => opening(link, context),
    }
}

/// Opening an address.
fn opening(address: &str, context: &Context) -> Classified {
    let origin = origin::of_url(address);
    let lower = address.trim().to_ascii_lowercase();
    if lower == "about:blank" {
        return Classified::free("opens an empty page");
    }
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Classified::new(Tier::Hands, "opens what is no web page");
    }
    let disguised =
        url::Url::parse(address).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
    if disguised {
        return Classified::new(
            Tier::Always,
            format!("opens {origin} with a name or password in the address"),
        );
    }
    if origin::is_known(&origin, context) {
        Classified::free("opens a page on an origin that the person knows")
    } else if origin::is_local(&origin) {
        Classified::new(
            Tier::Always,
            format!("opens {origin} inside this machine or its network"),
        )
    } else {
        Classified::new(
            Tier::Once,
            format!("opens {origin}, which neither the goal nor the start of the run names"),
        )
    }
}

/// Typing into what has the focus. A line break presses Enter.
fn typing(text: &str, target: Option<&Target>, context: &Context) -> Classified {
    let goal = fold(&context.goal);
    let typed = fold(text);
    let covered = !typed.is_empty() && goal.contains(&typed);
    let field = target.map_or(FieldKind::None, |target| target.field);
    let place = here(target, context);
    let how = "the goal holds the very text";
    let mut classified = match field {
        FieldKind::Search => Classified::free("types a search term").or(place),
        FieldKind::Password if target.is_some_and(is_new_password) => {
            place.or(Classified::new(Tier::Always, "types a new password"))
        }
        FieldKind::Password => {
            place.or(Classified::new(Tier::Once, "types a password").covered_if(covered, how))
        }
        FieldKind::Payment => place.or(Classified::new(Tier::Always, "types payment data")),
        FieldKind::File => {
            place.or(Classified::new(Tier::Once, "names a file to upload").covered_if(covered, how))
        }
        FieldKind::Email | FieldKind::Telephone | FieldKind::Personal => {
            place.or(Classified::new(Tier::Once, "types personal data").covered_if(covered, how))
        }
        FieldKind::None | FieldKind::Text | FieldKind::Choice => {
            Classified::free("types plain text").or(place)
        }
    };
    if text.contains("{{secret:") {
        classified = classified.or(Classified::new(Tier::Once, "types a secret"));
    }
    if form::looks_like_card(text) {
        classified = classified.or(Classified::new(
            Tier::Always,
            "types what looks like a card number",
        ));
    }
    if text.contains(['\n', '\r']) {
        classified = classified.or(enter(target, context));
    }
    classified
}

fn is_new_password(target: &Target) -> bool {
    let label = fold(&target.label);
    NEW_PASSWORD.iter().any(|phrase| has_phrase(&label, phrase))
}

/// Pressing keys.
fn keys(chord: &Chord, target: Option<&Target>, context: &Context) -> Classified {
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

#[cfg(test)]
mod tests;
