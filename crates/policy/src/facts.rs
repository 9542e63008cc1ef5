//! What rules match on: an action boiled down to plain words.

use aurore_action::{Action, FieldKind, Target};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Request, Tier, fold::fold, origin};

/// A place that an action touches or leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Place {
    /// Origin (`https://shop.example`), or an app's identity.
    pub origin: String,
    /// Path of the address, without query; empty if there is none.
    pub path: String,
    /// The whole address; empty if there is none.
    pub url: String,
}

/// What a rule can see of a request. Labels and texts are folded: lower case, no invisible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facts {
    /// Name of the action: `left_click`, `type`, …
    pub action: String,
    /// Where it acts (the page, the target's document) and where it leads (address, link, form).
    pub places: Vec<Place>,
    /// Role of the target; empty if nothing is there.
    pub role: String,
    /// Label of the target.
    pub label: String,
    /// Text to type.
    pub text: Option<String>,
    /// Chord to press: `Control+w`.
    pub key: Option<String>,
    /// What the field takes.
    pub field: FieldKind,
    /// How far it reaches.
    pub tier: Tier,
    /// Whether an argument came off a screen and not out of the goal.
    pub taint: bool,
    /// Whether it touches the agent's own controls.
    pub controls: bool,
}

impl Facts {
    pub(crate) fn of(request: &Request<'_>, target: Option<&Target>, tier: Tier) -> Self {
        let context = request.context;
        let mut places = vec![Place::new(
            &context.origin,
            context.url.as_deref().unwrap_or_default(),
        )];
        if let Some(target) = target {
            places.push(Place::new(&target.origin, &target.url));
            places.extend(target.link.iter().map(|link| Place::leading_to(link)));
            let form = target
                .form
                .iter()
                .filter(|form| form.submits || request.action.is_keyboard());
            places.extend(form.map(|form| Place::leading_to(&form.action)));
        }
        if let Action::OpenUrl { url } = request.action {
            places.push(Place::leading_to(url));
        }
        places.retain(|place| !place.origin.is_empty() || !place.url.is_empty());
        places.dedup();
        let controls = places
            .iter()
            .any(|place| origin::is_control(&place.origin, &context.controls));
        Self {
            action: request.action.name().to_owned(),
            places,
            role: target.map(|target| fold(&target.role)).unwrap_or_default(),
            label: target.map(|target| fold(&target.label)).unwrap_or_default(),
            text: match request.action {
                Action::Type { text } => Some(fold(text)),
                _ => None,
            },
            key: match request.action {
                Action::Key { chord } | Action::HoldKey { chord, .. } => Some(chord.to_string()),
                _ => None,
            },
            field: target.map(|target| target.field).unwrap_or_default(),
            tier,
            taint: !context.tainted.is_empty(),
            controls,
        }
    }
}

impl Place {
    pub(crate) fn new(origin: &str, url: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            path: Url::parse(url)
                .map(|url| url.path().to_owned())
                .unwrap_or_default(),
            url: url.to_owned(),
        }
    }

    fn leading_to(url: &str) -> Self {
        Self::new(&origin::of_url(url), url)
    }
}
