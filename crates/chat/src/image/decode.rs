//! Picture files, which are untrusted bytes.

use std::{io::Cursor, sync::Arc};

use image::{DynamicImage, ImageDecoder, ImageError as Cause, ImageReader};
use thiserror::Error;

/// A picture in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodedImage {
    /// Pixels across, at least 1.
    pub width: u32,
    /// Pixels down, at least 1.
    pub height: u32,
    /// `[height, width, 3]`, red, green, blue.
    pub rgb: Arc<[u8]>,
    /// What a person should know about how it was read (only the first frame of an animation, …).
    pub note: Option<String>,
}

impl std::fmt::Debug for DecodedImage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DecodedImage({}x{})", self.width, self.height)
    }
}

/// What a picture may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels along the longer side.
    pub side: u32,
    /// Pixels altogether.
    pub pixels: u64,
}

impl Default for Limits {
    /// 16,384 pixels a side, 64 million altogether: larger than any screen, about 200 MB while decoding.
    fn default() -> Self {
        Self {
            side: 16_384,
            pixels: 64_000_000,
        }
    }
}

/// Why a picture cannot be used.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Not a picture, or of a kind that is not read.
    #[error("not a picture that can be read: it {looks}; give a PNG, JPEG, WebP or GIF file")]
    UnknownFormat {
        /// What it looks like instead.
        looks: String,
    },
    /// A side is zero.
    #[error("the picture is {width}x{height} pixels: it shows nothing")]
    Empty {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Larger than the limits.
    #[error(
        "the picture is {width}x{height} pixels: at most {side} a side and {pixels} altogether are read; shrink it first"
    )]
    TooLarge {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Limit of a side.
        side: u32,
        /// Limit altogether.
        pixels: u64,
    },
    /// So long and thin that the family's models cannot take it.
    #[error(
        "the picture is {width}x{height} pixels: one side is more than 200 times the other; cut it into pieces"
    )]
    Aspect {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Cut off or damaged.
    #[error("the {format} picture is damaged or cut off ({bytes} bytes): {why}")]
    Damaged {
        /// Its kind.
        format: String,
        /// Length of the file.
        bytes: usize,
        /// The decoder's words.
        why: String,
    },
    /// The preprocessor's own numbers cannot be used.
    #[error("preprocessor_config.json: {field} is {value}: it must be {expected}")]
    Preprocessor {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is possible.
        expected: &'static str,
    },
}

/// Reads a picture: upright (its orientation tag is obeyed), transparency dropped as the official processor does,
/// only the first frame of an animation (said in the note).
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<DecodedImage, ImageError> {
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| damaged("unknown", bytes, &error))?;
    let Some(format) = reader.format() else {
        return Err(ImageError::UnknownFormat {
            looks: looks_like(bytes),
        });
    };
    let name = format
        .extensions_str()
        .first()
        .copied()
        .unwrap_or("unknown")
        .to_uppercase();
    let failed = |error: Cause| match error {
        Cause::Unsupported(_) => ImageError::UnknownFormat {
            looks: format!("looks like {name}"),
        },
        other => damaged(&name, bytes, &other),
    };
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImageError::Empty { width, height });
    }
    if width.max(height) > limits.side || u64::from(width) * u64::from(height) > limits.pixels {
        return Err(ImageError::TooLarge {
            width,
            height,
            side: limits.side,
            pixels: limits.pixels,
        });
    }
    let mut allocation = image::Limits::default();
    // Sixteen-bit RGBA, and as much again for the decoder's own buffers.
    allocation.max_alloc = Some(limits.pixels.saturating_mul(16));
    decoder.set_limits(allocation).map_err(failed)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    let (width, height) = rgb.dimensions();
    Ok(DecodedImage {
        width,
        height,
        rgb: rgb.into_raw().into(),
        note: is_animated(bytes).then(|| format!("only the first frame of the animated {name} is shown")),
    })
}

fn damaged(format: &str, bytes: &[u8], why: &impl ToString) -> ImageError {
    ImageError::Damaged {
        format: format.to_owned(),
        bytes: bytes.len(),
        why: why.to_string(),
    }
}

/// Whether the file says that it has several frames.
fn is_animated(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"GIF8") {
        // Graphic control extensions precede frames; each is 21 F9 04.
        return bytes
            .windows(3)
            .filter(|window| window == b"\x21\xF9\x04")
            .count()
            > 1;
    }
    if bytes.starts_with(b"\x89PNG") {
        // An animation control chunk stands before the data.
        let head = &bytes[..bytes.len().min(4096)];
        return head.windows(4).any(|window| window == b"acTL");
    }
    // RIFF....WEBPVP8X: bit 1 of the flags.
    bytes.starts_with(b"RIFF")
        && bytes.get(12..16) == Some(b"VP8X")
        && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
}

fn looks_like(bytes: &[u8]) -> String {
    let kind = match bytes {
        [] => "is empty",
        [b'%', b'P', b'D', b'F', ..] => "looks like a PDF",
        [b'<', ..] => "looks like HTML, SVG or XML",
        [b'B', b'M', ..] => "looks like a BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "looks like a TIFF",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "looks like a video, HEIC or AVIF",
        _ if std::str::from_utf8(&bytes[..bytes.len().min(64)]).is_ok() => "looks like text",
        _ => "has no known signature",
    };
    kind.to_owned()
}
