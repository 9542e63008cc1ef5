//! Everything that a goal is worked on with: browser, journal, rules, budgets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aurore_agent::{
    AgentError, Approver, Brain, Budgets, End, EndKind, Files, GoalState, Hub, Journal, Keeper, Run, RunId,
    RunOptions, SecondOpinion, StepOutcome, StepReport,
};
use aurore_chat::AgentSettings;
use aurore_policy::{Decision, Rules};
use aurore_screen::browser::Browser;
use serde::Serialize;

use crate::browser::BrowserChoice;
use crate::folders;
use crate::tasks::{Looks, Seen, Site, Task};

/// A browser and what stands around it. Used for many goals, one after the other.
pub struct Worksite {
    choice: BrowserChoice,
    settings: AgentSettings,
    browser: Option<Browser>,
    journal: Journal,
    rules: Rules,
    known_origins: Vec<String>,
    hub: Hub,
    controls: Vec<String>,
    files: Files,
    stop: Arc<AtomicBool>,
    beside: Beside,
    looks: Option<Looks>,
}

/// What stands beside the rules.
#[derive(Default)]
pub struct Beside {
    /// Where "from now on" is written.
    pub keeper: Option<Box<dyn Keeper>>,
    /// Who looks at verdicts besides.
    pub opinion: Option<Box<dyn SecondOpinion>>,
    /// Names of secrets, and the origins that each is bound to.
    pub secrets: Vec<(String, Vec<String>)>,
    /// Labels of fields whose text is nobody's business.
    pub private: Vec<String>,
}

/// A page's own judgement of its goal.
pub type Check<'a> = Box<dyn FnMut(&mut Browser) -> GoalState + 'a>;

/// How a goal came out.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The run in the journal.
    pub run: RunId,
    /// The goal in the page's words.
    pub goal: String,
    /// How it ended.
    pub end: End,
    /// Decisions.
    pub steps: u32,
    /// Questions put to somebody.
    pub asked: u32,
    /// Verdicts that said no, because a rule denies it or nobody was there to be asked.
    pub denied: u32,
    /// Steps that were refused, by a rule or by an answer.
    pub refused: u32,
    /// Seconds of all steps.
    pub seconds: f64,
    /// Seconds of them that the model took.
    pub thinking_seconds: f64,
}

impl Outcome {
    fn new(run: RunId, goal: String) -> Self {
        Self {
            run,
            goal,
            end: End {
                kind: EndKind::Failed,
                message: "no step was taken".to_owned(),
            },
            steps: 0,
            asked: 0,
            denied: 0,
            refused: 0,
            seconds: 0.0,
            thinking_seconds: 0.0,
        }
    }

    fn count(&mut self, step: &StepReport) {
        self.steps = self.steps.max(step.number);
        self.denied += u32::from(
            step.verdict
                .as_ref()
                .is_some_and(|verdict| verdict.decision == Decision::Deny),
        );
        self.refused += u32::from(step.outcome == StepOutcome::Refused);
        self.seconds += step.seconds;
        self.thinking_seconds += step.thinking_seconds;
    }

    /// Whether the goal stays open because of refusals.
    pub fn is_refused(&self) -> bool {
        self.refused > 0 && !self.end.is_success() && self.end.kind != EndKind::Missed
    }
}

impl Worksite {
    /// Starts the browser.
    ///
    /// # Errors
    /// When the browser does not start.
    pub fn open(
        choice: &BrowserChoice,
        settings: AgentSettings,
        journal: Journal,
        rules: Rules,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let browser = choice.launch(&settings, stop)?;
        let files = folders::of_the_agent(journal.file().parent());
        for warning in browser.warnings() {
            eprintln!("note: {warning}");
        }
        Ok(Self {
            choice: choice.clone(),
            settings,
            browser: Some(browser),
            journal,
            rules,
            known_origins: Vec::new(),
            hub: Hub::default(),
            controls: Vec::new(),
            files,
            stop: Arc::clone(stop),
            beside: Beside::default(),
            looks: None,
        })
    }

    /// From now on experts keep what stood on the page at each of their decisions.
    pub fn keep_looks(&mut self) {
        self.looks = Some(Looks::default());
    }

    /// Where they keep it, emptied for a new run; `None` if nobody wants it.
    pub fn looks(&self) -> Option<Looks> {
        let looks = self.looks.clone()?;
        looks.take();
        Some(looks)
    }

    /// What stood on the page at each decision of the last run's expert.
    pub fn take_looks(&self) -> Vec<Seen> {
        self.looks.as_ref().map_or_else(Vec::new, Looks::take)
    }

    /// What stands beside the rules from now on.
    pub fn set_beside(&mut self, beside: Beside) {
        self.beside = beside;
    }

    /// Denies these origins to every run: they belong to the agent's own controls.
    pub fn keep_away_from(&mut self, origins: &[String]) {
        self.controls.extend_from_slice(origins);
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Shows the next runs at a hub, which is served on an origin of the agent's own controls.
    pub fn show_at(&mut self, hub: Hub, origin: String) {
        self.hub = hub;
        self.controls.push(origin);
    }

    /// The browser; started again if it was ended.
    ///
    /// # Errors
    /// When it does not start.
    pub fn browser(&mut self) -> anyhow::Result<&mut Browser> {
        let browser = match self.browser.take() {
            Some(browser) => browser,
            None => self.choice.launch(&self.settings, &self.stop)?,
        };
        Ok(self.browser.insert(browser))
    }

    /// Origins that the person named for the goals to come, beside the page that a goal starts on.
    pub fn start_from(&mut self, origins: Vec<String>) {
        self.known_origins = origins;
    }

    /// Ends the browser, so that the next goal gets a new one.
    pub fn forget_browser(&mut self) {
        self.browser = None;
    }

    /// Works on a goal that a page sets and judges itself. `watch` sees each step.
    ///
    /// # Errors
    /// When the page, the browser or the journal fails.
    pub fn work(
        &mut self,
        site: &Site,
        task: &Task,
        seed: u64,
        hands: &mut Hands<'_>,
        began: &mut dyn FnMut(&str),
        watch: &mut dyn FnMut(&StepReport),
    ) -> anyhow::Result<Outcome> {
        let goal = task.begin(self.browser()?, site, seed)?;
        began(&goal);
        let check = Box::new(|browser: &mut Browser| task.state(browser));
        self.pursue(&goal, &task.name, Some(check), None, hands, watch)
    }

    /// Works on a goal on whatever page the browser shows, from the start or on from where a run stopped.
    ///
    /// # Errors
    /// When the browser or the journal fails.
    pub fn pursue<'a>(
        &'a mut self,
        goal: &str,
        name: &str,
        check: Option<Check<'a>>,
        resume: Option<RunId>,
        hands: &'a mut Hands<'_>,
        watch: &mut dyn FnMut(&StepReport),
    ) -> anyhow::Result<Outcome> {
        self.browser()?;
        let Some(browser) = &mut self.browser else {
            anyhow::bail!("the browser is gone");
        };
        let options = RunOptions {
            goal: goal.to_owned(),
            name: name.to_owned(),
            screen: browser,
            brain: &mut *hands.brain,
            rules: self.rules.clone(),
            approver: &mut *hands.approver,
            budgets: hands.budgets,
            journal: &self.journal,
            stop: Arc::clone(&self.stop),
            watch: self.hub.clone(),
            known_origins: self.known_origins.clone(),
            controls: self.controls.clone(),
            files: self.files.clone(),
            check,
        };
        let mut run = match resume {
            Some(id) => Run::resume(options, id)?,
            None => Run::start(options)?,
        };
        if let Some(keeper) = self.beside.keeper.as_deref_mut() {
            run = run.with_keeper(keeper);
        }
        if let Some(opinion) = self.beside.opinion.as_deref_mut() {
            run = run.with_second_opinion(opinion);
        }
        run = run
            .with_secrets(self.beside.secrets.clone())
            .with_private(self.beside.private.clone());
        let mut outcome = Outcome::new(run.id().clone(), goal.to_owned());
        let end: Result<End, AgentError> = run.to_end(&mut |step| {
            outcome.count(step);
            watch(step);
        });
        outcome.end = end?;
        outcome.asked = run.questions();
        Ok(outcome)
    }
}

/// Who decides, who answers, and how much may be used up.
pub struct Hands<'a> {
    /// Decides.
    pub brain: &'a mut dyn Brain,
    /// Answers.
    pub approver: &'a mut dyn Approver,
    /// Limits of a goal.
    pub budgets: Budgets,
}
