//! The pixels around a target, as a hash.

use aurore_action::{Frame, Point, Rect, Target};
use aurore_policy::Crop;

use crate::journal::sha256;

/// Half the side of the region around a point without a box, in frame pixels.
const REACH: i64 = 24;
/// Larger boxes are cut to this side: a whole page's pixels change for any reason.
const LARGEST: i64 = 400;

/// Hash of the frame around the target's box, or around the point. `None` where there is neither or the frame
/// cannot be decoded.
pub(crate) fn around(frame: &Frame, point: Option<Point>, target: Option<&Target>) -> Option<Crop> {
    let bounds = target.and_then(|target| target.bounds);
    let center = point.or_else(|| bounds.map(|bounds| bounds.center()))?;
    let (left, top, right, bottom) = match bounds {
        Some(bounds) if i64::from(bounds.width) <= LARGEST && i64::from(bounds.height) <= LARGEST => (
            i64::from(bounds.x),
            i64::from(bounds.y),
            i64::from(bounds.x) + i64::from(bounds.width),
            i64::from(bounds.y) + i64::from(bounds.height),
        ),
        _ => (
            i64::from(center.x) - REACH,
            i64::from(center.y) - REACH,
            i64::from(center.x) + REACH,
            i64::from(center.y) + REACH,
        ),
    };
    let picture = image::load_from_memory_with_format(&frame.png, image::ImageFormat::Png).ok()?;
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let (left, right) = (left.clamp(0, width), right.clamp(0, width));
    let (top, bottom) = (top.clamp(0, height), bottom.clamp(0, height));
    if left >= right || top >= bottom {
        return None;
    }
    let rect = Rect {
        x: left as i32,
        y: top as i32,
        width: (right - left) as u32,
        height: (bottom - top) as u32,
    };
    let pixels = picture
        .crop_imm(left as u32, top as u32, rect.width, rect.height)
        .into_rgba8();
    Some(Crop {
        rect,
        sha256: sha256(&pixels),
    })
}
