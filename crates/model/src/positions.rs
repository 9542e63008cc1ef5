//! Positions and what is made of them: rotary frequencies (partial, interleaved over time, height
//! and width, with YaRN), a prompt's positions, and the vision tower's.

use std::f64::consts::PI;

use aurore_checkpoint::{TextConfig, VisionConfig, Yarn};

use crate::{ImagePatches, TokenId};

/// Frequencies of the language model's rotary embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// `[rotary_dim / 2]`
    inverse_frequencies: Vec<f32>,
    /// Which of time (0), height (1) and width (2) turns a frequency. `[rotary_dim / 2]`
    streams: Vec<u8>,
    /// Multiplies cosines and sines; 1 without YaRN.
    scale: f32,
}

impl Rope {
    /// The frequencies for a configuration.
    pub fn new(config: &TextConfig) -> Self {
        let dim = config.rotary_dim();
        let half = dim / 2;
        let section = config.rope.mrope_section;
        let streams = (0..half)
            .map(|j| match j % 3 {
                1 if j < 3 * section[1] => 1,
                2 if j < 3 * section[2] => 2,
                _ => 0,
            })
            .collect();
        // In f32 like the official implementation: far positions multiply every rounding.
        let base = config.rope.theta as f32;
        let periods = (0..half).map(|j| base.powf((2 * j) as f32 / dim as f32));
        let (inverse_frequencies, scale) = match &config.rope.yarn {
            None => (periods.map(|period| 1.0 / period).collect(), 1.0),
            Some(yarn) => {
                let (low, high) = yarn_range(yarn, dim, config.rope.theta);
                let scaled = periods.enumerate().map(|(j, period)| {
                    // 0: fast enough to stay as it is; 1: slow, so stretched by the factor.
                    let ramp = ((j as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
                    let kept = 1.0 - ramp;
                    1.0 / (yarn.factor as f32 * period) * (1.0 - kept) + 1.0 / period * kept
                });
                (scaled.collect(), yarn.attention_factor as f32)
            }
        };
        Self {
            inverse_frequencies,
            streams,
            scale,
        }
    }

    /// Number of rotated pairs of a head, `rotary_dim / 2`.
    pub fn pairs(&self) -> usize {
        self.inverse_frequencies.len()
    }

    /// Cosines and sines of one position, each `[pairs]`; pair j is (j, j + pairs) of a head.
    pub fn write(&self, position: [u32; 3], cos: &mut [f32], sin: &mut [f32]) {
        for (j, (frequency, stream)) in self.inverse_frequencies.iter().zip(&self.streams).enumerate() {
            let angle = position[usize::from(*stream)] as f32 * frequency;
            cos[j] = angle.cos() * self.scale;
            sin[j] = angle.sin() * self.scale;
        }
    }
}

/// First and last dimension of YaRN's ramp.
fn yarn_range(yarn: &Yarn, dim: usize, theta: f64) -> (f64, f64) {
    let length = yarn.original_max_position_embeddings as f64;
    // The dimension that turns `rotations` times over the original context.
    let dimension = |rotations: f64| dim as f64 * (length / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln());
    let (mut low, mut high) = (dimension(yarn.beta_fast), dimension(yarn.beta_slow));
    if yarn.truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
    if low == high {
        high += 0.001;
    }
    (low, high)
}

/// Positions of a whole prompt, one per token, and the difference that decoding continues with:
/// a generated token at index i has position `i + delta` in all three streams.
///
/// Text counts on by one; an image holds time still and counts rows and columns of its tokens
/// from there, and what follows continues after the longer of its sides. Runs of placeholders
/// beyond the images given count as text.
pub fn prompt_positions(
    ids: &[TokenId],
    images: &[ImagePatches],
    image_token: TokenId,
    merge: usize,
) -> (Vec<[u32; 3]>, i64) {
    let merge = merge.max(1) as u32;
    let mut positions: Vec<[u32; 3]> = Vec::with_capacity(ids.len());
    // Frames are separate runs in a prompt.
    let mut frames = images.iter().flat_map(|image| {
        let [t, h, w] = image.grid;
        (0..t).map(move |_| (h / merge, w / merge))
    });
    let mut current = 0u32;
    while positions.len() < ids.len() {
        let index = positions.len();
        let frame = if ids[index] == image_token {
            frames.next()
        } else {
            None
        };
        match frame {
            Some((rows, columns)) if rows > 0 && columns > 0 => {
                let room = ids.len() - index;
                let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
                positions.extend(cells.take(room).map(|(row, column)| {
                    [
                        current,
                        current.saturating_add(row),
                        current.saturating_add(column),
                    ]
                }));
                current = current.saturating_add(rows.max(columns));
            }
            _ => {
                positions.push([current; 3]);
                current = current.saturating_add(1);
            }
        }
    }
    let delta = i64::from(current) - ids.len() as i64;
    (positions, delta)
}

/// Row and column of every patch of one frame, in merge-block order. `[h·w]`
pub fn patch_positions(grid: [u32; 3], merge: usize) -> Vec<[u32; 2]> {
    let merge = merge as u32;
    let [_, rows, columns] = grid;
    let mut positions = Vec::with_capacity(rows as usize * columns as usize);
    for block_row in 0..rows / merge {
        for block_column in 0..columns / merge {
            for row in 0..merge {
                for column in 0..merge {
                    positions.push([block_row * merge + row, block_column * merge + column]);
                }
            }
        }
    }
    positions
}

/// The four rows of the tower's learned position table that a patch's position is mixed of, with
/// their weights: bilinear, the grid's corners on the table's corners.
pub fn position_taps(config: &VisionConfig, grid: [u32; 3], patch: [u32; 2]) -> [(usize, f32); 4] {
    let table = config.position_grid();
    let last = table - 1;
    let axis = |index: u32, count: u32| {
        let source = index as f32 * last as f32 / count.saturating_sub(1).max(1) as f32;
        let low = (source as usize).min(last);
        (low, (low + 1).min(last), source - low as f32)
    };
    let (top, bottom, down) = axis(patch[0], grid[1]);
    let (left, right, across) = axis(patch[1], grid[2]);
    [
        (top * table + left, (1.0 - down) * (1.0 - across)),
        (top * table + right, (1.0 - down) * across),
        (bottom * table + left, down * (1.0 - across)),
        (bottom * table + right, down * across),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_on_after_the_longer_side_of_an_image() {
        let image = ImagePatches {
            grid: [1, 4, 6],
            patches: Vec::new(),
        };
        let (positions, delta) = prompt_positions(&[5, 9, 9, 9, 9, 9, 9, 7], &[image], 9, 2);
        assert_eq!(positions[0], [0, 0, 0]);
        assert_eq!(positions[1..4], [[1, 1, 1], [1, 1, 2], [1, 1, 3]]);
        assert_eq!(positions[4..7], [[1, 2, 1], [1, 2, 2], [1, 2, 3]]);
        assert_eq!(positions[7], [4, 4, 4]);
        assert_eq!(delta, 5 - 8);
    }

    #[test]
    fn a_grid_that_lies_makes_neither_panic_nor_endless_positions() {
        let image = ImagePatches {
            grid: [u32::MAX; 3],
            patches: Vec::new(),
        };
        let images = vec![image; 3];
        let (positions, _) = prompt_positions(&[9; 20], &images, 9, 1);
        assert_eq!(positions.len(), 20);
        let (positions, _) = prompt_positions(&[9, 1, 9, 1, 9, 1], &images, 9, 1);
        assert_eq!(positions.len(), 6);
    }

    #[test]
    fn streams_interleave() {
        let config = aurore_checkpoint::Config::official("0.8B").unwrap();
        let rope = Rope::new(&config.text);
        assert_eq!(rope.streams[..7], [0, 1, 2, 0, 1, 2, 0]);
        // [11, 11, 10]: the last frequency belongs to the height.
        assert_eq!(rope.streams[29..], [2, 0, 1]);
        assert_eq!(rope.pairs(), 32);
    }

    #[test]
    fn a_million_tokens_have_positions_of_their_own() {
        let mut text = aurore_checkpoint::Config::official("0.8B").unwrap().text;
        let near = Rope::new(&text);
        text.max_position_embeddings = 1_010_000;
        let overrides = serde_json::json!({
            "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262_144,
        });
        let overrides = overrides.as_object().unwrap();
        text.rope = text.rope.merged(overrides, 1_010_000, "config.json").unwrap();
        let far = Rope::new(&text);
        // Fast frequencies stay, slow ones are four times slower.
        assert_eq!(far.inverse_frequencies[0], near.inverse_frequencies[0]);
        let last = (far.inverse_frequencies[31], near.inverse_frequencies[31]);
        assert!((last.0 * 4.0 / last.1 - 1.0).abs() < 1e-6, "{last:?}");
        let pairs = far.pairs();
        let at = |position: u32| {
            let (mut cos, mut sin) = (vec![0.0; pairs], vec![0.0; pairs]);
            far.write([position; 3], &mut cos, &mut sin);
            (cos, sin)
        };
        let (cos, sin) = at(1_009_999);
        for j in 0..pairs {
            // The angle is f32 as in the official implementation; its cosine and sine are exact ones.
            let angle = f64::from(1_009_999.0 * far.inverse_frequencies[j]);
            let scale = f64::from(far.scale);
            assert!((f64::from(cos[j]) - angle.cos() * scale).abs() < 1e-6);
            assert!((f64::from(sin[j]) - angle.sin() * scale).abs() < 1e-6);
        }
        assert_ne!(at(1_009_998), (cos, sin));
    }

    /// Inverse frequencies and scale in f64 throughout, straight from the formula (arXiv 2309.00071).
    fn exact(factor: f64, trained: f64) -> (Vec<f64>, f64) {
        let (dim, theta) = (64.0, 1e7_f64);
        let turns = |rotations: f64| dim * (trained / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln());
        let (low, high) = (turns(32.0).floor().max(0.0), turns(1.0).ceil().min(dim - 1.0));
        let frequency = |j: usize| {
            let own = theta.powf(-2.0 * j as f64 / dim);
            let ramp = ((j as f64 - low) / (high - low)).clamp(0.0, 1.0);
            own / factor * ramp + own * (1.0 - ramp)
        };
        let scale = if factor > 1.0 {
            0.1 * factor.ln() + 1.0
        } else {
            1.0
        };
        ((0..32).map(frequency).collect(), scale)
    }

    #[test]
    fn far_angles_are_those_of_f64_but_for_the_rounding_of_f32() {
        let own = aurore_checkpoint::Config::official("0.8B").unwrap();
        for context in [262_144, 524_288, 1_010_000] {
            let config = own.clone().with_context(context);
            let factor = config.text.rope.yarn.as_ref().map_or(1.0, |yarn| yarn.factor);
            let (frequencies, scale) = exact(factor, 262_144.0);
            let rope = Rope::new(&config.text);
            for position in [1, 262_143, 262_145, 524_287, 700_001, 1_009_999_u32] {
                let [t, h, w] = [position, position - 1, position / 2];
                let (mut cos, mut sin) = ([0.0; 32], [0.0; 32]);
                rope.write([t, h, w], &mut cos, &mut sin);
                for (j, frequency) in frequencies.iter().enumerate() {
                    let stream = [t, h, w][usize::from(rope.streams[j])];
                    let angle = f64::from(stream) * frequency;
                    // A frequency is a quotient of a power, and mixed of two with YaRN: a few roundings, each of
                    // half a unit in the last place; the product is one more.
                    let allowed = angle * 4.0 * f64::from(f32::EPSILON) + 1e-6;
                    let off = (f64::from(cos[j]) - angle.cos() * scale)
                        .abs()
                        .max((f64::from(sin[j]) - angle.sin() * scale).abs());
                    assert!(
                        off <= allowed * scale,
                        "{position}, frequency {j}: {off} of {allowed}"
                    );
                }
            }
        }
    }
}
