//! What a run holds between two steps.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use aurore_action::{Frame, FrameId};
use aurore_policy::{Budget, Layer};
use aurore_screen::Screen;

use super::{
    Course, End, EndKind, Keeper, Parts, RunOptions, SecondOpinion, StepOutcome, Unknown, Untrusted, Watch,
    conclude::is_refusal, earlier::Earlier, guard::Beside,
};
use crate::{
    AgentError, Decision, DecisionRecord, EndRecord, Event, Happening, Journal, Order, OrderRecord, Past,
    Plan, ResultRecord, RunId, StartRecord, journal::sha256,
};

/// A goal on its way.
pub struct Run<'a, S: Screen + ?Sized> {
    pub(super) options: RunOptions<'a, S>,
    pub(super) id: RunId,
    pub(super) frame: Frame,
    pub(super) history: Vec<Past>,
    pub(super) notes: Vec<String>,
    pub(super) plan: Plan,
    /// What the time of the step under way is spent on.
    pub(super) parts: Parts,
    /// Whether the model was told once that it ends with open sub-goals.
    pub(super) questioned: bool,
    /// How the page judges what was done by hand, if that decides.
    pub(super) by_hand: Option<(EndKind, String)>,
    pub(super) course: Course,
    pub(super) untrusted: Untrusted,
    pub(super) steps: u32,
    pub(super) tokens: u64,
    pub(super) questions: u32,
    pub(super) started: Instant,
    /// What was begun before a crash and has no result: nobody knows whether it took effect.
    pub(super) unknown: Option<Unknown>,
    pub(super) end: Option<End>,
    pub(super) beside: Beside<'a>,
    /// Whether it was asked already what the goal calls for.
    pub(super) asked_up_front: bool,
    /// Origins that the person named, without those that answers made known.
    pub(super) named: Vec<String>,
    /// What was asked up front before the run was interrupted.
    pub(super) asked_before: Option<Vec<String>>,
    /// What was allowed before it was interrupted and still holds, in words.
    pub(super) still_allowed: Vec<String>,
    /// The rules that the last answer put in force for the run, as text.
    pub(super) granted: Vec<String>,
}

impl<'a, S: Screen + ?Sized> Run<'a, S> {
    /// Looks at the screen and begins a run.
    pub fn start(options: RunOptions<'a, S>) -> Result<Self, AgentError> {
        let id = options.journal.new_run()?;
        let mut run = Self::new(options, id)?;
        // Where a run starts is where its person sends it; where it goes on is where it happened to be.
        let first = run.frame.origin.clone();
        if !run.options.known_origins.contains(&first) {
            run.options.known_origins.push(first);
        }
        run.named.clone_from(&run.options.known_origins);
        let start = run.start_record();
        run.append(&Event::Start(start), &[])?;
        run.announce();
        Ok(run)
    }

    /// Goes on with a run of the journal. What was done is not done again; an action that was begun and has no
    /// result is told to the model as such. What was allowed for the run still is, if goal, rules and who decides are
    /// the same.
    pub fn resume(options: RunOptions<'a, S>, id: RunId) -> Result<Self, AgentError> {
        let records = options.journal.records(&id)?;
        let mut run = Self::new(options, id)?;
        let mut open: Option<Box<DecisionRecord>> = None;
        let mut earlier = Earlier::default();
        for record in records {
            match record.event {
                Event::Start(start) | Event::Resume(start) => {
                    earlier.begin(&start);
                    if run.options.goal.is_empty() {
                        run.options.goal = start.goal;
                        run.options.name = start.name;
                    }
                }
                Event::Decision(decision) => {
                    earlier.decision(&decision);
                    open = Some(decision);
                }
                Event::UpFront(asked) => {
                    run.questions += 1;
                    earlier.up_front(asked);
                }
                Event::Result(result) => {
                    if let Some(decision) = open.take() {
                        run.remember(&decision, Some(&result))?;
                    }
                }
                // The screen is looked at anew: what was done by hand is on it.
                Event::End(_)
                | Event::Order(_)
                | Event::Hand(_)
                | Event::HandResult(_)
                | Event::Window(_) => {}
            }
        }
        if let Some(decision) = open {
            run.remember(&decision, None)?;
        }
        let again = run.take_over(earlier);
        run.append(&Event::Resume(again), &[])?;
        run.announce();
        Ok(run)
    }

    fn announce(&self) {
        self.options.watch.publish(Happening::Began {
            run: self.id.0.clone(),
            goal: self.options.goal.clone(),
            principal: self.options.brain.principal().0,
            budgets: self.options.budgets,
            allowed: self.still_allowed.clone(),
            plan: (!self.plan.is_empty()).then(|| self.plan.clone()),
        });
        self.options.watch.look(&self.frame);
    }

    fn new(options: RunOptions<'a, S>, id: RunId) -> Result<Self, AgentError> {
        options.screen.settle()?;
        let frame = options.screen.look()?;
        let mut untrusted = Untrusted::default();
        untrusted.frame(&frame);
        untrusted.words(&options.screen.words());
        Ok(Self {
            options,
            id,
            frame,
            history: Vec::new(),
            notes: Vec::new(),
            plan: Plan::default(),
            questioned: false,
            by_hand: None,
            parts: Parts::default(),
            course: Course::default(),
            untrusted,
            steps: 0,
            tokens: 0,
            questions: 0,
            started: Instant::now(),
            unknown: None,
            end: None,
            beside: Beside::default(),
            asked_up_front: false,
            named: Vec::new(),
            asked_before: None,
            still_allowed: Vec::new(),
            granted: Vec::new(),
        })
    }

    /// Has each verdict looked at by somebody else, who can tighten it.
    #[must_use]
    pub fn with_second_opinion(mut self, opinion: &'a mut dyn SecondOpinion) -> Self {
        self.beside.opinion = Some(opinion);
        self
    }

    /// Writes what is allowed from now on where the next run finds it. Without it nothing outlives the run.
    #[must_use]
    pub fn with_keeper(mut self, keeper: &'a mut dyn Keeper) -> Self {
        self.beside.keeper = Some(keeper);
        self
    }

    /// Names the secrets that may be typed, and the origins that each is bound to, to be asked about up front.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Vec<(String, Vec<String>)>) -> Self {
        self.beside.secrets = secrets;
        self
    }

    /// Leaves out of everything that is written down what a person types into fields whose label has one of these texts
    /// in it, as it is left out of passwords and payment data.
    #[must_use]
    pub fn with_private(mut self, labels: Vec<String>) -> Self {
        self.beside.private = labels;
        self
    }

    /// Its name in the journal.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// How it ended, if it did.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What the screen showed last.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The plan and the notes so far.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Questions put to a person so far.
    pub fn questions(&self) -> u32 {
        self.questions
    }

    fn remember(
        &mut self,
        decision: &DecisionRecord,
        result: Option<&ResultRecord>,
    ) -> Result<(), AgentError> {
        self.plan.follow(decision);
        self.steps = self.steps.max(decision.step);
        self.tokens += u64::from(decision.tokens);
        self.questions += u32::from(decision.approval.is_some());
        if result.is_none() && decision.perform {
            self.unknown = decision.action.clone().map(|action| Unknown {
                action,
                target: decision.target.clone(),
            });
            self.notes.push(
                "The run was interrupted. Your last action was begun and nobody knows whether it took effect: look at the screen before you repeat it."
                    .to_owned(),
            );
        }
        let png = self.options.journal.frame(&decision.frame)?.unwrap_or_default();
        self.history.push(Past {
            frame: Frame {
                id: decision.frame.clone(),
                size: decision.size,
                png: png.into(),
                url: decision.url.clone(),
                origin: decision.origin.clone(),
                title: decision.title.clone(),
                tabs: Vec::new(),
                notes: Vec::new(),
            },
            decision: decision.action.clone().map(|action| Decision {
                thinking: decision.thinking.clone(),
                plan: decision.plan.clone(),
                notes: decision.notes.clone(),
                intent: decision.intent.clone(),
                expect: decision.expect.clone(),
                tokens: decision.tokens,
                seconds: decision.seconds,
                ..Decision::new(action)
            }),
            result: result.map_or_else(
                || "Interrupted: it is not known whether this took effect.".to_owned(),
                |result| result.result.clone(),
            ),
            refused: result.is_some_and(|result| is_refusal(result.outcome, &result.result)),
            done: result
                .is_some_and(|result| matches!(result.outcome, StepOutcome::Done | StepOutcome::NoEffect)),
        });
        Ok(())
    }

    pub(super) fn start_record(&self) -> StartRecord {
        StartRecord {
            goal: self.options.goal.clone(),
            name: self.options.name.clone(),
            principal: self.options.brain.principal().0,
            fingerprint: self.options.brain.fingerprint(),
            rules: hash(self.options.rules.sources()),
            written_rules: hash(self.options.rules.written()),
            budgets: self.options.budgets,
            known_origins: self.options.known_origins.clone(),
            still_allowed: Vec::new(),
        }
    }

    /// Writes to the journal. A journal that cannot be written ends the run: nothing is done unwritten.
    pub(super) fn append(&mut self, event: &Event, frames: &[&Frame]) -> Result<(), AgentError> {
        let journal: &Journal = self.options.journal;
        let mut watch = Watch::start();
        let written = journal.append(&self.id, event, frames);
        watch.lap(&mut self.parts.journal);
        if let Err(error) = written {
            let end = End {
                kind: EndKind::Failed,
                message: error.to_string(),
            };
            self.options.watch.publish(Happening::Ended { end: end.clone() });
            self.end = Some(end);
            return Err(error.into());
        }
        Ok(())
    }

    /// Ends the run and writes it down.
    pub(super) fn finish(&mut self, kind: EndKind, message: impl Into<String>) -> Result<End, AgentError> {
        if let Some(by) = self
            .options
            .watch
            .killed_by()
            .filter(|_| kind == EndKind::Stopped)
        {
            let step = self.steps;
            let order = Order::Kill;
            self.append(&Event::Order(OrderRecord { order, by, step }), &[])?;
        }
        let end = End {
            kind,
            message: message.into(),
        };
        let frame = self.frame.clone();
        self.append(
            &Event::End(EndRecord {
                end: end.clone(),
                frame: Some(frame.id.clone()),
            }),
            &[&frame],
        )?;
        self.end = Some(end.clone());
        self.options.watch.publish(Happening::Ended { end: end.clone() });
        Ok(end)
    }

    /// The budget that is used up, if any.
    pub(super) fn used_up(&self) -> Option<(EndKind, String)> {
        let budgets = &self.options.budgets;
        if self.stopped() {
            return Some((EndKind::Stopped, stopped_message()));
        }
        if self.steps >= budgets.steps {
            return Some((
                EndKind::Steps,
                format!(
                    "the budget of {} steps is used up and the goal is still open",
                    budgets.steps
                ),
            ));
        }
        if self.started.elapsed() >= budgets.time {
            return Some((
                EndKind::Time,
                format!(
                    "the budget of {} s is used up and the goal is still open",
                    budgets.time.as_secs()
                ),
            ));
        }
        if self.tokens >= budgets.tokens {
            return Some((
                EndKind::Tokens,
                format!(
                    "the budget of {} tokens is used up and the goal is still open",
                    budgets.tokens
                ),
            ));
        }
        None
    }

    pub(super) fn stopped(&self) -> bool {
        self.options.stop.load(Ordering::SeqCst) || self.options.watch.was_killed()
    }

    pub(super) fn budget_left(&self) -> Budget {
        Budget {
            steps: Some(self.options.budgets.steps.saturating_sub(self.steps)),
            questions: Some(self.options.budgets.questions.saturating_sub(self.questions)),
        }
    }

    /// Time that a question may wait: its own limit, but not past the end of the run's time.
    pub(super) fn answer_time(&self) -> Duration {
        let left = self.options.budgets.time.saturating_sub(self.started.elapsed());
        self.options.budgets.answer_time.min(left)
    }

    pub(super) fn frame_id(&self) -> FrameId {
        self.frame.id.clone()
    }
}

pub(super) fn stopped_message() -> String {
    "stopped before the next input; `aurore agent --resume` goes on from here".to_owned()
}

/// Hash of rules by their texts.
fn hash<'a>(rules: impl Iterator<Item = (Layer, &'a str)>) -> String {
    let all: Vec<String> = rules
        .map(|(layer, text): (Layer, &str)| format!("{}\n{}\n{text}\n", layer.name(), text.len()))
        .collect();
    sha256(all.concat().as_bytes())
}
