//! Acts as steps of an episode.

use anyhow::Context;
use aurore_action::{Action, TerminateStatus};
use aurore_agent::{Event, Journal, Record, RunId};
use aurore_chat::computer_use;
use aurore_drawn::questions;
use serde_json::{Map, Value, json};

use super::Glimpses;
use super::acts::{Act, acts};
use super::purposes::{Purposes, Shown};
use super::words::{Words, words};
use crate::workflows::{Episode, page};

/// What a run shows, step by step; their frames are written. The last step is `terminate` where the person said that it
/// is done, and what they did where the page said it. `purposes` says what a step is for where the person did not.
///
/// # Errors
/// When the journal cannot be read, or a frame not be written.
pub fn steps(
    episode: &Episode<'_>,
    seed: u64,
    journal: &Journal,
    run: &RunId,
    glimpses: &Glimpses,
    purposes: Option<&dyn Purposes>,
) -> anyhow::Result<Vec<Map<String, Value>>> {
    let records = journal.records(run)?;
    let end = records.iter().find_map(end);
    let acts = acts(records);
    // Addresses may repeat what was left out of a text.
    let is_masked = acts.iter().any(Act::is_masked);
    let mut steps = Vec::new();
    let (mut done, mut did) = (Vec::new(), Vec::new());
    for mut act in acts.into_iter().chain(end) {
        let number = steps.len() + 1;
        let png = journal
            .frame(&act.frame)?
            .with_context(|| format!("the journal misses the frame of step {number}"))?;
        let frame = episode.write_frame(&format!("{number:03}"), &png)?;
        let glimpse = glimpses.get(&act.frame);
        let asked = questions(
            seed.wrapping_add((number as u64) << 32),
            &glimpse.widgets,
            act.size,
        );
        let shown = Shown {
            goal: episode.goal(),
            did: &did,
            deed: &said(&act).intent,
            frame: &png,
        };
        let by = give_purpose(&mut act, &shown, purposes);
        let Words {
            thinking,
            intent,
            expect,
        } = said(&act);
        let address = act.url.as_deref().map(|url| {
            let page = page(url);
            match page.split_once('?') {
                Some((path, _)) if is_masked => path.to_owned(),
                _ => page,
            }
        });
        let target = act.target.as_ref().map(|target| {
            let bounds = target
                .bounds
                .map(|rect| json!([rect.x, rect.y, rect.width, rect.height]));
            json!({"role": target.role, "label": target.label, "box": bounds})
        });
        let call = computer_use::render(&act.action, act.size).arguments;
        let mut step = json!({
            "step": number,
            "done": done,
            "did": did,
            "frame": frame,
            "size": [act.size.width, act.size.height],
            "title": glimpse.title,
            "page": address,
            "thinking": thinking,
            "intent": intent,
            "expect": expect,
            "action": call,
            "point": act.action.point().map(|point| json!([point.x, point.y])),
            "target": target,
            "asked": act.asked,
            "result": act.result,
            "carried_out": true,
            "questions": asked,
        });
        if let Some(by) = by {
            step["purpose_by"] = json!(by);
        }
        if act.is_masked() {
            step["masked"] = json!(true);
        }
        done.push(step["action"]["action"].as_str().unwrap_or_default().to_owned());
        did.push(intent);
        steps.extend(step.as_object().cloned());
    }
    Ok(steps)
}

/// Who says what a step is for; the model does where the person did not, and nobody need.
fn give_purpose(act: &mut Act, shown: &Shown<'_>, purposes: Option<&dyn Purposes>) -> Option<&'static str> {
    if let Action::Terminate { .. } = act.action {
        return None;
    }
    if !act.purpose.is_empty() {
        return Some("person");
    }
    act.purpose = purposes?.purpose(shown)?;
    Some("model")
}

/// The decision that ends a run with success.
fn end(record: &Record) -> Option<Act> {
    let Event::Decision(decision) = &record.event else {
        return None;
    };
    let action = decision.action.clone()?;
    let status = TerminateStatus::Success;
    (action == Action::Terminate { status }).then(|| Act {
        frame: decision.frame.clone(),
        size: decision.size,
        url: decision.url.clone(),
        action,
        purpose: decision.intent.clone(),
        target: None,
        asked: false,
        result: "Ended.".to_owned(),
    })
}

fn said(act: &Act) -> Words {
    if let Action::Terminate { .. } = act.action {
        return Words {
            thinking: "All that the goal asks for is done.".to_owned(),
            intent: act.purpose.clone(),
            expect: "The run ends.".to_owned(),
        };
    }
    words(&act.action, act.target.as_ref(), act.size, &act.purpose)
}

#[cfg(test)]
mod tests {
    use aurore_action::{FrameId, Size};

    use super::*;

    struct Echo;

    impl Purposes for Echo {
        fn purpose(&self, shown: &Shown<'_>) -> Option<String> {
            (!shown.deed.is_empty()).then(|| format!("{} for {}", shown.deed, shown.goal))
        }
    }

    #[test]
    fn a_model_speaks_where_the_person_did_not() {
        let act = |action, purpose: &str| Act {
            frame: FrameId("0".into()),
            size: Size { width: 9, height: 9 },
            url: None,
            action,
            purpose: purpose.to_owned(),
            target: None,
            asked: false,
            result: String::new(),
        };
        let given = |mut act: Act, deed: &str, purposes: Option<&dyn Purposes>| {
            let shown = Shown {
                goal: "tea",
                did: &[],
                deed,
                frame: &[],
            };
            let by = give_purpose(&mut act, &shown, purposes);
            (act.purpose, by)
        };
        let status = TerminateStatus::Success;
        let said = |words: &str, by| (words.to_owned(), by);
        assert_eq!(
            given(act(Action::Back, ""), "boil", Some(&Echo)),
            said("boil for tea", Some("model"))
        );
        assert_eq!(given(act(Action::Back, ""), "", Some(&Echo)), said("", None));
        assert_eq!(given(act(Action::Back, ""), "boil", None), said("", None));
        assert_eq!(
            given(act(Action::Back, "wait"), "boil", Some(&Echo)),
            said("wait", Some("person"))
        );
        assert_eq!(
            given(act(Action::Terminate { status }, "end"), "end", Some(&Echo)),
            said("end", None)
        );
    }
}
