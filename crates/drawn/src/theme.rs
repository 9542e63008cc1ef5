//! Colours, fonts and measures of one screen.

use aurore_action::Size;

use crate::Fonts;
use crate::dice::Dice;

/// How a screen looks. Lengths in pixels.
pub(crate) struct Theme {
    pub(crate) family: String,
    pub(crate) font: f32,
    pub(crate) page: &'static str,
    pub(crate) panel: &'static str,
    pub(crate) ink: &'static str,
    pub(crate) faint: &'static str,
    pub(crate) accent: &'static str,
    pub(crate) on_accent: &'static str,
    pub(crate) radius: f32,
    pub(crate) gap: f32,
}

/// Page, panel, ink, faint lines.
const GROUNDS: [[&str; 4]; 6] = [
    ["#ffffff", "#f2f2f2", "#1a1a1a", "#9a9a9a"],
    ["#f6f4ee", "#fffdf6", "#2b2620", "#a89f8e"],
    ["#20242b", "#2b313a", "#e8eaed", "#66707d"],
    ["#eaf1f8", "#ffffff", "#13293d", "#93a7ba"],
    ["#111111", "#1e1e1e", "#dddddd", "#5a5a5a"],
    ["#fdf3f5", "#ffffff", "#3a1620", "#c79aa6"],
];
/// A strong colour and what is read on it.
const ACCENTS: [[&str; 2]; 7] = [
    ["#2563eb", "#ffffff"],
    ["#0f766e", "#ffffff"],
    ["#b91c1c", "#ffffff"],
    ["#7c3aed", "#ffffff"],
    ["#eab308", "#1a1a1a"],
    ["#15803d", "#ffffff"],
    ["#475569", "#ffffff"],
];

impl Theme {
    pub(crate) fn choose(dice: &mut Dice, fonts: &Fonts, size: Size) -> Self {
        let [page, panel, ink, faint] = *dice.pick(&GROUNDS);
        let [accent, on_accent] = *dice.pick(&ACCENTS);
        // Small screens have small letters, as small pages do.
        let most = (size.width / 14).clamp(12, 22) as i32;
        Self {
            family: family(dice, fonts).clone(),
            font: dice.between(10, most) as f32,
            page,
            panel,
            ink,
            faint,
            accent,
            on_accent,
            radius: dice.between(0, 6) as f32,
            gap: dice.between(3, 9) as f32,
        }
    }

    /// Nearly how wide a text of this size is: in running text, words stand no further apart than that.
    pub(crate) fn set(&self, text: &str, size: f32) -> f32 {
        let is_fixed = ["Mono", "Hack"].iter().any(|part| self.family.contains(part));
        let wider = if self.family.starts_with("DejaVu") {
            1.12
        } else {
            1.0
        };
        let letter = |letter: char| match letter {
            _ if is_fixed => 0.6,
            'i' | 'j' | 'l' | '.' | ',' | '\'' => 0.26,
            'f' | 't' | 'r' | 'I' | ' ' | '-' => 0.32,
            'm' | 'M' | 'W' => 0.86,
            'w' | 'C' | 'D' | 'G' | 'H' | 'N' | 'O' | 'Q' | 'R' | 'U' => 0.74,
            _ if letter.is_uppercase() => 0.66,
            _ => 0.56,
        };
        text.chars().map(letter).sum::<f32>() * size * wider
    }

    /// About how wide a text is. Fonts differ; what is drawn has room beside it.
    pub(crate) fn width(&self, text: &str) -> f32 {
        text.chars().count() as f32 * self.font * 0.62
    }
}

/// Most pages have the family that stands in for Arial; one in two screens has it, where the machine does.
fn family<'a>(dice: &mut Dice, fonts: &'a Fonts) -> &'a String {
    let plain = fonts
        .families()
        .iter()
        .find(|name| ["Arial", "Liberation Sans"].contains(&name.as_str()));
    match plain {
        Some(name) if dice.one_in(2) => name,
        _ => dice.pick(fonts.families()),
    }
}
