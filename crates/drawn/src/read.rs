//! The words of a composed screen, and where their letters stand.

use aurore_action::Size;
use resvg::usvg::{Group, Node, Text, Tree};
use serde::{Deserialize, Serialize};

/// A word on a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// As it would be written in its line: with the space before it, except at the line's beginning.
    pub text: String,
    /// Left, top, width and height of its letters, pixels.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
}

/// The words of a tree that stand on a picture of this size, in the order in which they are drawn.
pub(crate) fn words(tree: &Tree, size: Size) -> Vec<Word> {
    let mut words = Vec::new();
    of_group(tree.root(), &mut words);
    let sides = [f64::from(size.width), f64::from(size.height)];
    words.retain(|word| {
        let [x, y, width, height] = word.bounds;
        width > 0.0 && x >= 0.0 && y >= 0.0 && x + width <= sides[0] && y + height <= sides[1]
    });
    words
}

fn of_group(group: &Group, words: &mut Vec<Word>) {
    for node in group.children() {
        match node {
            Node::Group(group) => of_group(group, words),
            Node::Text(text) => of_text(text, words),
            _ => {}
        }
    }
}

fn of_text(text: &Text, words: &mut Vec<Word>) {
    let whole = text.abs_bounding_box();
    let glyphs = text.layouted().iter().flat_map(|span| &span.positioned_glyphs);
    // A glyph begins where the one before it ends.
    let glyphs: Vec<(&str, f32)> = glyphs
        .map(|glyph| (glyph.text.as_str(), glyph.transform().tx))
        .collect();
    let mut word: Option<(String, f32)> = None;
    let mut end = |word: &mut Option<(String, f32)>, right: f32| {
        let Some((text, left)) = word.take() else { return };
        words.push(Word {
            text,
            bounds: [left, whole.top(), right - left, whole.height()]
                .map(|side| f64::from((side * 10.0).round()) / 10.0),
        });
    };
    let mut is_first = true;
    for (letters, left) in glyphs {
        if letters.trim().is_empty() {
            end(&mut word, left);
            continue;
        }
        let space = if is_first { "" } else { " " };
        word.get_or_insert_with(|| (space.to_owned(), left))
            .0
            .push_str(letters);
        is_first = false;
    }
    end(&mut word, whole.right());
}
