//! Questions in a terminal.

use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::{Answer, Approver, Question, UpFront, reveal};

/// An answer within this time was on its way before the question could be read.
const TOO_QUICK: Duration = Duration::from_millis(400);

/// Asks the person at the terminal. Whatever was typed before the question was shown does not count, and only a
/// whole word does: a stray key cannot answer.
pub struct TerminalApprover {
    lines: Receiver<String>,
    output: Box<dyn Write + Send>,
    too_quick: Duration,
    gone: bool,
}

impl TerminalApprover {
    /// Reads standard input, writes to standard error.
    pub fn stdio() -> Self {
        Self::new(Box::new(std::io::stdin()), Box::new(std::io::stderr()), TOO_QUICK)
    }

    /// Reads and writes elsewhere; lines that arrive sooner than `too_quick` after the question do not count.
    pub fn new(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>, too_quick: Duration) -> Self {
        let (sender, lines) = mpsc::channel();
        // Reads all the time, so that what was typed before a question is known to be older than it.
        let reader = thread::Builder::new()
            .name("terminal answers".to_owned())
            .spawn(move || {
                for line in BufReader::new(input).lines() {
                    let Ok(line) = line else { break };
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        Self {
            lines,
            output,
            too_quick,
            gone: reader.is_err(),
        }
    }

    /// Puts a question until somebody answers it here, or `elsewhere`, which is asked every `turn` and says what was
    /// answered there in words. `None` without an answer here.
    pub(crate) fn ask_until(
        &mut self,
        question: &Question,
        turn: Duration,
        elsewhere: &mut dyn FnMut() -> Option<String>,
    ) -> Option<Answer> {
        if self.show(question).is_err() {
            return Some(Answer::No("the question could not be shown".to_owned()));
        }
        let scopes = question.scopes.len();
        self.answer_until(question.wait, turn, elsewhere, &|line| parse(line, scopes))
    }

    /// The same for what is asked before the first step.
    pub(crate) fn ask_up_front_until(
        &mut self,
        question: &UpFront,
        turn: Duration,
        elsewhere: &mut dyn FnMut() -> Option<String>,
    ) -> Option<Answer> {
        if self.show_up_front(question).is_err() {
            return Some(Answer::No("the question could not be shown".to_owned()));
        }
        let items = question.items.len();
        self.answer_until(question.wait, turn, elsewhere, &|line| {
            parse_up_front(line, items)
        })
    }

    /// Prompts and waits for the answer to what was just shown. Lines that were there before count for nothing: not
    /// those typed ahead, and not what is left of an answer to an earlier question. Once the prompt stands, what comes is
    /// an answer.
    fn answer_until(
        &mut self,
        wait: Duration,
        turn: Duration,
        elsewhere: &mut dyn FnMut() -> Option<String>,
        parse: &dyn Fn(&str) -> Option<Answer>,
    ) -> Option<Answer> {
        while self.lines.try_recv().is_ok() {}
        let prompted =
            write!(self.output, "└─ within {} s: ", wait.as_secs()).and_then(|()| self.output.flush());
        if prompted.is_err() {
            return Some(Answer::No("the question could not be shown".to_owned()));
        }
        let shown = Instant::now();
        loop {
            if let Some(words) = elsewhere() {
                let _ = writeln!(self.output, "({})", reveal(&words, false));
                return None;
            }
            let left = wait.checked_sub(shown.elapsed()).filter(|left| !left.is_zero())?;
            let line = match self.lines.recv_timeout(left.min(turn)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    self.gone = true;
                    return Some(Answer::No("the terminal is closed".to_owned()));
                }
            };
            if shown.elapsed() < self.too_quick {
                let _ = write!(
                    self.output,
                    "(that was typed before the question could be read) answer: "
                );
                let _ = self.output.flush();
                continue;
            }
            if let Some(answer) = parse(&line) {
                return Some(answer);
            }
            let _ = write!(self.output, "please type yes, no or stop: ");
            let _ = self.output.flush();
        }
    }

    fn show(&mut self, question: &Question) -> std::io::Result<()> {
        let one = |text: &str| reveal(text, false);
        let many = |text: &str| reveal(text, true).replace('\n', "\n             ");
        let out = &mut self.output;
        let verdict = &question.verdict;
        writeln!(out, "\n┌─ The rules ask (step {})", question.step)?;
        writeln!(out, "│ Goal       {}", many(&question.goal))?;
        if !question.thinking.is_empty() {
            writeln!(out, "│ Thinking   {}", many(&question.thinking))?;
        }
        if !question.intent.is_empty() {
            writeln!(out, "│ Intent     {}", one(&question.intent))?;
        }
        if !question.expect.is_empty() {
            writeln!(out, "│ Expects    {}", one(&question.expect))?;
        }
        writeln!(out, "│ Action     {}", one(&question.words))?;
        if let Some(target) = &question.target {
            writeln!(
                out,
                "│ Target     {} on {}",
                one(&target.describe()),
                one(&target.origin)
            )?;
            if let Some(value) = &target.value {
                writeln!(out, "│ Value      {}", one(value))?;
            }
            if let Some(link) = &target.link {
                writeln!(out, "│ Leads to   {}", one(link))?;
            }
            if let Some(form) = target.form.as_ref().filter(|form| form.submits) {
                writeln!(out, "│ Submits to {}", one(&form.action))?;
            }
            if !target.amounts.is_empty() {
                let mut amounts = target.amounts.clone();
                amounts.dedup();
                writeln!(out, "│ Amounts    {}", one(&amounts.join(", ")))?;
            }
        }
        writeln!(
            out,
            "│ Page       {}",
            one(question.url.as_deref().unwrap_or(&question.origin))
        )?;
        writeln!(
            out,
            "│ Rule       {}: {}",
            one(&verdict.rule.to_string()),
            one(&verdict.rule.reason)
        )?;
        writeln!(out, "│ Because    {} ({})", one(&verdict.why), verdict.tier)?;
        writeln!(out, "├─ yes   allows: {}", one(&question.grants))?;
        for (index, scope) in question.scopes.iter().enumerate() {
            writeln!(out, "│  yes {}  allows: {}", index + 1, one(&scope.words))?;
            match scope.earlier.as_slice() {
                [] => writeln!(
                    out,
                    "│         nothing earlier in this run would have been covered"
                )?,
                earlier => {
                    let list = earlier
                        .iter()
                        .map(|words| one(words))
                        .collect::<Vec<_>>()
                        .join("; ");
                    writeln!(out, "│         would have covered: {list}")?;
                }
            }
        }
        writeln!(
            out,
            "│  no    refuses it and tells the model (words after \"no\" are passed on)"
        )?;
        writeln!(out, "│  stop  refuses it and ends the run")
    }
}

impl TerminalApprover {
    fn show_up_front(&mut self, question: &UpFront) -> std::io::Result<()> {
        let out = &mut self.output;
        writeln!(out, "\n┌─ Before the first step")?;
        writeln!(
            out,
            "│ Goal       {}",
            reveal(&question.goal, true).replace('\n', "\n             ")
        )?;
        writeln!(
            out,
            "│ Page       {}",
            reveal(question.url.as_deref().unwrap_or_default(), false)
        )?;
        writeln!(
            out,
            "├─ yes   allows {} for this run, up to tier 2:",
            reveal(&question.principal, false)
        )?;
        for (index, item) in question.items.iter().enumerate() {
            let with = match item.with.as_slice() {
                [] => String::new(),
                with => format!(" ({})", with.join(", ")),
            };
            writeln!(
                out,
                "│      {}  {}{}",
                index + 1,
                reveal(&item.words, false),
                reveal(&with, false)
            )?;
        }
        if question.items.len() > 1 {
            writeln!(out, "│  yes 1 … allows that one alone (several: yes 1 2)")?;
        }
        writeln!(out, "│  no    each is asked about when it comes")?;
        writeln!(out, "│  stop  ends the run")
    }
}

impl Approver for TerminalApprover {
    fn name(&self) -> String {
        "the person at the terminal".to_owned()
    }

    fn attended(&self) -> bool {
        !self.gone
    }

    fn ask(&mut self, question: &Question) -> Answer {
        let answer = self.ask_until(question, question.wait, &mut || None);
        answer.unwrap_or_else(|| Answer::No("nobody answered in time".to_owned()))
    }

    fn ask_up_front(&mut self, question: &UpFront) -> Option<Answer> {
        let answer = self.ask_up_front_until(question, question.wait, &mut || None);
        Some(answer.unwrap_or_else(|| Answer::No("nobody answered in time".to_owned())))
    }
}

fn parse(line: &str, scopes: usize) -> Option<Answer> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match word.to_lowercase().as_str() {
        "yes" if rest.is_empty() => Some(Answer::Yes),
        "yes" => {
            let index: usize = rest.parse().ok()?;
            (1..=scopes)
                .contains(&index)
                .then(|| Answer::FromNowOn(index - 1))
        }
        "no" | "n" => Some(Answer::No(rest.to_owned())),
        "stop" => Some(Answer::Stop),
        _ => None,
    }
}

/// An answer to what is asked before the first step: a yes may choose.
fn parse_up_front(line: &str, items: usize) -> Option<Answer> {
    let chosen = line.trim().to_lowercase();
    match chosen.strip_prefix("yes ") {
        Some(chosen) => {
            let chosen: Option<Vec<usize>> = chosen
                .split([' ', ','])
                .filter(|number| !number.is_empty())
                .map(|number| {
                    let number: usize = number.parse().ok()?;
                    (1..=items).contains(&number).then(|| number - 1)
                })
                .collect();
            chosen.filter(|chosen| !chosen.is_empty()).map(Answer::Only)
        }
        None => parse(line, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_answer() {
        assert_eq!(parse("yes", 0), Some(Answer::Yes));
        assert_eq!(parse(" YES 2 ", 2), Some(Answer::FromNowOn(1)));
        assert_eq!(parse("yes 3", 2), None);
        assert_eq!(parse("y", 2), None);
        assert_eq!(parse("", 2), None);
        assert_eq!(
            parse("no use the other one", 0),
            Some(Answer::No("use the other one".into()))
        );
        assert_eq!(parse("stop", 0), Some(Answer::Stop));
        assert_eq!(parse_up_front("yes", 2), Some(Answer::Yes));
        assert_eq!(parse_up_front("Yes 2, 1", 2), Some(Answer::Only(vec![1, 0])));
        assert_eq!(parse_up_front("yes 3", 2), None);
        assert_eq!(parse_up_front("yes 0", 2), None);
        assert_eq!(parse_up_front("yes one", 2), None);
        assert_eq!(parse_up_front("no", 2), Some(Answer::No(String::new())));
    }
}
