//! From a composed screen to pixels.

use std::fmt::Write;

use aurore_action::Size;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::Fonts;
use crate::read::{Word, words};
use crate::theme::Theme;

/// Shapes in the order in which they are drawn, as SVG.
pub(crate) struct Canvas {
    svg: String,
}

/// Where a text begins.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
}

impl Canvas {
    pub(crate) fn new(size: Size, theme: &Theme) -> Self {
        let Size { width, height } = size;
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-family='{}'>\
             <rect width='{width}' height='{height}' fill='{}'/>",
            escape(&theme.family),
            theme.page
        );
        Self { svg }
    }

    /// A rectangle with rounded corners.
    pub(crate) fn rect(
        &mut self,
        [x, y, width, height]: [f32; 4],
        radius: f32,
        fill: &str,
        stroke: Option<&str>,
    ) {
        let line = stroke.map_or(String::new(), |colour| {
            format!(" stroke='{colour}' stroke-width='1'")
        });
        let _ = write!(
            self.svg,
            "<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='{radius}' fill='{fill}'{line}/>"
        );
    }

    pub(crate) fn circle(&mut self, [x, y]: [f32; 2], radius: f32, fill: &str, stroke: &str) {
        let _ = write!(
            self.svg,
            "<circle cx='{x}' cy='{y}' r='{radius}' fill='{fill}' stroke='{stroke}' stroke-width='1'/>"
        );
    }

    pub(crate) fn line(&mut self, points: &[[f32; 2]], colour: &str, width: f32) {
        let points: Vec<String> = points.iter().map(|[x, y]| format!("{x},{y}")).collect();
        let _ = write!(
            self.svg,
            "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='{width}'/>",
            points.join(" ")
        );
    }

    /// What lies between these corners.
    pub(crate) fn area(&mut self, corners: &[[f32; 2]], fill: &str) {
        let corners: Vec<String> = corners.iter().map(|[x, y]| format!("{x},{y}")).collect();
        let _ = write!(
            self.svg,
            "<polygon points='{}' fill='{fill}'/>",
            corners.join(" ")
        );
    }

    /// A text whose letters stand around the height `middle`.
    pub(crate) fn text(
        &mut self,
        text: &str,
        [x, middle]: [f32; 2],
        anchor: Anchor,
        size: f32,
        colour: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
        };
        let y = middle + size * 0.35;
        let _ = write!(
            self.svg,
            "<text x='{x}' y='{y}' font-size='{size}' text-anchor='{anchor}' fill='{colour}'>{}</text>",
            escape(text)
        );
    }

    pub(crate) fn finish(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
}

/// The picture of an SVG, `[height, width, 3]`, and the words on it.
pub(crate) fn paint(svg: &str, size: Size, fonts: &Fonts) -> Result<(Vec<u8>, Vec<Word>), String> {
    let options = Options {
        fontdb: fonts.database.clone(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
    let mut pixels = Pixmap::new(size.width, size.height).ok_or("it has no pixels")?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    // The page is opaque, so nothing is left of what is behind it.
    let rgb = pixels
        .data()
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    Ok((rgb, words(&tree, size)))
}
