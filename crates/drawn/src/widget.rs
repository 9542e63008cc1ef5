//! What stands on a screen.

use aurore_action::Rect;
use serde::{Deserialize, Serialize};

/// What a widget is, in the words of accessibility trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Does something when clicked.
    Button,
    /// Underlined words.
    Link,
    /// A field with a label above it.
    Textbox,
    /// A box to tick.
    Checkbox,
    /// One of several.
    Radio,
    /// One of a row of tabs.
    Tab,
    /// An entry of a list or menu.
    Option,
    /// A cell of a table; its label is its text.
    Cell,
    /// A line of larger letters.
    Heading,
    /// A coloured square; its label is the colour.
    Swatch,
    /// Words that do nothing.
    Text,
    /// A thing with a size, a colour and a form, all three in its label; a letter or digit is its own form.
    Shape,
}

impl Role {
    /// Its name in an instruction.
    pub fn name(self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::Link => "link",
            Self::Textbox => "field",
            Self::Checkbox => "checkbox",
            Self::Radio => "radio button",
            Self::Tab => "tab",
            Self::Option => "entry",
            Self::Cell => "cell",
            Self::Heading => "heading",
            Self::Swatch => "square",
            Self::Text => "text",
            Self::Shape => "shape",
        }
    }

    /// Whether one clicks it.
    pub(crate) fn is_clicked(self) -> bool {
        !matches!(self, Self::Heading | Self::Cell | Self::Text)
    }
}

/// One thing on a screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Widget {
    /// What it is.
    pub role: Role,
    /// Its label, as it is drawn.
    pub label: String,
    /// Its box, pixels.
    pub bounds: Rect,
    /// Whether it is ticked or chosen, where it can be.
    pub checked: Option<bool>,
    /// What stands in a field.
    pub value: Option<String>,
}
