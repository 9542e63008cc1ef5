//! What the network is given.

use std::sync::Arc;

use aurore_model::{ImagePatches, LoadedAdapter};

/// A rendered, tokenised conversation with its pictures.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// Token ids, image placeholders expanded to one id per merged patch.
    pub ids: Vec<u32>,
    /// M-RoPE position (temporal, height, width) of each id.
    pub positions: Vec<[u32; 3]>,
    /// Patches of the images whose placeholders stand in `ids`, in order.
    pub images: Vec<ImagePatches>,
    /// Numbers of leading tokens after which a later prompt is likely to differ: the ends of messages and pictures, in
    /// order. They say where a prefix cache keeps states, and change no answer.
    pub marks: Vec<usize>,
    /// What it is read, and answered, with beside the network's weights; the engine's own if `None`.
    pub adapter: Option<Arc<LoadedAdapter>>,
}

impl Prompt {
    /// A prompt of text alone: all three positions of a token are its index.
    pub fn text(ids: Vec<u32>) -> Self {
        let positions = (0..ids.len() as u32).map(|index| [index; 3]).collect();
        Self {
            ids,
            positions,
            ..Self::default()
        }
    }

    /// Tokens in the prompt.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
