//! Samples out of nothing, of a fixed size: for measuring.

use aurore_checkpoint::Config;
use aurore_model::ImagePatches;

use super::{DataError, Move, Sample, Samples};
use crate::numbers::Numbers;

/// Random pictures, each before random text of which the last part is to be said.
#[derive(Clone, Debug)]
pub struct Synthetic {
    vocabulary: usize,
    image_token: u32,
    patch: usize,
    merge: usize,
    /// Patches of a picture, rows and columns; none without a vision tower.
    grid: Option<[u32; 2]>,
    /// Tokens of text, and how many of the last are said.
    text: [usize; 2],
    count: usize,
}

impl Synthetic {
    /// `count` samples for a network.
    pub fn new(config: &Config, grid: [u32; 2], text: [usize; 2], count: usize) -> Self {
        let vision = config.vision.as_ref();
        Self {
            vocabulary: config.text.vocab_size,
            image_token: config.image_token_id,
            patch: vision.map_or(0, aurore_checkpoint::VisionConfig::patch_dim),
            merge: vision.map_or(1, aurore_checkpoint::VisionConfig::merge_unit),
            grid: vision.map(|_| grid),
            text,
            count,
        }
    }
}

impl Samples for Synthetic {
    fn count(&self) -> usize {
        self.count
    }

    fn read(&self, index: usize, _: Move) -> Result<Sample, DataError> {
        let mut numbers = Numbers::new(7, index as u64);
        let word = |numbers: &mut Numbers| loop {
            let id = numbers.below(self.vocabulary) as u32;
            if id != self.image_token {
                break id;
            }
        };
        let [text, said] = self.text;
        let mut ids = Vec::new();
        let mut images = Vec::new();
        if let Some([rows, columns]) = self.grid {
            let patches = (rows * columns) as usize;
            ids.extend(std::iter::repeat_n(self.image_token, patches / self.merge));
            // A still picture: each colour's first half of numbers stands twice.
            let half = self.patch / 6;
            let mut numbers_of = Vec::with_capacity(patches * self.patch);
            for _ in 0..patches * 3 {
                let colour: Vec<f32> = (0..half).map(|_| 2.0 * numbers.uniform() - 1.0).collect();
                numbers_of.extend_from_slice(&colour);
                numbers_of.extend_from_slice(&colour);
            }
            images.push(ImagePatches {
                grid: [1, rows, columns],
                patches: numbers_of,
            });
        }
        ids.extend((0..text).map(|_| word(&mut numbers)));
        let weights = (0..ids.len())
            .map(|place| f32::from(place + said >= ids.len()))
            .collect();
        Ok(Sample {
            name: format!("synthetic {index}"),
            ids,
            images,
            weights,
            looks: Vec::new(),
            readings: Vec::new(),
        })
    }
}
