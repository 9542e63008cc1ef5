//! A prompt, checked, with what its pictures and blocks are called. Made on the thread of whoever asks.

use std::sync::Arc;

use aurore_model::{Input, LoadedAdapter};

use crate::cache::{BlockKey, Digest, block_keys, digest, under};
use crate::{Engine, EngineError, Prompt};

pub(super) struct Prepared {
    pub(super) prompt: Prompt,
    /// Per picture: its hash and the number of its placeholders.
    pub(super) pictures: Vec<(Digest, usize)>,
    /// Per whole block of the prompt.
    pub(super) keys: Vec<BlockKey>,
    /// What it is read with beside the network's weights.
    pub(super) adapter: Option<Arc<LoadedAdapter>>,
    /// What stands for a picture's pieces; absent for a network without eyes.
    image_token: Option<u32>,
}

impl Prepared {
    /// # Errors
    /// When the prompt does not fit the network or itself.
    pub(super) fn new(engine: &Engine, prompt: Prompt) -> Result<Self, EngineError> {
        engine.check(&prompt)?;
        let model = engine.model();
        model.check_input(&Input {
            ids: &prompt.ids,
            positions: &prompt.positions,
            images: &prompt.images,
        })?;
        let config = model.config();
        let vision = config.vision.as_ref();
        let tokens =
            |image: &aurore_model::ImagePatches| vision.map_or(0, |vision| image.token_count(vision));
        let pictures: Vec<(Digest, usize)> = prompt
            .images
            .iter()
            .map(|image| (digest(image), tokens(image)))
            .collect();
        let image_token = vision.map(|_| config.image_token_id);
        let mut keys = block_keys(&prompt, image_token, &pictures);
        let adapter = engine.adapter(&prompt);
        if let Some(adapter) = &adapter {
            under(adapter.identity(), &mut keys);
        }
        Ok(Self {
            prompt,
            pictures,
            keys,
            adapter,
            image_token,
        })
    }

    /// Placeholders among tokens `from..to`.
    pub(super) fn placeholders(&self, from: usize, to: usize) -> usize {
        if self.pictures.is_empty() {
            return 0;
        }
        let ids = self.prompt.ids[from..to].iter();
        ids.filter(|id| Some(**id) == self.image_token).count()
    }
}
