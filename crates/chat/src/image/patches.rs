//! Target size, normalisation and order of patches: Qwen2-VL's image processor, with the family's numbers.

use aurore_checkpoint::PreprocessorConfig;
use aurore_engine::ImagePatches;

use super::{DecodedImage, ImageError, resize_bicubic};

/// The most that one side may exceed the other.
const LARGEST_ASPECT: f64 = 200.0;

/// How pictures become patches.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Fewest pixels after resizing.
    pub min_pixels: u64,
    /// Most pixels after resizing.
    pub max_pixels: u64,
    /// Side of a patch, pixels.
    pub patch: u32,
    /// Frames in a patch; a still picture repeats itself.
    pub temporal: u32,
    /// Side of the block of patches that becomes one token.
    pub merge: u32,
    /// Mean of each channel, of values in 0..=1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    pub std: [f32; 3],
}

impl Preprocess {
    /// The numbers of a checkpoint, checked.
    ///
    /// # Errors
    /// [`ImageError::Preprocessor`] names the field that cannot be used.
    pub fn new(config: &PreprocessorConfig) -> Result<Self, ImageError> {
        let preprocess = Self {
            min_pixels: config.min_pixels as u64,
            max_pixels: config.max_pixels as u64,
            patch: config.patch_size as u32,
            temporal: config.temporal_patch_size as u32,
            merge: config.merge_size as u32,
            mean: config.image_mean,
            std: config.image_std,
        };
        preprocess.check()?;
        Ok(preprocess)
    }

    fn check(&self) -> Result<(), ImageError> {
        let refuse = |field, value: String, expected| {
            Err(ImageError::Preprocessor {
                field,
                value,
                expected,
            })
        };
        for (field, value, most) in [
            ("patch_size", self.patch, 128),
            ("temporal_patch_size", self.temporal, 16),
            ("merge_size", self.merge, 16),
        ] {
            if value == 0 || value > most {
                return refuse(field, value.to_string(), "small and above 0");
            }
        }
        let factor = u64::from(self.factor());
        if self.max_pixels < factor * factor || self.max_pixels > 1 << 30 {
            return refuse(
                "longest_edge",
                self.max_pixels.to_string(),
                "room for one token at least, 2^30 pixels at most",
            );
        }
        if self.min_pixels > self.max_pixels {
            return refuse(
                "shortest_edge",
                self.min_pixels.to_string(),
                "at most longest_edge",
            );
        }
        if !self.std.iter().all(|value| value.is_finite() && *value > 0.0) {
            return refuse("image_std", format!("{:?}", self.std), "three numbers above 0");
        }
        if !self.mean.iter().all(|value| value.is_finite()) {
            return refuse("image_mean", format!("{:?}", self.mean), "three finite numbers");
        }
        Ok(())
    }

    /// Side of the square that becomes one token, pixels.
    pub fn factor(&self) -> u32 {
        self.patch * self.merge
    }

    /// Size to which a picture of `width` × `height` pixels is resized.
    pub fn target(&self, width: u32, height: u32) -> Result<(u32, u32), ImageError> {
        smart_resize(width, height, self.factor(), self.min_pixels, self.max_pixels)
    }

    /// Resizes, normalises and cuts a picture.
    pub fn patches(&self, image: &DecodedImage) -> Result<ImagePatches, ImageError> {
        let (width, height) = self.target(image.width, image.height)?;
        let pixels = resize_bicubic(&image.rgb, (image.width, image.height), (width, height));
        Ok(self.cut(&pixels, width, height))
    }

    /// Tokens that a grid of patches becomes.
    pub fn tokens(&self, grid: [u32; 3]) -> usize {
        let [frames, rows, columns] = grid.map(|side| side as usize);
        let merge = self.merge as usize;
        frames * (rows / merge) * (columns / merge)
    }

    /// `[height, width, 3]` bytes to `[patches, 3 · temporal · patch · patch]` floats. Patches follow each other block by
    /// block of `merge` × `merge`; inside a patch: channel, frame, row, column.
    fn cut(&self, pixels: &[u8], width: u32, height: u32) -> ImagePatches {
        let (patch, merge) = (self.patch as usize, self.merge as usize);
        let (rows, columns) = ((height / self.patch) as usize, (width / self.patch) as usize);
        let table = self.normalised();
        let mut patches = Vec::with_capacity(pixels.len() * self.temporal as usize);
        let blocks = (0..rows / merge).flat_map(|block| (0..columns / merge).map(move |next| (block, next)));
        for (block_row, block_column) in blocks {
            for inner in 0..merge * merge {
                let top = (block_row * merge + inner / merge) * patch;
                let left = (block_column * merge + inner % merge) * patch;
                for (channel, values) in table.iter().enumerate() {
                    for _frame in 0..self.temporal {
                        for y in top..top + patch {
                            let start = (y * width as usize + left) * 3 + channel;
                            let row = pixels[start..].iter().step_by(3).take(patch);
                            patches.extend(row.map(|value| values[usize::from(*value)]));
                        }
                    }
                }
            }
        }
        ImagePatches {
            grid: [1, rows as u32, columns as u32],
            patches,
        }
    }

    /// The normalised value of each byte, per channel: rescaling and normalising in one step, as the fast processor
    /// does.
    fn normalised(&self) -> [[f32; 256]; 3] {
        std::array::from_fn(|channel| {
            let (mean, std) = (self.mean[channel] * 255.0, self.std[channel] * 255.0);
            std::array::from_fn(|value| (value as f32 - mean) / std)
        })
    }
}

/// Size in multiples of `factor` that keeps the aspect nearly and the number of pixels within the limits; (width,
/// height).
///
/// # Errors
/// [`ImageError::Empty`] for a side of zero, [`ImageError::Aspect`] beyond 200 to 1.
pub fn smart_resize(
    width: u32,
    height: u32,
    factor: u32,
    min_pixels: u64,
    max_pixels: u64,
) -> Result<(u32, u32), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Empty { width, height });
    }
    let (w, h, factor) = (f64::from(width), f64::from(height), f64::from(factor));
    if w.max(h) / w.min(h) > LARGEST_ASPECT {
        return Err(ImageError::Aspect { width, height });
    }
    // Python's round: halves go to the even neighbour.
    let mut target = [w, h].map(|side| (side / factor).round_ties_even() * factor);
    let area = target[0] * target[1];
    if area > max_pixels as f64 {
        let shrink = (w * h / max_pixels as f64).sqrt();
        target = [w, h].map(|side| ((side / shrink / factor).floor() * factor).max(factor));
    } else if area < min_pixels as f64 {
        let grow = (min_pixels as f64 / (w * h)).sqrt();
        target = [w, h].map(|side| (side * grow / factor).ceil() * factor);
    }
    // A side that rounds to nothing within wide limits still needs one token.
    let [width, height] = target.map(|side| side.max(factor) as u32);
    Ok((width, height))
}
