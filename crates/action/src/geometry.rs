//! Frame pixels and the model's grid.

use serde::{Deserialize, Serialize};

/// Side of the model's coordinate grid: it points at 0..=1000 over a frame of any size.
pub const GRID: i32 = 1000;

/// A point in frame pixels, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// Pixels from the left edge.
    pub x: i32,
    /// Pixels from the top edge.
    pub y: i32,
}

/// Width and height in frame pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A box in frame pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Point {
    /// A point at `x`, `y` pixels.
    pub fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }

    /// The nearest point inside a frame of this size (an empty frame clamps to its origin).
    #[must_use]
    pub fn clamped(self, size: Size) -> Self {
        Self {
            x: clamp_to_side(self.x.into(), size.width),
            y: clamp_to_side(self.y.into(), size.height),
        }
    }
}

impl Rect {
    /// Whether the point lies inside; right and bottom edges are outside.
    pub fn contains(&self, point: Point) -> bool {
        let (dx, dy) = (
            i64::from(point.x) - i64::from(self.x),
            i64::from(point.y) - i64::from(self.y),
        );
        dx >= 0 && dy >= 0 && dx < i64::from(self.width) && dy < i64::from(self.height)
    }

    /// The pixel nearest to the middle.
    pub fn center(&self) -> Point {
        let middle = |start: i32, side: u32| {
            (i64::from(start) + i64::from(side) / 2).clamp(i32::MIN.into(), i32::MAX.into()) as i32
        };
        Point {
            x: middle(self.x, self.width),
            y: middle(self.y, self.height),
        }
    }
}

/// Grid coordinates to frame pixels: `value * side / 1000`, clamped into the frame.
pub fn from_grid(x: f64, y: f64, size: Size) -> Point {
    let scale = |value: f64, side: u32| {
        let pixel = (value * f64::from(side) / f64::from(GRID)).floor();
        clamp_to_side(if pixel.is_finite() { pixel as i64 } else { 0 }, side)
    };
    Point {
        x: scale(x, size.width),
        y: scale(y, size.height),
    }
}

/// Frame pixels to grid coordinates such that [`from_grid`] gives the same pixel back in frames of up to
/// 1000 pixels a side (the middle of the pixel is what is named).
pub fn to_grid(point: Point, size: Size) -> (i32, i32) {
    let scale = |pixel: i32, side: u32| {
        if side == 0 {
            return 0;
        }
        let middle = (f64::from(pixel) + 0.5) * f64::from(GRID) / f64::from(side);
        // The first value that still lies inside the pixel: its middle rounds down to less where pixels are
        // hardly wider than a grid step.
        let first = (i64::from(pixel) * i64::from(GRID) + i64::from(side) - 1).div_euclid(i64::from(side));
        (middle.floor() as i32).max(first as i32).clamp(0, GRID)
    };
    (scale(point.x, size.width), scale(point.y, size.height))
}

fn clamp_to_side(value: i64, side: u32) -> i32 {
    value.clamp(0, i64::from(side.saturating_sub(1)).min(i32::MAX.into())) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grid_maps_as_specified() {
        let size = Size {
            width: 1280,
            height: 800,
        };
        assert_eq!(from_grid(512.0, 300.0, size), Point::new(655, 240));
        assert_eq!(from_grid(1000.0, 1000.0, size), Point::new(1279, 799));
        assert_eq!(from_grid(-5.0, f64::NAN, size), Point::new(0, 0));
        assert_eq!(
            from_grid(1e300, 5.0, Size { width: 0, height: 0 }),
            Point::new(0, 0)
        );
    }

    #[test]
    fn the_far_edges_of_a_box_are_outside() {
        let rect = Rect {
            x: -2,
            y: 3,
            width: 4,
            height: 1,
        };
        assert!(rect.contains(Point::new(-2, 3)) && rect.contains(Point::new(1, 3)));
        assert!(!rect.contains(Point::new(2, 3)) && !rect.contains(Point::new(0, 4)));
    }

    proptest! {
        #[test]
        fn a_pixel_survives_the_way_to_the_grid_and_back(side in 1u32..=1000, at in 0u32..1000) {
            let pixel = (at % side) as i32;
            let size = Size { width: side, height: side };
            let (x, y) = to_grid(Point::new(pixel, pixel), size);
            prop_assert_eq!(from_grid(x.into(), y.into(), size), Point::new(pixel, pixel));
        }
    }
}
