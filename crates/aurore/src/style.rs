//! Colours on a terminal, plain text elsewhere.

use std::fmt;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Names and outcomes.
    Bold,
    /// Labels and what the model thinks.
    Dim,
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Look here.
    Yellow,
}

/// Text with a look, printed only where colours are taken.
pub struct Painted<T> {
    text: T,
    look: Option<Look>,
}

/// Whether to paint.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    color: bool,
}

impl Style {
    /// Paints if `color`.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    /// The text with a look.
    pub fn paint<T: fmt::Display>(self, look: Look, text: T) -> Painted<T> {
        Painted {
            text,
            look: self.color.then_some(look),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(look) = self.look else {
            return self.text.fmt(out);
        };
        let code = match look {
            Look::Bold => "1",
            Look::Dim => "2",
            Look::Green => "32",
            Look::Red => "31",
            Look::Yellow => "33",
        };
        write!(out, "\u{1b}[{code}m")?;
        self.text.fmt(out)?;
        out.write_str("\u{1b}[0m")
    }
}
