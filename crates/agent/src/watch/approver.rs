//! Questions to whoever watches, and at the terminal at the same time.

use std::time::Duration;

use super::Hub;
use crate::{Answer, Approver, Question, TerminalApprover, UpFront};

/// How long a question may wait in one place before the other is looked at.
const TURN: Duration = Duration::from_millis(100);

/// Puts questions to those who watch a hub. Where there is a terminal too, both are asked, and the first answer counts.
pub struct WatchApprover {
    hub: Hub,
    terminal: Option<TerminalApprover>,
    by: String,
}

impl WatchApprover {
    /// Asks those who watch, and the person at the terminal if there is one.
    pub fn new(hub: Hub, terminal: Option<TerminalApprover>) -> Self {
        Self {
            hub,
            terminal,
            by: String::new(),
        }
    }

    /// Waits for the answer to what the hub has open; `at_the_terminal` puts it there too, until it is answered
    /// elsewhere. At most `wait`.
    fn wait(
        &mut self,
        wait: Duration,
        at_the_terminal: impl FnOnce(&mut TerminalApprover, &mut dyn FnMut() -> Option<String>) -> Option<Answer>,
    ) -> Answer {
        let Some(terminal) = &mut self.terminal else {
            loop {
                if let Some((answer, by)) = self.hub.wait_for_answer(wait) {
                    self.by = by;
                    return answer;
                }
            }
        };
        let mut elsewhere = None;
        let said = at_the_terminal(terminal, &mut || {
            elsewhere = self.hub.wait_for_answer(Duration::ZERO);
            elsewhere.as_ref().map(|(answer, by)| match answer {
                Answer::Yes | Answer::FromNowOn(_) | Answer::Only(_) => format!("{by} said yes"),
                Answer::No(_) | Answer::Stop => format!("{by} said no"),
            })
        });
        match (elsewhere, said) {
            (Some((answer, by)), _) => {
                self.by = by;
                answer
            }
            (None, said) => {
                self.by = terminal.name();
                let answer = said.unwrap_or_else(|| Answer::No("nobody answered in time".to_owned()));
                self.hub.answered_elsewhere(&answer, &self.by);
                answer
            }
        }
    }
}

impl Approver for WatchApprover {
    fn name(&self) -> String {
        "whoever watches".to_owned()
    }

    fn answered_by(&self) -> String {
        self.by.clone()
    }

    fn ask_up_front(&mut self, question: &UpFront) -> Option<Answer> {
        self.hub.open_up_front(question);
        Some(self.wait(question.wait, |terminal, elsewhere| {
            terminal.ask_up_front_until(question, TURN, elsewhere)
        }))
    }

    fn ask(&mut self, question: &Question) -> Answer {
        self.hub.open(question);
        self.wait(question.wait, |terminal, elsewhere| {
            terminal.ask_until(question, TURN, elsewhere)
        })
    }
}
