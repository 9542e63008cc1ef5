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
}

impl Approver for WatchApprover {
    fn name(&self) -> String {
        "whoever watches".to_owned()
    }

    fn answered_by(&self) -> String {
        self.by.clone()
    }

    /// At the terminal, if there is one: those who watch are asked about each thing when it comes.
    fn ask_up_front(&mut self, question: &UpFront) -> Option<Answer> {
        let terminal = self.terminal.as_mut()?;
        self.by = terminal.name();
        terminal.ask_up_front(question)
    }

    fn ask(&mut self, question: &Question) -> Answer {
        self.hub.open(question);
        let Some(terminal) = &mut self.terminal else {
            loop {
                if let Some((answer, by)) = self.hub.wait_for_answer(question.wait) {
                    self.by = by;
                    return answer;
                }
            }
        };
        let mut elsewhere = None;
        let said = terminal.ask_until(question, TURN, &mut || {
            elsewhere = self.hub.wait_for_answer(Duration::ZERO);
            elsewhere.as_ref().map(|(answer, by)| match answer {
                Answer::Yes | Answer::FromNowOn(_) => format!("{by} said yes"),
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
                self.hub.answered_elsewhere(answer.clone(), &self.by);
                answer
            }
        }
    }
}
