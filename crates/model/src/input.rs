//! What goes into the network: token ids, positions, and images as patches.

use aurore_checkpoint::{Config, VisionConfig};

use crate::ModelError;
use crate::batch::check_tokens;

/// A token of the vocabulary.
pub type TokenId = u32;

/// A preprocessed image, or clip: normalised patches in merge-block order.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePatches {
    /// Time, height and width in patches.
    pub grid: [u32; 3],
    /// `[t·h·w, channels·frames·rows·columns]`; 2×2 blocks of patches stand together.
    pub patches: Vec<f32>,
}

/// Tokens to process, with what stands behind their image placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The tokens, image placeholders expanded to one token per feature.
    pub ids: &'a [TokenId],
    /// Position of each token: time, height, width.
    pub positions: &'a [[u32; 3]],
    /// The images whose placeholders stand in `ids`, all of them, in order.
    pub images: &'a [ImagePatches],
}

impl ImagePatches {
    /// Number of patches; `None` when the grid's product overflows.
    pub fn patch_count(&self) -> Option<usize> {
        self.grid
            .iter()
            .try_fold(1usize, |count, side| count.checked_mul(*side as usize))
    }

    /// Number of tokens that the image becomes.
    pub fn token_count(&self, config: &VisionConfig) -> usize {
        self.patch_count().unwrap_or(0) / config.merge_unit()
    }

    /// Checks that patches and grid fit one another and the tower; `index` is for the message.
    pub fn check(&self, index: usize, config: &VisionConfig) -> Result<(), ModelError> {
        let [t, h, w] = self.grid;
        let merge = config.spatial_merge_size as u32;
        let problem = if t == 0 || h == 0 || w == 0 || !h.is_multiple_of(merge) || !w.is_multiple_of(merge) {
            format!("the grid {t}×{h}×{w} is not made of {merge}×{merge} blocks of patches")
        } else if self
            .patch_count()
            .and_then(|count| count.checked_mul(config.patch_dim()))
            != Some(self.patches.len())
        {
            format!(
                "the grid {t}×{h}×{w} of patches of {} numbers has {} numbers in all",
                config.patch_dim(),
                self.patches.len()
            )
        } else {
            return Ok(());
        };
        Err(ModelError::Image { index, problem })
    }
}

impl Input<'_> {
    /// Checks ids, positions and images against the configuration and one another.
    pub fn check(&self, config: &Config) -> Result<(), ModelError> {
        check_tokens(self.ids, self.positions, config)?;
        let Some(vision) = &config.vision else {
            return if self.images.is_empty() {
                Ok(())
            } else {
                Err(ModelError::NoVision)
            };
        };
        let mut features = 0;
        for (index, image) in self.images.iter().enumerate() {
            image.check(index, vision)?;
            features += image.token_count(vision);
        }
        let placeholders = self.ids.iter().filter(|id| **id == config.image_token_id).count();
        if placeholders == features {
            Ok(())
        } else {
            Err(ModelError::Placeholders {
                placeholders,
                features,
            })
        }
    }
}
