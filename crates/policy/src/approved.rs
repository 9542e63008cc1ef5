//! The proof that an action may be carried out, once, on what was judged.

use aurore_action::{Action, FieldKind, FrameId, Rect, Target, ToolCall};
use serde::{Deserialize, Serialize};

use crate::{Principal, Request, ToolRequest};

/// Something that a verdict or a person let pass. Only this crate builds one, it cannot be cloned, and
/// whoever carries it out takes it by value: one approval, one execution.
#[derive(Debug)]
pub struct Approved<T> {
    what: T,
    binding: Binding,
    authority: Authority,
}

/// Who let an action pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authority {
    /// A rule or a tier's default allowed it; nobody was asked.
    Rule,
    /// Somebody was asked and said yes.
    Answer {
        /// Who, in words.
        by: String,
    },
}

/// What was judged, compared again as close to the input as the platform allows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Binding {
    /// Who may carry it out: whoever asked for it, and nobody else.
    pub principal: String,
    /// What the action hits; `None` if nothing was under the point and nothing had the focus.
    pub target: Option<BoundTarget>,
    /// What its other points hit, in the order of [`Action::points`] after the first (a drag's end).
    pub also: Vec<BoundTarget>,
    /// Origin of the page that was judged.
    pub origin: String,
    /// Address of that page, if it has one.
    pub url: Option<String>,
    /// The frame that the decision was made on.
    pub frame: Option<FrameId>,
    /// The pixels around the target in that frame.
    pub around: Option<Crop>,
}

/// A region of a frame and the SHA-256 of its RGBA bytes, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Crop {
    /// Where, in frame pixels.
    pub rect: Rect,
    /// Hash of the pixels, row by row.
    pub sha256: String,
}

/// The part of a [`Target`] whose change is material.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BoundTarget {
    /// The element's identity.
    pub identity: String,
    /// Its role.
    pub role: String,
    /// Its accessible name.
    pub label: String,
    /// Its value.
    pub value: Option<String>,
    /// What kind of field it is.
    pub field: FieldKind,
    /// Origin of the document that holds it.
    pub origin: String,
    /// Where it leads, if it is a link.
    pub link: Option<String>,
    /// Where its form is sent, if it has one.
    pub form_action: Option<String>,
    /// Where it stood, in frame pixels. Moving is not a material change in itself.
    pub bounds: Option<Rect>,
    /// Amounts of money that stood on its page: one that is new there is a material change. `None` where nobody was
    /// shown them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amounts: Option<Vec<String>>,
}

impl<T> Approved<T> {
    pub(crate) fn new(what: T, binding: Binding, authority: Authority) -> Self {
        Self {
            what,
            binding,
            authority,
        }
    }

    /// What was judged.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Who let it pass.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether it was this one who asked. An approval is nobody else's: not a sub-agent's of its parent's, nor
    /// the other way round.
    pub fn belongs_to(&self, principal: &Principal) -> bool {
        self.binding.principal == principal.0
    }

    /// The thing itself and what it is bound to: for the one who carries it out.
    pub fn into_parts(self) -> (T, Binding) {
        (self.what, self.binding)
    }
}

impl Approved<Action> {
    /// The action that may be carried out.
    pub fn action(&self) -> &Action {
        &self.what
    }
}

impl Approved<ToolCall> {
    /// The call that may be carried out.
    pub fn call(&self) -> &ToolCall {
        &self.what
    }
}

impl Binding {
    pub(crate) fn of_tool(request: &ToolRequest<'_>) -> Self {
        Self {
            principal: request.principal.0.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn of(request: &Request<'_>) -> Self {
        Self {
            principal: request.principal.0.clone(),
            target: request.target.map(BoundTarget::of),
            also: request.also.iter().map(BoundTarget::of).collect(),
            origin: request.context.origin.clone(),
            url: request.context.url.clone(),
            frame: request.context.frame.clone(),
            around: request.context.around.clone(),
        }
    }
}

impl BoundTarget {
    /// The material part of a target.
    pub fn of(target: &Target) -> Self {
        Self {
            identity: target.identity.clone(),
            role: target.role.clone(),
            label: target.label.clone(),
            value: target.value.clone(),
            field: target.field,
            origin: target.origin.clone(),
            link: target.link.clone(),
            form_action: target.form.as_ref().map(|form| form.action.clone()),
            bounds: target.bounds,
            amounts: Some(target.amounts.clone()),
        }
    }

    /// An amount of money that did not stand on the page before. One that is gone alone is silent: another one takes its
    /// place where a total changes.
    fn new_amount(&self, now: &Self) -> Option<String> {
        let (before, now) = (self.amounts.as_ref()?, now.amounts.as_ref()?);
        let count = |list: &[String], amount: &String| list.iter().filter(|one| *one == amount).count();
        let new = now
            .iter()
            .find(|amount| count(now, amount) > count(before, amount))?;
        Some(format!(
            "an amount on the page is now {new:?}, which was not there"
        ))
    }

    /// What is different about `now` that matters, in words; `None` if it is still the same thing.
    /// A move or a resize is silent.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let named = |what: &str, before: &str, after: &str| {
            (before != after).then(|| format!("{what} was {before:?} and is {after:?}"))
        };
        named("the origin", &self.origin, &now.origin)
            .or_else(|| named("the role", &self.role, &now.role))
            .or_else(|| named("the label", &self.label, &now.label))
            .or_else(|| {
                named(
                    "the value",
                    self.value.as_deref().unwrap_or_default(),
                    now.value.as_deref().unwrap_or_default(),
                )
            })
            .or_else(|| {
                named(
                    "the link",
                    self.link.as_deref().unwrap_or_default(),
                    now.link.as_deref().unwrap_or_default(),
                )
            })
            .or_else(|| {
                named(
                    "the form's address",
                    self.form_action.as_deref().unwrap_or_default(),
                    now.form_action.as_deref().unwrap_or_default(),
                )
            })
            .or_else(|| self.new_amount(now))
            .or_else(|| (self.field != now.field).then(|| "the field takes something else".to_owned()))
            .or_else(|| (self.identity != now.identity).then(|| "another element stands there".to_owned()))
    }
}
