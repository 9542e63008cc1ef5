//! What was seen.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Size;

/// The SHA-256 of a frame's PNG bytes, in lower-case hexadecimal: frames are stored by content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameId(pub String);

/// A tab or window that the run may switch to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// Its title, as the page says it: untrusted text.
    pub title: String,
    /// Its address.
    pub url: String,
    /// Whether it is the one in the frame.
    pub current: bool,
}

/// One look at a screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Identity by content.
    pub id: FrameId,
    /// Size in pixels; every point of an action is in these.
    pub size: Size,
    /// The picture, PNG.
    #[serde(skip)]
    pub png: Arc<[u8]>,
    /// Address of the page, if the screen shows one.
    pub url: Option<String>,
    /// Origin of the page (`https://shop.example`), or the app's identity.
    pub origin: String,
    /// Title of the page or window: untrusted text.
    pub title: String,
    /// Tabs in order.
    pub tabs: Vec<Tab>,
    /// What the picture cannot show, as plain lines for the model (open native select, dialog text, …).
    pub notes: Vec<String>,
}
