//! One question before the first step: what the goal calls for.

use aurore_policy::{Context, called_for};
use aurore_screen::Screen;

use super::{EndKind, Run, state::stopped_message};
use crate::{AgentError, Answer, Approval, Event, UpFront, UpFrontItem, UpFrontRecord, clock};

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Asks, if there is something to ask and somebody to answer. A no is no denial: each thing is then asked about
    /// when it comes.
    pub(super) fn ask_up_front(&mut self) -> Result<Option<(EndKind, String)>, AgentError> {
        if std::mem::replace(&mut self.asked_up_front, true) || !self.options.approver.attended() {
            return Ok(None);
        }
        if self.questions >= self.options.budgets.questions {
            return Ok(None);
        }
        let principal = self.options.brain.principal();
        let context = Context {
            goal: self.options.goal.clone(),
            known_origins: self.named.clone(),
            ..Context::default()
        };
        let items = called_for(&principal, &context, &self.beside.secrets);
        let words: Vec<String> = items.iter().map(|item| item.words.clone()).collect();
        // Asked before the run was interrupted: the answer, yes or no, still stands.
        if items.is_empty() || self.asked_before.as_ref() == Some(&words) {
            return Ok(None);
        }
        let question = UpFront {
            run: self.id.0.clone(),
            goal: self.options.goal.clone(),
            url: self.frame.url.clone(),
            principal: principal.0.clone(),
            items: items
                .iter()
                .map(|item| UpFrontItem {
                    words: item.words.clone(),
                    what: item.what.clone(),
                    with: item.with.clone(),
                    places: item.places.clone(),
                    rule: item.text.clone(),
                })
                .collect(),
            frame: self.frame_id(),
            png: self.frame.png.clone(),
            wait: self.answer_time(),
        };
        self.options.screen.questioned(true);
        let answer = self.options.approver.ask_up_front(&question);
        self.options.screen.questioned(false);
        let Some(answer) = answer else {
            return Ok(None);
        };
        self.questions += 1;
        let chosen = question.allowed_by(&answer);
        let mut granted = Vec::new();
        for item in chosen.iter().filter_map(|index| items.get(*index)) {
            self.options.rules.push(item.rule.clone());
            granted.push(item.text.clone());
        }
        let note = question.note(&answer);
        self.append(
            &Event::UpFront(UpFrontRecord {
                items: words,
                granted,
                approval: Approval {
                    allowed: !chosen.is_empty(),
                    by: self.options.approver.answered_by(),
                    note,
                    at_ms: clock::now_ms(),
                },
            }),
            &[],
        )?;
        Ok((answer == Answer::Stop).then(|| (EndKind::Stopped, stopped_message())))
    }
}
