//! Running text, set close together as on any page: with links in it, or line by line.

use super::Page;
use crate::dice::Dice;
use crate::paint::Anchor;
use crate::widget::Role;
use crate::words::Words;

impl Page<'_> {
    /// Text that fills the width. One in three passages is read line by line, the others have links in them.
    pub(super) fn passage(&mut self, dice: &mut Dice, height: f32) {
        let size = self.theme.font * 0.95;
        let line = size * 1.25;
        let lines = (height / line) as usize;
        let has_links = !dice.one_in(3);
        for number in 0..lines {
            let top = self.y + line * number as f32;
            let (mut x, mut read) = (self.left, String::new());
            loop {
                let word = self.running(dice);
                let width = self.theme.set(&word, size);
                if x + width > self.right {
                    break;
                }
                let is_link = has_links && dice.one_in(5) && !self.says(&word);
                let colour = if is_link {
                    self.theme.accent
                } else {
                    self.theme.ink
                };
                let middle = top + line / 2.0;
                self.canvas.text(&word, [x, middle], Anchor::Start, size, colour);
                if is_link {
                    let under = middle + size * 0.5;
                    self.canvas.line(&[[x, under], [x + width, under]], colour, 1.0);
                    self.push(Role::Link, &word, [x, top, width, line], None);
                }
                if !read.is_empty() {
                    read.push(' ');
                }
                read.push_str(&word);
                x += width + size * 0.3;
            }
            if !has_links && !self.says(&read) && !read.is_empty() {
                let width = (x - self.left).min(self.right - self.left);
                self.push(Role::Text, &read, [self.left, top, width, line], None);
            }
        }
    }

    /// A word of running text.
    fn running(&self, dice: &mut Dice) -> String {
        let word = if dice.one_in(4) {
            dice.pick(&self.words.things).clone()
        } else {
            Words::invented(dice)
        };
        let word = word.split(' ').next().unwrap_or_default();
        // Most words of a text are small.
        let mut word = if dice.one_in(4) {
            word.to_owned()
        } else {
            word.to_lowercase()
        };
        if dice.one_in(6) {
            word.push(*dice.pick(&['.', ',', '.']));
        }
        word
    }

    /// Whether something on the page has this text already.
    pub(super) fn says(&self, text: &str) -> bool {
        self.widgets.iter().any(|widget| widget.label == text)
    }
}
