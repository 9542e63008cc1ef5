//! What stands under a point.

use serde::{Deserialize, Serialize};

use crate::Rect;

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Not a field.
    #[default]
    None,
    /// Free text.
    Text,
    /// A search term.
    Search,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Telephone,
    /// A name, street, town, date of birth or other personal data.
    Personal,
    /// A password or one-time code.
    Password,
    /// A card number, expiry, security code or bank account.
    Payment,
    /// A file to upload.
    File,
    /// A choice: checkbox, radio button, select, slider, colour, date.
    Choice,
}

/// The form that a target belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Form {
    /// Where it is sent: an absolute address.
    pub action: String,
    /// `get`, `post` or `dialog`, in lower case.
    pub method: String,
    /// The kinds of all its fields, sorted, each once.
    pub fields: Vec<FieldKind>,
    /// Whether this target submits it.
    pub submits: bool,
    /// What the button says that Enter in one of its fields presses, if it has one.
    #[serde(default)]
    pub button: Option<String>,
}

/// What an action would hit, as far as the platform can tell. All texts are the page's own: data, never orders.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Target {
    /// ARIA role or its nearest equivalent: `button`, `link`, `textbox`, `checkbox`, …; empty if nothing is there.
    pub role: String,
    /// Accessible name, whitespace folded, at most 200 characters.
    pub label: String,
    /// Current value of a field; never that of a password.
    pub value: Option<String>,
    /// What the field takes.
    pub field: FieldKind,
    /// Origin of the document that holds it (a frame's may differ from the page's).
    pub origin: String,
    /// Address of that document.
    pub url: String,
    /// Absolute address, if it is a link.
    pub link: Option<String>,
    /// Its form, if any.
    pub form: Option<Form>,
    /// Its box in frame pixels.
    pub bounds: Option<Rect>,
    /// Stable for as long as the same element stands there; compared right before the input.
    pub identity: String,
    /// Whether the hit test and the accessibility node are the same thing. If not, a verdict is at least `ask`.
    pub agrees: bool,
    /// Whether it can be used (not disabled).
    pub enabled: bool,
    /// Amounts of money that stand on its page, sorted, as they are written there and as often as they are: for a button,
    /// whose press may be about any of them. Bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amounts: Vec<String>,
}

impl Target {
    /// In words for a person: `button 'Submit'`, or `nothing`.
    pub fn describe(&self) -> String {
        match (self.role.as_str(), self.label.as_str()) {
            ("", "") => "nothing".to_owned(),
            (role, "") => role.to_owned(),
            ("", label) => format!("'{label}'"),
            (role, label) => format!("{role} '{label}'"),
        }
    }
}
