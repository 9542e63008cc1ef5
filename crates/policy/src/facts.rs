//! What rules match on: an action boiled down to plain words.

use aurore_action::{Action, FieldKind, Target};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    Context, Effect, Principal, Request, Tier, ToolRequest,
    classify::{Classified, Part},
    fold::fold,
    origin, path,
};

/// A place that an action touches or leads to: a page, an app or a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Place {
    /// Origin (`https://shop.example`), or an app's identity; empty for a file.
    pub origin: String,
    /// Path of the address, without query, or of the file; empty if there is none.
    pub path: String,
    /// The whole address; empty if there is none.
    pub url: String,
}

/// What a rule can see of a request. Labels and texts are folded: lower case, no invisible characters.
///
/// A verdict depends on these, on the rules, and on whether anybody is there to be asked; so a journal that holds
/// them can be judged again under other rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that rules or readers ask for by name"
)]
pub struct Facts {
    /// Who wants to act.
    #[serde(default)]
    pub principal: String,
    /// Name of the action: `left_click`, `type`, `run_command`, …
    pub action: String,
    /// `server/tool` of a call to a tool server; else empty.
    #[serde(default)]
    pub tool: String,
    /// The program with its arguments, if one is started.
    #[serde(default)]
    pub command: Vec<String>,
    /// Whether the command is exactly its words: nothing set, redirected or put in while it runs.
    #[serde(default)]
    pub bare: bool,
    /// Arguments of a call, by dotted name.
    #[serde(default)]
    pub arguments: Vec<(String, String)>,
    /// Where it acts (the page, the target's document) and where it leads (address, link, form, file).
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
    /// What it would cause, sorted, each once; nothing for what is free.
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// How far it reaches.
    pub tier: Tier,
    /// How far it reaches by itself, before taint and the model raised it; the same as `tier` if absent.
    #[serde(default)]
    pub own_tier: Option<Tier>,
    /// Whether an argument came off a screen and not out of the goal.
    pub taint: bool,
    /// Where such arguments came from; empty strings where that is not known.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Whether the goal itself asks for what it causes.
    #[serde(default)]
    pub covered: bool,
    /// Whether what the page shows there and what the browser says is there are two things.
    #[serde(default)]
    pub uncertain: bool,
    /// Whether it touches the agent's own controls.
    pub controls: bool,
    /// How it came to its tier, in words.
    #[serde(default)]
    pub why: String,
}

impl Facts {
    /// What an action on a screen amounts to, on one of the things that it hits.
    pub(crate) fn of(request: &Request<'_>, target: Option<&Target>, classified: Classified) -> Self {
        let context = request.context;
        let mut places = vec![Place::new(
            &context.origin,
            context.url.as_deref().unwrap_or_default(),
        )];
        let mut leads = Vec::new();
        if let Some(target) = target {
            places.push(Place::new(&target.origin, &target.url));
            leads.extend(target.link.iter().map(|link| Place::leading_to(link)));
            let form = target
                .form
                .iter()
                .filter(|form| form.submits || request.action.is_keyboard());
            leads.extend(form.map(|form| Place::leading_to(&form.action)));
        }
        if let Action::OpenUrl { url } = request.action {
            leads.push(Place::leading_to(url));
        }
        let destinations = if leads.is_empty() {
            places.clone()
        } else {
            leads.clone()
        };
        places.extend(leads);
        Self {
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
            uncertain: target.is_some_and(|target| !target.agrees),
            ..Self::new(
                request.principal,
                request.action.name(),
                context,
                classified,
                places,
                &destinations,
            )
        }
    }

    /// What one part of a tool's use amounts to.
    pub(crate) fn of_tool(request: &ToolRequest<'_>, part: Part) -> Self {
        let places = part.places.clone();
        let mut facts = Self::new(
            request.principal,
            request.call.name(),
            request.context,
            part.classified,
            part.places,
            &places,
        );
        facts.controls |= own_program(&part.command);
        Self {
            tool: part.tool,
            command: part.command,
            bare: part.bare,
            arguments: part.arguments,
            ..facts
        }
    }

    fn new(
        principal: &Principal,
        action: &str,
        context: &Context,
        classified: Classified,
        mut places: Vec<Place>,
        destinations: &[Place],
    ) -> Self {
        places.retain(|place| *place != Place::default());
        places.dedup();
        // Whoever deletes or moves a folder does so to what lies in it.
        let whole = classified
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Delete | Effect::Move | Effect::Share));
        let controls = places.iter().any(|place| {
            let reaches =
                |own: &String| path::is_in(&place.path, own) || (whole && path::is_in(own, &place.path));
            origin::is_control(&place.origin, &context.controls)
                || (place.origin.is_empty()
                    && (context.control_paths.iter().any(reaches) || path::is_terminal(&place.path)))
        });
        let covered = classified.covered.is_some();
        let own_tier = classified.tier;
        let mut facts = Self {
            principal: principal.0.clone(),
            action: action.to_owned(),
            tool: String::new(),
            command: Vec::new(),
            bare: false,
            arguments: Vec::new(),
            places,
            role: String::new(),
            label: String::new(),
            text: None,
            key: None,
            field: FieldKind::None,
            effects: classified.effects,
            tier: own_tier,
            own_tier: Some(own_tier),
            taint: !context.tainted.is_empty(),
            sources: context
                .tainted
                .iter()
                .map(|tainted| tainted.source.clone())
                .collect(),
            covered,
            uncertain: false,
            controls,
            why: format!("it {}", classified.what),
        };
        if let Some(covered) = &classified.covered {
            facts.because(covered);
        }
        facts.raise(context, destinations);
        facts
    }

    /// Taint raises the tier by one; the model itself can raise it, never lower it.
    fn raise(&mut self, context: &Context, destinations: &[Place]) {
        let carried = context
            .tainted
            .iter()
            .find(|tainted| tainted.address || !excused(&tainted.source, destinations, &context.goal));
        if let Some(tainted) = carried {
            self.tier = self.tier.raised();
            self.effects.push(Effect::Carry);
            self.effects.sort_unstable();
            let source = if tainted.source.is_empty() {
                "the screen"
            } else {
                &tainted.source
            };
            self.because(&format!(
                "an argument was taken from {source} and not from the goal"
            ));
        }
        if let Some(raised) = context.raised.filter(|raised| *raised > self.tier) {
            self.tier = raised;
            self.because("the model itself holds it for more serious");
        }
    }

    fn because(&mut self, words: &str) {
        self.why.push_str("; ");
        self.why.push_str(words);
    }

    /// The same without taint and without what raised its tier: what it would be by itself.
    pub(crate) fn by_itself(&self) -> Self {
        Self {
            tier: self.own_tier.unwrap_or(self.tier),
            effects: self
                .effects
                .iter()
                .copied()
                .filter(|effect| *effect != Effect::Carry)
                .collect(),
            taint: false,
            sources: Vec::new(),
            ..self.clone()
        }
    }
}

/// Text from one named place to other named places is what the goal is about.
fn excused(source: &str, destinations: &[Place], goal: &str) -> bool {
    origin::is_named(source, goal)
        && destinations
            .iter()
            .all(|place| origin::is_named(&place.origin, goal))
}

/// Programs that type into other programs' windows and terminals, where questions are answered.
const TYPING: [&str; 9] = [
    "tmux",
    "screen",
    "xdotool",
    "ydotool",
    "ydotoold",
    "dotool",
    "wtype",
    "reptyr",
    "evemu-event",
];

/// Whether a command is this program itself, or types for the person: it could answer, allow or rewrite.
fn own_program(command: &[String]) -> bool {
    command.first().is_some_and(|program| {
        let name = crate::shell::base(program).to_lowercase();
        let name = name.strip_suffix(".exe").unwrap_or(&name);
        name == "aurore" || TYPING.contains(&name)
    })
}

impl Place {
    /// The address as the browser reads it, so that a rule about addresses sees through tabs and line breaks.
    pub(crate) fn new(origin: &str, url: &str) -> Self {
        let parsed = Url::parse(url).ok();
        Self {
            origin: origin.to_owned(),
            path: parsed
                .as_ref()
                .map(|url| url.path().to_owned())
                .unwrap_or_default(),
            url: parsed.map_or_else(|| url.to_owned(), String::from),
        }
    }

    pub(crate) fn leading_to(url: &str) -> Self {
        Self::new(&origin::of_url(url), url)
    }

    /// A file, by its absolute path.
    pub(crate) fn of_file(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }
}
