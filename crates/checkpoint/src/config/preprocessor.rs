//! `preprocessor_config.json`: how images become patches.

use super::fields::{Fields, parse_object};
use crate::{CheckpointError, Files};

/// Image preprocessing settings.
#[derive(Clone, Debug, PartialEq)]
pub struct PreprocessorConfig {
    /// Least pixels of a resized image (published as `size.shortest_edge`).
    pub min_pixels: usize,
    /// Most pixels of a resized image (published as `size.longest_edge`).
    pub max_pixels: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames per patch.
    pub temporal_patch_size: usize,
    /// Side, in patches, of the square that becomes one token.
    pub merge_size: usize,
    /// Subtracted from a channel's values in 0..=1.
    pub image_mean: [f32; 3],
    /// Divides what is left.
    pub image_std: [f32; 3],
}

impl Default for PreprocessorConfig {
    /// What the family's published files say.
    fn default() -> Self {
        Self {
            min_pixels: 65_536,
            max_pixels: 16_777_216,
            patch_size: 16,
            temporal_patch_size: 2,
            merge_size: 2,
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
        }
    }
}

impl PreprocessorConfig {
    /// Reads `preprocessor_config.json`, or the image part of `processor_config.json`, or takes
    /// the family's defaults when there is neither.
    pub fn read(files: &Files) -> Result<Self, CheckpointError> {
        for name in ["preprocessor_config.json", "processor_config.json"] {
            if files.read(name)?.is_some() {
                let text = files.read_text(name, "it was there a moment ago")?;
                return Self::from_json(&text, &files.describe_file(name));
            }
        }
        Ok(Self::default())
    }

    /// Reads the file's text; `file` is its name for messages.
    pub fn from_json(text: &str, file: &str) -> Result<Self, CheckpointError> {
        let top = parse_object(text, file)?;
        let top_fields = Fields::new(file, "", &top);
        let (path, map) = match top_fields.object("image_processor")? {
            Some(map) => ("image_processor", map),
            None => ("", &top),
        };
        let fields = Fields::new(file, path, map);
        let usual = Self::default();
        // Images of more than 2^31 pixels are nobody's intention.
        let pixels = 1..=1 << 31;
        let size = match fields.object("size")? {
            Some(size) => {
                let size = Fields::new(file, "size", size);
                (
                    size.size_opt("shortest_edge", pixels.clone())?,
                    size.size_opt("longest_edge", pixels.clone())?,
                )
            }
            None => (None, None),
        };
        // The older names win where both stand.
        let min = fields.size_opt("min_pixels", pixels.clone())?.or(size.0);
        let max = fields.size_opt("max_pixels", pixels)?.or(size.1);
        let triple = |name, usual: [f32; 3]| {
            fields
                .numbers::<3>(name)
                .map(|given| given.map_or(usual, |g| g.map(|n| n as f32)))
        };
        let config = Self {
            min_pixels: min.unwrap_or(usual.min_pixels),
            max_pixels: max.unwrap_or(usual.max_pixels),
            patch_size: fields.size_or("patch_size", usual.patch_size, 1..=1024)?,
            temporal_patch_size: fields.size_or("temporal_patch_size", usual.temporal_patch_size, 1..=64)?,
            merge_size: fields.size_or("merge_size", usual.merge_size, 1..=64)?,
            image_mean: triple("image_mean", usual.image_mean)?,
            image_std: triple("image_std", usual.image_std)?,
        };
        if config.min_pixels > config.max_pixels {
            return Err(fields.wrong("size", "shortest_edge not above longest_edge"));
        }
        if config.image_std.iter().any(|std| *std <= 0.0) {
            return Err(fields.wrong("image_std", "three numbers above 0"));
        }
        Ok(config)
    }
}
