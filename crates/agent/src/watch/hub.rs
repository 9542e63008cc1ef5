//! Where a run and those who watch it meet.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aurore_action::{Action, Frame, FrameId};

use super::{
    AnswerRefused, Asked, AskedUpFront, Entry, Happening, Look, Mode, Order, OrderRefused,
    hands::{Hand, HandRefused, MOST, is_for_hands},
    lesson::Taught,
    question::{Closed, Open},
};
use crate::{Answer, Journal, Question, UpFront, clock};

/// Frames that are kept at hand; older ones are read from the journal.
const FRAMES: usize = 24;
/// Entries that are kept. A run of a thousand steps has about half as many.
const ENTRIES: usize = 16_384;
/// How often a waiting run looks whether it was stopped by other means.
const LOOK: Duration = Duration::from_millis(100);

/// What a run publishes and what others want of it. Cheap to clone: all clones are one hub.
#[derive(Clone)]
pub struct Hub(pub(super) Arc<Shared>);

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
    stop: Arc<AtomicBool>,
    journal: Option<Journal>,
    listeners: Mutex<Vec<Listener>>,
}

/// What is called when something happened.
type Listener = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub(super) struct State {
    log: VecDeque<Entry>,
    last: u64,
    frames: VecDeque<(FrameId, Arc<[u8]>)>,
    thinking: Thinking,
    open: Option<Open>,
    closed: Closed,
    pub(super) wanted: Mode,
    pub(super) wanted_by: String,
    pub(super) mode: Mode,
    pub(super) hands: VecDeque<Hand>,
    handed: u64,
    /// Who pulled the kill switch.
    killed: Option<String>,
    pub(super) over: bool,
    /// What a person is to show, or has shown.
    pub(super) taught: Option<Taught>,
}

/// The thinking of the step under way.
#[derive(Default)]
struct Thinking {
    step: u32,
    text: String,
    characters: usize,
    /// Where it ended at each entry that it had.
    marks: Vec<Mark>,
}

/// An end of thinking so far.
struct Mark {
    sequence: u64,
    characters: usize,
    bytes: usize,
}

impl Default for Hub {
    /// A hub that nobody watches.
    fn default() -> Self {
        Self::new(Arc::default(), None)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub of a run with this kill switch, the same as in its [`RunOptions`](crate::RunOptions). Frames that are no
    /// longer at hand are read from the journal.
    pub fn new(stop: Arc<AtomicBool>, journal: Option<Journal>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            stop,
            journal,
            listeners: Mutex::default(),
        }))
    }

    /// Calls this after each change, on the thread that made it. It must return at once.
    pub fn on_news(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(listener));
    }

    /// What happened after an entry; everything after 0. Thinking that goes on comes from where that entry left it.
    pub fn since(&self, sequence: u64) -> Vec<Entry> {
        let state = self.state();
        let start = state.log.partition_point(|entry| entry.sequence <= sequence);
        let mut entries: Vec<Entry> = state.log.iter().skip(start).cloned().collect();
        if let Some(last) = entries.last_mut()
            && let Some(rest) = state.thinking.after(sequence)
            && matches!(&*last.happening, Happening::Thinking { step, .. } if *step == state.thinking.step)
        {
            last.happening = Arc::new(rest);
        }
        entries
    }

    /// A frame's PNG bytes.
    pub fn frame(&self, id: &FrameId) -> Option<Arc<[u8]>> {
        let at_hand = self
            .state()
            .frames
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, png)| Arc::clone(png));
        at_hand.or_else(|| Some(self.0.journal.as_ref()?.frame(id).ok()??.into()))
    }

    /// Answers a question. `nonce` came with it; `by` says in words who answers; an answer sooner after the question
    /// than `least` does not count, because it was on its way before.
    pub fn answer(
        &self,
        id: &str,
        nonce: &str,
        answer: Answer,
        by: &str,
        least: Duration,
    ) -> Result<(), AnswerRefused> {
        let mut state = self.state();
        let Some(open) = state.open.as_mut().filter(|open| open.id == id) else {
            return Err(state.closed.what(id));
        };
        open.check(nonce, &answer, least)?;
        open.answer = Some((answer, by.to_owned()));
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Gives the run an order.
    pub fn order(&self, order: Order, by: &str) -> Result<(), OrderRefused> {
        let mut state = self.state();
        if state.over {
            return Err(OrderRefused::Over);
        }
        let mode = order.mode(state.wanted)?;
        if order == Order::Drop {
            state.drop_lesson()?;
        }
        match mode {
            None => {
                state.killed = Some(by.to_owned());
                self.0.stop.store(true, Ordering::SeqCst);
                state.close(Answer::Stop, by);
                state.log(Happening::Killed { by: by.to_owned() });
            }
            Some(mode) if mode == state.wanted => return Ok(()),
            Some(mode) => {
                state.wanted = mode;
                by.clone_into(&mut state.wanted_by);
                state.hands.clear();
                if mode == Mode::Hands {
                    let why = "the screen was taken over by hand: look at it anew before you go on";
                    state.close(Answer::No(why.to_owned()), by);
                }
                state.log(Happening::Wanted {
                    mode,
                    by: by.to_owned(),
                });
            }
        }
        drop(state);
        self.news();
        Ok(())
    }

    /// Whether somebody pulled the kill switch here.
    pub fn was_killed(&self) -> bool {
        self.state().killed.is_some()
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    pub(crate) fn publish(&self, happening: Happening) {
        let mut state = self.state();
        match &happening {
            Happening::Ended { .. } => state.over = true,
            Happening::Mode { mode } => state.mode = *mode,
            _ => {}
        }
        state.log(happening);
        drop(state);
        self.news();
    }

    /// The screen was looked at.
    pub(crate) fn look(&self, frame: &Frame) {
        let mut state = self.state();
        if !state.frames.iter().any(|(id, _)| *id == frame.id) {
            if state.frames.len() >= FRAMES {
                state.frames.pop_front();
            }
            state.frames.push_back((frame.id.clone(), Arc::clone(&frame.png)));
        }
        state.log(Happening::Looked(Look::of(frame)));
        drop(state);
        self.news();
    }

    /// More of a step's thinking.
    pub(crate) fn thinking(&self, step: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut state = self.state();
        if state.thinking.step != step {
            state.thinking = Thinking {
                step,
                ..Thinking::default()
            };
        }
        let from = state.thinking.characters;
        state.thinking.text.push_str(text);
        state.thinking.characters += text.chars().count();
        state.say(step, from, text);
        let mark = Mark {
            sequence: state.last,
            characters: state.thinking.characters,
            bytes: state.thinking.text.len(),
        };
        state.thinking.marks.push(mark);
        drop(state);
        self.news();
    }

    /// Asks the run to do something in a person's name, who saw this frame and may say in a line what it is for. What
    /// comes of it is told as [`Happening::Hand`] with the number that is returned.
    pub fn hand(&self, frame: FrameId, action: Action, purpose: &str, by: &str) -> Result<u64, HandRefused> {
        if !is_for_hands(&action) {
            return Err(HandRefused::Unfit(action.name()));
        }
        let mut state = self.state();
        if state.mode != Mode::Hands || state.wanted != Mode::Hands || state.over {
            return Err(HandRefused::NotTaken);
        }
        if !state.frames.iter().any(|(id, _)| *id == frame) {
            return Err(HandRefused::Stale);
        }
        if state.hands.len() >= MOST {
            return Err(HandRefused::Busy);
        }
        state.handed += 1;
        let number = state.handed;
        state.hands.push_back(Hand {
            number,
            frame,
            action,
            purpose: purpose.split_whitespace().collect::<Vec<_>>().join(" "),
            by: by.to_owned(),
        });
        drop(state);
        self.0.changed.notify_all();
        Ok(number)
    }

    /// The next thing to be done by hand.
    pub(crate) fn next_hand(&self) -> Option<Hand> {
        self.state().hands.pop_front()
    }

    /// What the mode should be, and who wants it.
    pub(crate) fn wanted(&self) -> (Mode, String) {
        let state = self.state();
        (state.wanted, state.wanted_by.clone())
    }

    /// Who pulled the kill switch here.
    pub(crate) fn killed_by(&self) -> Option<String> {
        self.state().killed.clone()
    }

    /// Waits until another mode is wanted than this one, or something is to be done by hand, or a while.
    pub(crate) fn wait_while(&self, mode: Mode) {
        let state = self.state();
        let waiting =
            |state: &mut State| state.wanted == mode && state.killed.is_none() && state.hands.is_empty();
        let waited = self.0.changed.wait_timeout_while(state, LOOK, waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Opens a question. There is never more than one.
    pub(super) fn open(&self, question: &Question) {
        let mut state = self.state();
        let open = Open::new(question);
        let asked = Asked {
            id: open.id.clone(),
            nonce: open.nonce.clone(),
            wait_ms: question.wait.as_millis() as u64,
            points: question.action.points(),
            question: Question {
                png: Arc::from([]),
                ..question.clone()
            },
        };
        state.open = Some(open);
        state.log(Happening::Asked(Box::new(asked)));
        drop(state);
        self.news();
    }

    /// Opens the question before the first step.
    pub(super) fn open_up_front(&self, question: &UpFront) {
        let mut state = self.state();
        let open = Open::up_front(question);
        let asked = AskedUpFront {
            id: open.id.clone(),
            nonce: open.nonce.clone(),
            wait_ms: question.wait.as_millis() as u64,
            question: UpFront {
                png: Arc::from([]),
                ..question.clone()
            },
        };
        state.open = Some(open);
        state.log(Happening::AskedUpFront(Box::new(asked)));
        drop(state);
        self.news();
    }

    /// Waits for the answer to the open question at most this long, and closes it if there is one, or if its time is
    /// over.
    pub(super) fn wait_for_answer(&self, most: Duration) -> Option<(Answer, String)> {
        let mut state = self.state();
        let left = state.open.as_ref().and_then(Open::left).unwrap_or_default();
        let unanswered = |state: &mut State| state.open.as_ref().is_some_and(|open| open.answer.is_none());
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, left.min(most).min(LOOK), unanswered);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let open = state.open.as_mut()?;
        let answered = match open.answer.take() {
            Some(answered) => answered,
            None if open.left().is_none() => (
                Answer::No("nobody answered in time".to_owned()),
                "the clock".to_owned(),
            ),
            None if self.0.stop.load(Ordering::SeqCst) => (Answer::Stop, "the kill switch".to_owned()),
            None => return None,
        };
        self.conclude(state, &answered.0, &answered.1);
        Some(answered)
    }

    /// The open question was answered elsewhere.
    pub(super) fn answered_elsewhere(&self, answer: &Answer, by: &str) {
        let state = self.state();
        self.conclude(state, answer, by);
    }

    fn conclude(&self, mut state: MutexGuard<'_, State>, answer: &Answer, by: &str) {
        if let Some(open) = state.open.take() {
            let approval = open.approval(answer, by);
            let refused = match by {
                "the clock" => AnswerRefused::Late,
                _ if approval.allowed => AnswerRefused::Closed(format!("{by} has said yes")),
                _ => AnswerRefused::Closed(format!("{by} has said no")),
            };
            state.closed.remember(open.id.clone(), refused);
            state.log(Happening::Answered {
                step: open.step,
                id: open.id,
                approval,
            });
        }
        drop(state);
        self.news();
    }

    pub(super) fn news(&self) {
        self.0.changed.notify_all();
        // They may give orders themselves, so that nothing is locked while they are called.
        let listeners = self
            .0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in listeners {
            listener();
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thinking {
    /// What came after an entry of this thinking.
    fn after(&self, sequence: u64) -> Option<Happening> {
        let place = self
            .marks
            .binary_search_by_key(&sequence, |mark| mark.sequence)
            .ok()?;
        let mark = self.marks.get(place)?;
        Some(Happening::Thinking {
            step: self.step,
            from: mark.characters,
            text: self.text.get(mark.bytes..)?.to_owned(),
        })
    }
}

impl State {
    pub(super) fn log(&mut self, happening: Happening) {
        self.last += 1;
        if self.log.len() >= ENTRIES {
            self.log.pop_front();
        }
        self.log.push_back(Entry {
            sequence: self.last,
            at_ms: clock::now_ms(),
            happening: Arc::new(happening),
        });
    }

    /// Thinking that goes on becomes one entry, so that whoever comes late gets it whole.
    fn say(&mut self, step: u32, from: usize, text: &str) {
        let goes_on = matches!(
            self.log.back().map(|entry| &*entry.happening),
            Some(Happening::Thinking { step: before, .. }) if *before == step
        );
        if goes_on {
            self.log.pop_back();
            let text = self.thinking.text.clone();
            self.log(Happening::Thinking { step, from: 0, text });
        } else {
            let text = text.to_owned();
            self.log(Happening::Thinking { step, from, text });
        }
    }

    /// Answers what is open.
    fn close(&mut self, answer: Answer, by: &str) {
        if let Some(open) = self.open.as_mut().filter(|open| open.answer.is_none()) {
            open.answer = Some((answer, by.to_owned()));
        }
    }
}
