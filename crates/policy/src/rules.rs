//! Rules in layers.

/// The rules of all layers.
#[derive(Debug, Clone, Default)]
pub struct Rules {}

impl Rules {
    /// Only what is compiled in.
    pub fn builtin() -> Self {
        Self::default()
    }
}
