//! A frame with marks.

use std::fmt::Write;

use aurore_action::{Action, FrameId, Point, Rect, Size};
use base64::Engine as _;

use crate::{Journal, JournalError};

/// Frames up to this width are enlarged to about it, pixel by pixel.
const SMALL: u32 = 320;

/// What is drawn over a frame.
#[derive(Default)]
pub(super) struct Marks {
    /// Box of the target.
    pub(super) bounds: Option<Rect>,
    /// Where the pointer goes, in order.
    pub(super) points: Vec<Point>,
}

impl Marks {
    /// The marks of an action on a target.
    pub(super) fn of(action: Option<&Action>, bounds: Option<Rect>) -> Self {
        Self {
            bounds,
            points: action.map(Action::points).unwrap_or_default(),
        }
    }
}

/// Whether a frame of this size is shown enlarged.
pub(super) fn is_small(size: Size) -> bool {
    size.width <= SMALL
}

/// Writes the frame as an image with its marks over it.
pub(super) fn write(
    page: &mut String,
    journal: &Journal,
    id: &FrameId,
    size: Option<Size>,
    marks: &Marks,
) -> Result<Size, JournalError> {
    let Some(png) = journal.frame(id)? else {
        page.push_str("<div class=\"shot missing\">This frame is missing from the journal.</div>\n");
        return Ok(size.unwrap_or(Size {
            width: SMALL,
            height: SMALL,
        }));
    };
    let size = size.or_else(|| dimensions(&png)).unwrap_or(Size {
        width: SMALL,
        height: SMALL,
    });
    let (class, width) = if is_small(size) {
        // A whole multiple of the frame's pixels, so that all of them are shown equally large.
        (" small", size.width * (SMALL / size.width.max(1)).max(1))
    } else {
        ("", size.width)
    };
    let style = if is_small(size) {
        format!("width:{width}px")
    } else {
        format!("max-width:{width}px")
    };
    let _ = write!(
        page,
        "<div class=\"shot{class}\" style=\"{style};max-width:100%\"><img alt=\"what the screen showed\" \
         width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{}\">",
        size.width,
        size.height,
        base64::engine::general_purpose::STANDARD.encode(png)
    );
    draw(page, size, marks);
    page.push_str("</div>\n");
    Ok(size)
}

fn draw(page: &mut String, size: Size, marks: &Marks) {
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\">",
        size.width, size.height
    );
    if let Some(Rect { x, y, width, height }) = marks.bounds {
        let _ = write!(
            page,
            "<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\"/>"
        );
    }
    let radius = f64::from(size.width.max(size.height)) / 45.0;
    if marks.points.len() > 1 {
        let points: Vec<String> = marks
            .points
            .iter()
            .map(|point| format!("{},{}", point.x, point.y))
            .collect();
        let path = points.join(" ");
        let _ = write!(
            page,
            "<polyline class=\"ring\" points=\"{path}\"/><polyline class=\"point\" points=\"{path}\"/>"
        );
    }
    for Point { x, y } in &marks.points {
        // The middle of the pixel.
        let (x, y) = (f64::from(*x) + 0.5, f64::from(*y) + 0.5);
        let _ = write!(
            page,
            "<circle class=\"ring\" cx=\"{x}\" cy=\"{y}\" r=\"{radius:.1}\"/>\
             <circle class=\"point\" cx=\"{x}\" cy=\"{y}\" r=\"{radius:.1}\"/>\
             <circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"{:.1}\"/>",
            radius / 4.0
        );
    }
    page.push_str("</svg>");
}

/// Width and height from a PNG's header.
fn dimensions(png: &[u8]) -> Option<Size> {
    let side = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some(Size {
        width: side(16)?,
        height: side(20)?,
    })
}
