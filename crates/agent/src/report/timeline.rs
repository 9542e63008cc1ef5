//! The time line of a run: each step takes the room of its time, and leads to where it is told.

use std::fmt::Write;

use super::{RunView, text::duration};
use crate::{Event, Order, StepOutcome};

/// Where the time of a step went, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Share {
    thought: i64,
    waited: i64,
    held: i64,
    acted: i64,
}

impl Share {
    fn sum(self) -> i64 {
        self.thought + self.waited + self.held + self.acted
    }
}

/// Writes the time line of a run with this index on the page; nothing for a run without steps.
pub(super) fn write(page: &mut String, index: usize, view: &RunView) {
    if view.steps.is_empty() {
        return;
    }
    let _ = writeln!(page, "<nav class=\"line\" aria-label=\"Time line\">");
    for (place, (decision, result)) in view.steps.iter().enumerate() {
        let share = share(view, place);
        let kind = match result.as_ref().map(|result| result.outcome) {
            Some(StepOutcome::Refused | StepOutcome::Failed | StepOutcome::Unusable) | None => "bad",
            Some(StepOutcome::NoEffect) => "warn",
            Some(StepOutcome::Done | StepOutcome::Ended) => "good",
        };
        let _ = write!(
            page,
            "<a class=\"{kind}\" href=\"#{}\" style=\"flex-grow:{:.0}\" title=\"Step {}: {}\"><span>{}</span>",
            anchor(index, place),
            // The root, so that short steps can be seen beside long ones.
            (share.sum().max(100) as f64).sqrt(),
            decision.step,
            duration(share.sum() as f64 / 1000.0),
            decision.step
        );
        for (name, time) in [
            ("thought", share.thought),
            ("waited", share.waited),
            ("held", share.held),
            ("acted", share.acted),
        ] {
            if time > 0 {
                let _ = write!(page, "<i class=\"{name}\" style=\"flex-grow:{time}\"></i>");
            }
        }
        page.push_str("</a>");
    }
    page.push_str(
        "</nav>\n<p class=\"legend\"><i class=\"thought\"></i>thinking <i class=\"waited\"></i>waiting for an answer \
         <i class=\"held\"></i>held or in a person's hands <i class=\"acted\"></i>doing</p>\n",
    );
}

/// The name of a step's place on the page.
pub(super) fn anchor(run: usize, place: usize) -> String {
    format!("run-{run}-step-{}", place + 1)
}

/// A decision is written down when it has been answered, and a result when it has been seen: what lies between is known.
fn share(view: &RunView, place: usize) -> Share {
    let (Some((decision, result)), Some(&(decided, over))) = (view.steps.get(place), view.times.get(place))
    else {
        return Share::default();
    };
    let thought = milliseconds(decision.seconds);
    let (began, over) = match (result, over) {
        (Some(result), Some(over)) => (over - milliseconds(result.seconds), over),
        _ => (decided - thought, decided),
    };
    let held: i64 = holds(view)
        .iter()
        .map(|(from, to)| (over.min(*to) - began.max(*from)).max(0))
        .sum();
    let asked = if decision.approval.is_some() {
        (decided - began - thought - held).max(0)
    } else {
        0
    };
    Share {
        thought,
        waited: asked,
        held,
        acted: (over - began - thought - asked - held).max(0),
    }
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// Stretches of time in which the run was held.
fn holds(view: &RunView) -> Vec<(i64, i64)> {
    let mut holds = Vec::new();
    let mut since = None;
    for (_, record) in &view.asides {
        let Event::Order(order) = &record.event else {
            continue;
        };
        match order.order {
            Order::Pause | Order::Take => since = since.or(Some(record.at_ms)),
            Order::Resume | Order::GiveBack | Order::Drop | Order::Kill => {
                holds.extend(since.take().map(|from| (from, record.at_ms)));
            }
        }
    }
    holds.extend(since.map(|from| (from, i64::MAX)));
    holds
}
