//! What others did while the run was held: orders, and what was done by hand.

use std::fmt::Write;

use super::{RunView, capital, text::escape};
use crate::{Event, clock, describe_action};

/// Whether an event stands beside the steps.
pub(super) fn is_one(event: &Event) -> bool {
    matches!(
        event,
        Event::Order(_) | Event::Hand(_) | Event::HandResult(_) | Event::Window(_)
    )
}

/// Writes what happened before the step with this index.
pub(super) fn write(page: &mut String, view: &RunView, index: usize) {
    let lines: Vec<String> = view
        .asides
        .iter()
        .filter(|(before, _)| *before == index)
        .filter_map(|(_, record)| {
            let what = match &record.event {
                Event::Order(order) => format!("{} by {}", capital(&order.order.to_string()), order.by),
                Event::Hand(hand) => format!(
                    "By hand: {}{}",
                    describe_action(&hand.action, hand.target.as_ref()),
                    if hand.perform { "" } else { ", which was refused" }
                ),
                Event::Window(_) => "The person used the browser’s own window".to_owned(),
                Event::HandResult(result) if !result.result.is_empty() => result.result.clone(),
                _ => return None,
            };
            Some(format!(
                "<li><time>{}</time>{}</li>",
                clock::utc(record.at_ms).get(11..).unwrap_or_default(),
                escape(&what)
            ))
        })
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(page, "<ul class=\"aside\">{}</ul>", lines.concat());
    }
}
