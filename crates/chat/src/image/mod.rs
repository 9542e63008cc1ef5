//! From a picture file to the patches that the vision tower takes.

mod decode;
mod patches;
mod resize;

pub use decode::{DecodedImage, ImageError, Limits, decode};
pub use patches::{Preprocess, smart_resize};
pub use resize::resize_bicubic;

#[cfg(test)]
mod tests;
