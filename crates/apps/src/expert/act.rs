//! From a deed to the next click, key or turn of the wheel.

use aurore_action::{Action, Button, Chord, Key, Point, Rect, Size, TerminateStatus};
use aurore_screen::browser::{Element, Outline};
use serde_json::{Value as Json, json};

use super::{Deed, Expert, Lost, Move, Press, heading};
use crate::text::say;

impl Expert {
    /// The next action of a deed; `None` if it is done already.
    pub(super) fn act(&mut self, deed: &Deed, page: &Outline, size: Size) -> Result<Option<Move>, Lost> {
        match deed {
            Deed::Fill { id, value, tab } => self.fill(id, value, *tab, page, size),
            Deed::Press(press) => self.press(press, page, size).map(Some),
        }
    }

    fn fill(
        &mut self,
        id: &str,
        value: &str,
        tab: bool,
        page: &Outline,
        size: Size,
    ) -> Result<Option<Move>, Lost> {
        let field = find(page, id)?;
        let old = field.value.clone().unwrap_or_default();
        if old == value {
            return Ok(None);
        }
        let label = &field.label;
        if field.focused && (old.is_empty() || self.marked) {
            self.marked = false;
            let data = json!({"field": label, "value": value, "old": old});
            let key = if old.is_empty() { "fill_type" } else { "fill_over" };
            let text = value.to_owned();
            return self.say(page, key, &data, Action::Type { text }).map(Some);
        }
        // The Tab key marks what it comes to.
        let before = page.elements.iter().take_while(|element| element.id != id);
        let before = before
            .filter(|element| element.role == "textbox" || element.role == "spinbutton")
            .last();
        if tab && let Some(before) = before.filter(|before| before.focused) {
            self.marked = true;
            let data = json!({"field": label, "before": before.label});
            return self.say(page, "fill_tab", &data, key("Tab")).map(Some);
        }
        if !field.clear {
            return self.scroll(page, field, size).map(Some);
        }
        let at = middle(field.bounds, size);
        if old.is_empty() {
            let data = json!({"field": label, "value": value});
            return self.say(page, "fill_click", &data, click(at, 1)).map(Some);
        }
        self.marked = true;
        let data = json!({"field": label, "value": value, "old": old});
        self.say(page, "fill_mark", &data, click(at, 3)).map(Some)
    }

    fn press(&mut self, press: &Press, page: &Outline, size: Size) -> Result<Move, Lost> {
        let target = find(page, &press.id)?;
        if let Some(rows) = press.rows.filter(|_| !self.surveyed) {
            let rows: Vec<&Element> = page
                .elements
                .iter()
                .filter(|element| element.id.starts_with(rows))
                .collect();
            let seen = rows
                .iter()
                .filter(|row| bottom(row.bounds) <= i64::from(size.height))
                .count();
            if seen < rows.len() && page.below > 0 {
                // Each look at a long list brings it further: that is no vain try.
                self.tries = 0;
                let data = json!({"seen": seen});
                let dy = i64::from(size.height) * 3 / 4;
                return self.say(
                    page,
                    "survey",
                    &data,
                    wheel(size, dy.min(i64::from(page.below)) as i32),
                );
            }
            self.surveyed = true;
        }
        if let Some(field) = &press.enter
            && page.find(field).is_some_and(|field| field.focused)
        {
            self.pending = true;
            let data = json!({"button": target.label});
            return self.say(page, "press_enter", &data, key("Enter"));
        }
        if !target.clear {
            return self.scroll(page, target, size);
        }
        self.pending = true;
        Ok(Move {
            thinking: format!("{}{}", self.seeing(page)?, press.why),
            intent: press.intent.clone(),
            expect: press.expect.clone(),
            action: click(middle(target.bounds, size), 1),
        })
    }

    /// Brings an element into view.
    fn scroll(&mut self, page: &Outline, target: &Element, size: Size) -> Result<Move, Lost> {
        let middle = i64::from(target.bounds.y) + i64::from(target.bounds.height) / 2;
        let way = middle - i64::from(size.height) / 2;
        let most = i64::from(size.height);
        let way = way
            .clamp(-most, most)
            .clamp(-i64::from(page.above), i64::from(page.below));
        if way == 0 {
            return Err(Lost::Missing {
                id: target.id.clone(),
                page: heading(page),
            });
        }
        let sentence = if way > 0 { "scroll_down" } else { "scroll_up" };
        self.say(
            page,
            sentence,
            &json!({"label": target.label}),
            wheel(size, way as i32),
        )
    }

    /// The plan is done.
    pub(super) fn finish(&mut self, page: &Outline) -> Result<Move, Lost> {
        let status = TerminateStatus::Success;
        self.say(page, "finish", &Json::Null, Action::Terminate { status })
    }

    fn say(&self, page: &Outline, sentence: &str, data: &Json, action: Action) -> Result<Move, Lost> {
        let part = |part: &str| say(&format!("{sentence}_{part}"), self.language, data);
        Ok(Move {
            thinking: format!("{}{}", self.seeing(page)?, part("why")?),
            intent: part("intent")?,
            expect: part("expect")?,
            action,
        })
    }

    /// What it sees, as the beginning of its thinking.
    fn seeing(&self, page: &Outline) -> Result<String, Lost> {
        let heading = page.find("heading").filter(|heading| heading.clear);
        Ok(match heading {
            Some(heading) => say("seeing", self.language, &json!({"heading": heading.text}))?,
            None => String::new(),
        })
    }
}

fn find<'a>(page: &'a Outline, id: &str) -> Result<&'a Element, Lost> {
    page.find(id).ok_or_else(|| Lost::Missing {
        id: id.to_owned(),
        page: heading(page),
    })
}

fn bottom(bounds: Rect) -> i64 {
    i64::from(bounds.y) + i64::from(bounds.height)
}

fn middle(bounds: Rect, size: Size) -> Point {
    bounds.center().clamped(size)
}

fn click(at: Point, count: u8) -> Action {
    Action::Click {
        button: Button::Left,
        count,
        at,
        modifiers: Vec::new(),
    }
}

fn wheel(size: Size, dy: i32) -> Action {
    Action::Scroll {
        at: Some(Point::new((size.width / 2) as i32, (size.height / 2) as i32)),
        dx: 0,
        dy,
        modifiers: Vec::new(),
    }
}

fn key(name: &str) -> Action {
    Action::Key {
        chord: Chord {
            modifiers: Vec::new(),
            key: Key::parse(name).ok(),
        },
    }
}
