//! The words that the agent's rooms share: what can be done ([`Action`] on a screen,
//! [`ToolCall`] beside it), what it would hit
//! ([`Target`]), what was seen ([`Frame`]) and where ([`Point`], [`Rect`], the model's grid).
//!
//! Types only: whoever judges, carries out or writes down an action lives in a crate above.

#![forbid(unsafe_code)]

mod action;
mod frame;
mod geometry;
mod key;
mod target;
mod tool;

pub use action::{Action, Button, SystemButton, TerminateStatus};
pub use frame::{Frame, FrameId, Tab};
pub use geometry::{GRID, Point, Rect, Size, from_grid, to_grid};
pub use key::{Chord, Key, KeyError, Modifier};
pub use target::{FieldKind, Form, Target};
pub use tool::{FilePath, ToolCall};
