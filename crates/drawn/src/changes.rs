//! What has changed on a screen since the frame before.

use std::collections::HashMap;

use aurore_action::Size;

use crate::lessons::middle;
use crate::questions::{Question, TEXTS, grid, is_short, text};
use crate::widget::Widget;

/// Asks what is different from `before`, a picture of which goes with the question: texts that are new, with their
/// places on the grid of 0 to 1000, texts that are gone, and boxes that were ticked or are no longer. `None` where that
/// is more than a few words can tell.
pub fn changes(before: &[Widget], now: &[Widget], size: Size) -> Option<Question> {
    let mut lines = Vec::new();
    let (was, is) = (texts(before), texts(now));
    for widget in now.iter().filter(|widget| is_short(text(widget))) {
        let text = text(widget);
        // What stands there more often than before cannot be told apart from what stood there.
        if is[text] == 1 && !was.contains_key(text) {
            lines.push(format!("New: {text} {}", grid(middle(widget.bounds), size)));
        } else if was.get(text).is_some_and(|count| *count < is[text]) || !was.contains_key(text) {
            return None;
        }
    }
    let mut gone: Vec<&str> = Vec::new();
    for text in before.iter().map(text).filter(|text| is_short(text)) {
        match is.get(text) {
            None if !gone.contains(&text) => gone.push(text),
            Some(count) if *count < was[text] => return None,
            _ => {}
        }
    }
    lines.extend(gone.iter().map(|text| format!("Gone: {text}")));
    let ticks = |widgets: &'_ [Widget]| -> HashMap<String, bool> {
        let named = widgets.iter().filter(|widget| is_short(&widget.label));
        named
            .filter_map(|widget| Some((widget.label.clone(), widget.checked?)))
            .collect()
    };
    let ticked = ticks(before);
    for widget in now {
        match (ticked.get(&widget.label), widget.checked) {
            (Some(false), Some(true)) => lines.push(format!("Ticked: {}", widget.label)),
            (Some(true), Some(false)) => lines.push(format!("No longer ticked: {}", widget.label)),
            _ => {}
        }
    }
    if lines.len() > TEXTS {
        return None;
    }
    Some(Question {
        ask: "This was before. Which texts and ticks have changed?".to_owned(),
        answer: if lines.is_empty() {
            "Nothing.".to_owned()
        } else {
            lines.join("\n")
        },
        before: None,
    })
}

/// How often each text stands there.
fn texts(widgets: &[Widget]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for text in widgets.iter().map(text).filter(|text| is_short(text)) {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use aurore_action::Rect;

    use super::*;
    use crate::Role;

    const SIZE: Size = Size {
        width: 100,
        height: 100,
    };

    fn widget(role: Role, label: &str, top: i32) -> Widget {
        Widget {
            role,
            label: label.to_owned(),
            bounds: Rect {
                x: 10,
                y: top,
                width: 20,
                height: 10,
            },
            checked: None,
            value: None,
        }
    }

    fn answer(before: &[Widget], now: &[Widget]) -> Option<String> {
        changes(before, now, SIZE).map(|question| question.answer)
    }

    #[test]
    fn what_came_what_went_and_what_was_ticked_is_told() {
        let (ok, name) = (widget(Role::Button, "OK", 0), widget(Role::Textbox, "", 20));
        let mut typed = name.clone();
        typed.value = Some("Ann".to_owned());
        let mut off = widget(Role::Checkbox, "Remember", 40);
        off.checked = Some(false);
        let mut on = off.clone();
        on.checked = Some(true);
        let before = [ok.clone(), name, off];
        assert_eq!(answer(&before, &before).unwrap(), "Nothing.");
        let now = [typed, on.clone(), widget(Role::Button, "Cancel", 70)];
        assert_eq!(
            answer(&before, &now).unwrap(),
            "New: Ann [205, 255]\nNew: Cancel [205, 755]\nGone: OK\nTicked: Remember"
        );
        let back = answer(&now, &before).unwrap();
        assert!(back.ends_with("No longer ticked: Remember"), "{back}");
    }

    #[test]
    fn what_few_words_cannot_tell_is_not_asked() {
        let ok = widget(Role::Button, "OK", 0);
        let twice = [ok.clone(), widget(Role::Button, "OK", 20)];
        assert_eq!(answer(std::slice::from_ref(&ok), &twice), None);
        assert_eq!(answer(&twice, std::slice::from_ref(&ok)), None);
        assert_eq!(answer(&[], &twice), None);
        let many: Vec<Widget> = (0..=TEXTS as i32)
            .map(|number| widget(Role::Button, &format!("B{number}"), number))
            .collect();
        assert_eq!(answer(&[ok], &many), None);
    }
}
