//! Looking: the picture of a page and what it cannot show.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aurore_action::{Frame, FrameId, Rect, Size, Tab};
use aurore_policy::{Crop, origin_of};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cdp::{Dialog, Lost};
use super::{Browser, conceal};
use crate::ScreenError;

/// What takes a picture.
const CAPTURE: &str = "Page.captureScreenshot";

/// The first wait for a picture, many times what one takes on a busy machine.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// A region is magnified this much at most.
const MOST_MAGNIFIED: f64 = 4.0;

/// A focused drop-down list.
#[derive(Debug, Deserialize)]
struct DropDown {
    label: String,
    chosen: String,
    options: Vec<String>,
    more: usize,
}

impl Browser {
    /// What is on the screen now.
    pub(super) fn picture(&mut self) -> Result<Frame, ScreenError> {
        self.follow_new_tab();
        let page = self.current()?;
        let tabs = self.tab_list()?;
        let (url, title) = tabs
            .iter()
            .find(|tab| tab.current)
            .map(|tab| (tab.url.clone(), tab.title.clone()))
            .unwrap_or_default();
        let mut notes = std::mem::take(&mut self.cdp.state.notes);
        if let Some(dialog) = self.dialog()? {
            return Ok(self.blocked_picture(&dialog, tabs, url, title, notes));
        }
        let origin = match self.origin() {
            Err(ScreenError::DialogOpen { .. }) => return self.picture(),
            origin => origin?,
        };
        let capture = self.capture(None);
        let png = match capture {
            // It came while the picture was being taken.
            Err(ScreenError::DialogOpen { .. }) => return self.picture(),
            png => png?,
        };
        if let Some(note) = self.drop_down_note() {
            notes.push(note);
        }
        if self.cdp.state.loading.contains(&page.target) {
            notes.push("The page is still loading.".to_owned());
        } else if self.restless {
            notes.push("The page keeps changing: this is how it looked in between.".to_owned());
        }
        if self.cdp.state.unreachable.contains(&page.target) {
            notes.push(
                "The browser shows an error page: the address could not be loaded. Go back, or try it again."
                    .to_owned(),
            );
        }
        let frame = Frame {
            id: frame_id(&png),
            size: png_size(&png).ok_or_else(|| ScreenError::Answer {
                method: CAPTURE.to_owned(),
                field: "PNG header".to_owned(),
            })?,
            png,
            url: Some(url),
            origin,
            title,
            tabs,
            notes,
        };
        self.last = Some(frame.clone());
        Ok(frame)
    }

    /// A blocked page gives no picture: the last one stands, and the dialog is told.
    fn blocked_picture(
        &mut self,
        dialog: &Dialog,
        tabs: Vec<Tab>,
        url: String,
        title: String,
        mut notes: Vec<String>,
    ) -> Frame {
        notes.push(dialog_note(dialog));
        let (id, size, png) = match &self.last {
            Some(frame) => (frame.id.clone(), frame.size, frame.png.clone()),
            None => {
                let png = blank(self.frame_size());
                (frame_id(&png), self.frame_size(), png)
            }
        };
        Frame {
            id,
            size,
            png,
            origin: origin_of(&url),
            url: Some(url),
            title,
            tabs,
            notes,
        }
    }

    /// A region, magnified until it is about as large as a frame.
    pub(super) fn magnify(&mut self, region: Rect) -> Result<Arc<[u8]>, ScreenError> {
        let size = self.frame_size();
        let (left, top) = (region.x.max(0), region.y.max(0));
        let right = (i64::from(region.x) + i64::from(region.width)).min(size.width.into());
        let bottom = (i64::from(region.y) + i64::from(region.height)).min(size.height.into());
        let (width, height) = (right - i64::from(left), bottom - i64::from(top));
        if width < 1 || height < 1 {
            return Err(ScreenError::Unfit {
                action: "zoom",
                reason: format!(
                    "the region lies outside the frame of {}x{}",
                    size.width, size.height
                ),
            });
        }
        let factor = (f64::from(size.width) / width as f64)
            .min(f64::from(size.height) / height as f64)
            .clamp(1.0, MOST_MAGNIFIED);
        let scale = self.options.scale;
        self.capture(Some(json!({
            "x": f64::from(left) / scale, "y": f64::from(top) / scale,
            "width": width as f64 / scale, "height": height as f64 / scale, "scale": factor,
        })))
    }

    /// Whether a region of the frame still has the pixels that were judged.
    pub(super) fn still_shows(&mut self, judged: &Crop) -> Result<bool, ScreenError> {
        let png = self.capture(None)?;
        let picture =
            image::load_from_memory_with_format(&png, image::ImageFormat::Png).map_err(|error| {
                ScreenError::Answer {
                    method: CAPTURE.to_owned(),
                    field: format!("picture ({error})"),
                }
            })?;
        let Rect { x, y, width, height } = judged.rect;
        let pixels = picture
            .crop_imm(x.max(0) as u32, y.max(0) as u32, width, height)
            .into_rgba8();
        Ok(hex_sha256(&pixels) == judged.sha256)
    }

    fn frame_size(&self) -> Size {
        let side = |pixels: u32| (f64::from(pixels) * self.options.scale).round() as u32;
        Size {
            width: side(self.options.viewport.width),
            height: side(self.options.viewport.height),
        }
    }

    fn capture(&mut self, clip: Option<Value>) -> Result<Arc<[u8]>, ScreenError> {
        let session = self.current()?.session;
        let mut params = json!({"format": "png"});
        let mut corner = (0.0, 0.0);
        let mut scale = self.options.scale;
        if let Some(mut clip) = clip {
            let number = |field: &Value| field.as_f64().unwrap_or_default();
            corner = (number(&clip["x"]), number(&clip["y"]));
            scale *= number(&clip["scale"]);
            // A clip is of the document, not of what is seen of it.
            let metrics = self.ask(&session, "Page.getLayoutMetrics", &json!({}))?;
            let scrolled = &metrics["cssVisualViewport"];
            clip["x"] = json!(corner.0 + number(&scrolled["pageX"]));
            clip["y"] = json!(corner.1 + number(&scrolled["pageY"]));
            params["clip"] = clip;
        }
        let patches = self.patches()?;
        let answer = self.screenshot(&session, &params)?;
        let unusable = |reason: String| ScreenError::Answer {
            method: CAPTURE.to_owned(),
            field: format!("picture ({reason})"),
        };
        let data = answer["data"].as_str().unwrap_or_default();
        let png = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|error| unusable(error.to_string()))?;
        conceal::cover(png.into(), &patches, corner, scale).map_err(|error| unusable(error.to_string()))
    }

    /// The picture as it stands.
    fn screenshot(&mut self, session: &Arc<str>, params: &Value) -> Result<Value, ScreenError> {
        let page = self.current()?;
        let lost = Lost {
            patience: FIRST_PATIENCE,
            limit: self.options.answer_limit,
            frame: &page.target,
        };
        let waited = self
            .cdp
            .call_again_until(&Some(session.clone()), CAPTURE, params, &lost, |state| {
                state.dialog_of(&page.session).is_some()
            });
        self.answered(waited, &page.session)
    }

    fn tab_list(&mut self) -> Result<Vec<Tab>, ScreenError> {
        let limit = self.options.answer_limit;
        let answer = self.cdp.call(&None, "Target.getTargets", &json!({}), limit)?;
        let infos: HashMap<&str, &Value> = answer["targetInfos"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|info| Some((info["targetId"].as_str()?, info)))
            .collect();
        let text = |target: &str, field: &str| {
            let text = infos.get(target).and_then(|info| info[field].as_str());
            text.unwrap_or_default().chars().take(2000).collect()
        };
        Ok(self
            .cdp
            .state
            .tabs
            .iter()
            .map(|page| Tab {
                title: text(&page.target, "title"),
                url: text(&page.target, "url"),
                current: page.target == self.front,
            })
            .collect())
    }

    fn drop_down_note(&mut self) -> Option<String> {
        let page = self.current().ok()?;
        let world = self.world(&page.session, &page.target).ok()?;
        let list: DropDown = self
            .value::<Option<DropDown>>(&world, "() => aurore.dropDown()", &[])
            .ok()??;
        let mut note = format!(
            "The drop-down list {:?} has the focus; the picture does not show its options. Chosen: {:?}. Options: ",
            list.label, list.chosen
        );
        let shown: Vec<String> = list.options.iter().map(|option| format!("{option:?}")).collect();
        note.push_str(&shown.join(", "));
        if list.more > 0 {
            let _ = write!(note, " and {} more", list.more);
        }
        note.push_str(". Choose with the arrow keys or by typing the beginning, then press Enter.");
        Some(note)
    }
}

/// What the model is told about a dialog.
pub(super) fn dialog_note(dialog: &Dialog) -> String {
    let answers = match dialog.kind.as_str() {
        "prompt" => format!(
            "Its answer is now {:?}: type another, then press Enter to accept or Escape to dismiss.",
            dialog.answer
        ),
        "alert" => "Press Enter to close it.".to_owned(),
        "beforeunload" => {
            "The page asks whether it may be left: press Enter to leave it or Escape to stay.".to_owned()
        }
        _ => "Press Enter to accept it or Escape to dismiss it.".to_owned(),
    };
    format!(
        "A dialog of the page is open and blocks it, unseen in the picture: {} {:?}. {answers}",
        dialog.kind, dialog.message
    )
}

fn frame_id(png: &[u8]) -> FrameId {
    FrameId(hex_sha256(png))
}

fn hex_sha256(bytes: &[u8]) -> String {
    let mut hash = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

/// Width and height out of a PNG's first chunk.
fn png_size(png: &[u8]) -> Option<Size> {
    let side = |at: usize| {
        png.get(at..at + 4)
            .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
            .map(u32::from_be_bytes)
    };
    (png.get(..8)? == b"\x89PNG\r\n\x1a\n").then_some(())?;
    Some(Size {
        width: side(16)?,
        height: side(20)?,
    })
}

/// A white picture, for a page that has been blocked since before the first look.
fn blank(size: Size) -> Arc<[u8]> {
    let picture = image::GrayImage::from_pixel(size.width.max(1), size.height.max(1), image::Luma([255]));
    let mut png = std::io::Cursor::new(Vec::new());
    // Writing into memory does not fail.
    let _ = picture.write_to(&mut png, image::ImageFormat::Png);
    png.into_inner().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_picture_has_its_size() {
        let size = Size {
            width: 30,
            height: 20,
        };
        assert_eq!(png_size(&blank(size)), Some(size));
        assert_eq!(png_size(b"\x89PNG\r\n\x1a\n"), None);
        assert_eq!(png_size(b"GIF89a"), None);
    }
}
