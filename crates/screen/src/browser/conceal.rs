//! Fields that a secret was typed into are patched over in every picture, and private fields where a person is recorded.
//! What the page itself shows elsewhere is not recognised.

use std::io::Cursor;
use std::sync::Arc;

use image::{ImageFormat, Rgba};
use serde_json::json;

use super::Browser;
use super::hit::Found;
use super::world::Argument;
use crate::ScreenError;

/// Left, top, width, height, in CSS pixels.
pub(super) type Patch = [f64; 4];

impl Browser {
    /// From now on this field is not shown, nor its value told.
    pub(super) fn conceal(&mut self, found: &Found) -> Result<(), ScreenError> {
        self.concealing = true;
        let element = [Argument::Handle(&found.element)];
        self.value(&found.world, "(element) => aurore.conceal(element)", &element)
    }

    /// From now on fields for passwords and payment data, and those whose label has one of these texts in it, are not
    /// shown, nor are their values told.
    pub fn keep_private(&mut self, labels: &[String]) {
        let lower = labels.iter().map(|label| label.to_lowercase());
        self.private = Some(lower.filter(|label| !label.is_empty()).collect());
        self.concealing = true;
    }

    /// The same of a field that is about to be typed into: a look finds no field inside a shadow.
    pub(super) fn conceal_if_private(&mut self, found: &Found) -> Result<(), ScreenError> {
        let Some(labels) = self.private.clone() else {
            return Ok(());
        };
        let arguments = [Argument::Handle(&found.element), Argument::Value(json!(labels))];
        let script = "(element, labels) => aurore.concealIfPrivate(element, labels)";
        self.value(&found.world, script, &arguments)
    }

    /// What must not be shown of the page in front. A frame with such a field in it is hidden as a whole, with its
    /// neighbours.
    pub(super) fn patches(&mut self) -> Result<Vec<Patch>, ScreenError> {
        if !self.concealing {
            return Ok(Vec::new());
        }
        let page = self.current()?;
        let mut patches: Vec<Patch> = Vec::new();
        let mut inside_frames = false;
        for (session, frame) in self.documents()? {
            let world = self.world(&session, &frame)?;
            let arguments = [Argument::Value(json!(self.private))];
            let found: Vec<Patch> = self.value(&world, "(labels) => aurore.concealed(labels)", &arguments)?;
            if frame == page.target {
                patches.extend(found);
            } else {
                inside_frames |= !found.is_empty();
            }
        }
        if inside_frames {
            let world = self.world(&page.session, &page.target)?;
            let frames: Vec<Patch> = self.value(&world, "() => aurore.frames()", &[])?;
            patches.extend(frames);
        }
        Ok(patches)
    }
}

/// The picture with its patches. `corner` is the picture's in CSS pixels, `scale` its pixels per CSS pixel.
pub(super) fn cover(
    png: Arc<[u8]>,
    patches: &[Patch],
    corner: (f64, f64),
    scale: f64,
) -> image::ImageResult<Arc<[u8]>> {
    if patches.is_empty() {
        return Ok(png);
    }
    let mut picture = image::load_from_memory_with_format(&png, ImageFormat::Png)?.into_rgba8();
    let (across, down) = picture.dimensions();
    for [x, y, width, height] in patches {
        let side = |from: f64, to: f64, corner: f64, end: u32| {
            let pixel = |at: f64| ((at - corner) * scale).clamp(0.0, f64::from(end));
            pixel(from).floor() as u32..pixel(to).ceil() as u32
        };
        for row in side(*y, y + height, corner.1, down) {
            for column in side(*x, x + width, corner.0, across) {
                picture.put_pixel(column, row, Rgba([0, 0, 0, 255]));
            }
        }
    }
    let mut covered = Cursor::new(Vec::new());
    picture.write_to(&mut covered, ImageFormat::Png)?;
    Ok(covered.into_inner().into())
}
