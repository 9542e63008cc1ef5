//! What a person shows, through the watch page: `docs/episodes.md`.

use std::process::ExitCode;
use std::time::Duration;

use aurore_agent::{Budgets, DenyAll, EndKind, Event, Hub, Journal, Lesson, RunId, reveal};
use aurore_chat::AgentSettings;
use serde_json::json;

use super::Args;
use crate::commands::eval::Scratch;
use crate::commands::keys;
use crate::failure::hinted;
use crate::global::Global;
use crate::rules;
use crate::secrets::Keyring;
use crate::shown::{Glimpses, ModelPurposes, PersonBrain, Purposes, steps};
use crate::tasks::{OwnPage, SEEN, Site, Task};
use crate::watching::Watching;
use crate::workflows::Episode;
use crate::worksite::{Beside, Check, Hands, Outcome, Worksite};

/// Steps of a run in which only its end is decided.
const STEPS: u32 = 4;
/// Why a page without a goal cannot be shown.
const NO_GOAL: &str = "say what you will show: --goal TEXT";

/// Everything that a recording stands on.
struct Studio<'a> {
    args: &'a Args,
    task: Task,
    site: Site,
    worksite: Worksite,
    hub: Hub,
    glimpses: Glimpses,
    purposes: Option<ModelPurposes>,
}

/// What became of one time that something was shown.
enum Shown {
    /// It is kept, so many steps.
    Kept(usize),
    /// It is not, and why; it can be shown again.
    Not(String),
    /// The recording ends.
    Stopped,
}

/// Records what a person shows, once for each seed. What is whole stays when it is stopped.
pub(super) fn run(address: &str, args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let page = OwnPage::find(address)?;
    let task = page.task();
    let site = match page.into_site() {
        Some(site) => site,
        None => Site::start(None)?,
    };
    // Before the person is invited: a model that does not load is told at once.
    let model = args.purposes_by.as_deref();
    let purposes = model
        .map(|model| ModelPurposes::load(model, &global.interrupted))
        .transpose()?;
    let scratch = Scratch::new(None)?;
    let invitation = "show it on";
    let watching = Watching::open(
        args.watch_port,
        &scratch.folder,
        keys::store().ok(),
        invitation,
        global,
    )?;
    let mut worksite = Worksite::open(
        &args.browser,
        AgentSettings::default(),
        Journal::in_folder(&scratch.folder)?,
        rules::load(&[])?,
        &global.interrupted,
    )?;
    let hub = watching.hub.clone();
    worksite.show_at(hub.clone(), watching.origin());
    worksite.set_beside(Beside {
        secrets: Keyring::open(args.browser.secrets.as_deref())?.names(),
        private: args.masks.clone(),
        ..Beside::default()
    });
    let mut studio = Studio {
        args,
        task,
        site,
        worksite,
        glimpses: Glimpses::of(&hub),
        hub,
        purposes,
    };
    let (mut episodes, mut count, mut stopped) = (0_u64, 0, false);
    'seeds: for (index, seed) in args.seeds.all().enumerate() {
        loop {
            let shown = studio.show(index, seed)?;
            match &shown {
                Some(Shown::Kept(steps)) => {
                    episodes += 1;
                    count += steps;
                }
                Some(Shown::Stopped) => stopped = true,
                Some(Shown::Not(_)) | None => {}
            }
            tell(&studio.task, seed, shown.as_ref(), global);
            match shown {
                Some(Shown::Not(_)) => {}
                Some(Shown::Stopped) => break 'seeds,
                Some(Shown::Kept(_)) | None => break,
            }
        }
    }
    let out = args.out.display();
    if global.json {
        println!(
            "{}",
            json!({"event": "end", "episodes": episodes, "steps": count, "stopped": stopped})
        );
    } else {
        println!("{episodes} episodes of {count} steps in {out}");
    }
    if stopped {
        eprintln!("stopped; what was shown to its end is kept, and the same command goes on from here");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what became of one time.
fn tell(task: &Task, seed: u64, shown: Option<&Shown>, global: &Global) {
    let Some(shown) = shown else { return };
    if global.json {
        let line = match shown {
            Shown::Kept(steps) => json!({"event": "shown", "seed": seed, "kept": true, "steps": steps}),
            Shown::Not(why) => json!({"event": "shown", "seed": seed, "kept": false, "why": why}),
            Shown::Stopped => return,
        };
        println!("{line}");
        return;
    }
    match shown {
        Shown::Kept(steps) => println!("{task} {seed}: {steps} steps"),
        Shown::Not(why) => println!("{task} {seed}: not kept: {}; show it again", reveal(why, false)),
        Shown::Stopped => {}
    }
}

impl Studio<'_> {
    /// Has one episode shown; `None` if it is there already.
    fn show(&mut self, index: usize, seed: u64) -> anyhow::Result<Option<Shown>> {
        let mut episode = Episode::of_task("shown", &self.task.name, seed, &self.args.out);
        if episode.exists() {
            return Ok(None);
        }
        let given = self.args.goals.get(index).or(self.args.goals.last());
        let browser = self.worksite.browser()?;
        browser.keep_private(&self.args.masks);
        let goal = match given {
            Some(goal) => {
                self.task.open(browser, &self.site, seed)?;
                goal.replace("{seed}", &seed.to_string())
            }
            None => self
                .task
                .begin(browser, &self.site, seed)
                .map_err(|error| hinted(format!("{error:#}"), NO_GOAL))?,
        };
        self.glimpses.begin(browser.keep_told(SEEN.to_owned()));
        self.hub.teach(Lesson {
            number: index as u64 + 1,
            of: self.args.seeds.count(),
        });
        let outcome = self.pursue(&goal, given.is_none())?;
        let shown = self.judge(&mut episode, seed, &goal, &outcome, given.is_none())?;
        self.worksite.journal().delete(&outcome.run)?;
        Ok(Some(shown))
    }

    /// The run in the person's hands; `judges`: the page knows when its goal is met.
    fn pursue(&mut self, goal: &str, judges: bool) -> anyhow::Result<Outcome> {
        let mut brain = PersonBrain::new(self.hub.clone());
        let mut hands = Hands {
            brain: &mut brain,
            approver: &mut DenyAll,
            budgets: Budgets {
                steps: STEPS,
                time: Duration::from_hours(24),
                ..Budgets::default()
            },
        };
        let task = self.task.clone();
        let check = judges.then(|| Box::new(move |browser: &mut _| task.state(browser)) as Check<'_>);
        let name = self.task.name.clone();
        self.worksite
            .pursue(goal, &name, check, None, &mut hands, &mut |_| ())
    }

    /// Keeps what was shown, if it is what the goal asks for.
    fn judge(
        &self,
        episode: &mut Episode<'_>,
        seed: u64,
        goal: &str,
        outcome: &Outcome,
        judges: bool,
    ) -> anyhow::Result<Shown> {
        let not = |why: &str| Ok(Shown::Not(why.to_owned()));
        match outcome.end.kind {
            EndKind::Stopped => return Ok(Shown::Stopped),
            _ if self.hub.is_dropped() => return not("it was dropped"),
            EndKind::Reached => {}
            EndKind::Finished if !judges => {}
            EndKind::Finished => return not("the page does not count its goal as met"),
            _ => return Ok(Shown::Not(outcome.end.message.clone())),
        }
        if self.used_window(&outcome.run)? {
            return not("a part of it was done in the browser's own window, where it is not seen");
        }
        episode.set_goal(goal);
        let journal = self.worksite.journal();
        let purposes = self.purposes.as_ref();
        let purposes = purposes.map(|purposes| purposes as &dyn Purposes);
        let steps = steps(episode, seed, journal, &outcome.run, &self.glimpses, purposes)?;
        Ok(Shown::Kept(episode.write_steps(&steps)?))
    }

    fn used_window(&self, run: &RunId) -> anyhow::Result<bool> {
        let records = self.worksite.journal().records(run)?;
        Ok(records
            .iter()
            .any(|record| matches!(record.event, Event::Window(_))))
    }
}
