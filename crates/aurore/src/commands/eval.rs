//! `aurore eval`: success rates on a suite of tasks.

mod episode;
mod workflows;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use aurore_agent::{EndKind, Journal};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::adapters::AdapterChoice;
use crate::brains::{self, Mind};
use crate::browser::BrowserChoice;
use crate::failure::hinted;
use crate::folders;
use crate::global::Global;
use crate::models::ModelChoice;
use crate::remote::{self, RemoteChoice};
use crate::rules;
use crate::style::{Look, Style};
use crate::tasks::{BUNDLED, MiniWob, OwnPage, Site, Task, TaskExpert};
use crate::workflows::SuiteChoice;
use crate::worksite::{Outcome, Worksite};

use episode::not_given_up;
pub(super) use episode::{Terms, corrected, episode};

/// Options of `aurore eval`.
#[derive(clap::Args)]
pub struct Args {
    /// Small pages (`miniwob`, `bundled`), workflows over several apps, or a page of your own.
    suite: SuiteName,
    /// Your own page: a file of HTML, or a whole address in which `{seed}` stands for the seed. It sets its goal and judges
    /// it, as docs/episodes.md says.
    #[arg(long, value_name = "ADDRESS", required_if_eq("suite", "page"))]
    page: Option<String>,
    /// Names of tasks, with commas between; `all` for every task of the suite.
    #[arg(long, value_delimiter = ',', value_name = "NAMES",
        required_if_eq_any([("suite", "miniwob"), ("suite", "bundled")]))]
    tasks: Vec<String>,
    /// Workflows: these families of goals alone, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    family: Vec<String>,
    /// Workflows: the families of these apps alone.
    #[arg(long = "suite", id = "of_suite", value_name = "APPS", value_enum)]
    of_suite: Option<SuiteChoice>,
    /// An expert that knows the pages decides, not a model. Workflows fail unless every goal is met and the questions
    /// are those that it calls for.
    #[arg(long, conflicts_with_all = ["model", "script", "model_url"])]
    expert: bool,
    /// Answer every question with no instead of yes, to see how who decides takes it. The expert then fails unless it
    /// ends each episode in which something was refused itself, saying why, with nothing done that was asked about.
    #[arg(long)]
    refuse: bool,
    /// Workflows: take the decisions of each episode from a file of tool calls instead of a model.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "model_url"])]
    script: Option<PathBuf>,
    /// Seeds: `A..B` without B, or `A..=B` with it. The same seeds give the same episodes. A hundred from 2000000 on
    /// if absent; ten of them for workflows.
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Most steps of an episode. If absent: 6 on the bundled pages, 20 on MiniWoB++ and on a page of your own, 40 for
    /// workflows and experts.
    #[arg(long, value_name = "N")]
    max_steps: Option<u32>,
    #[command(flatten)]
    model: ModelChoice,
    #[command(flatten)]
    adapter: AdapterChoice,
    #[command(flatten)]
    remote: RemoteChoice,
    #[command(flatten)]
    browser: BrowserChoice,
    /// The folder of the MiniWoB++ pages, if it is not where set-up puts them.
    #[arg(long, value_name = "DIR")]
    miniwob: Option<PathBuf>,
    /// Keep the episodes' journals in this folder; they are thrown away if absent.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SuiteName {
    Miniwob,
    Bundled,
    Workflows,
    Page,
}

/// Most steps for who does not err, if no other limit is named. No workflow needs more than 25.
pub(super) const EXPERT_STEPS: u32 = 40;

impl SuiteName {
    /// Most steps for a model, if no other limit is named: twice and more of what its longest goals need.
    fn steps(self) -> u32 {
        match self {
            Self::Bundled => 6,
            Self::Miniwob | Self::Page => 20,
            Self::Workflows => EXPERT_STEPS,
        }
    }
}

impl Args {
    /// The model that decides, here or on a server; and its name.
    fn mind(&self, global: &Global) -> anyhow::Result<(Mind, String)> {
        let Some(url) = &self.remote.model_url else {
            let mind = brains::network(&self.model, &self.adapter, self.threads, &global.interrupted)?;
            let name = format!("{}{}", self.model.model, self.adapter.note());
            return Ok((mind, name));
        };
        let mind = remote::connect(url, &self.remote, &self.adapter, &global.interrupted)?;
        let name = mind.brain.principal().0;
        Ok((mind, name.strip_prefix("model:").unwrap_or(&name).to_owned()))
    }

    /// The person's own page as the one task, and who serves it.
    fn own_page(&self, named: &str) -> anyhow::Result<(Vec<Task>, Site)> {
        if self.expert {
            return Err(hinted(
                "no expert knows a page of your own",
                "leave --expert out; `aurore record --browser` lets you show how it is done",
            ));
        }
        let page = OwnPage::find(named)?;
        let task = page.task();
        let site = match page.into_site() {
            Some(site) => site,
            None => Site::start(None)?,
        };
        Ok((vec![task], site))
    }

    /// A server that gives no answers says nothing about its model: rates over such episodes would.
    fn check(&self, outcome: &Outcome) -> anyhow::Result<()> {
        if self.remote.model_url.is_some() && outcome.end.kind == EndKind::Failed {
            return Err(hinted(
                format!("an episode could not be finished: {}", outcome.end.message),
                "start again once the server answers; what was measured so far is not shown",
            ));
        }
        Ok(())
    }

    /// Families of goals by name: a family is a task.
    fn families(&self) -> impl Iterator<Item = &str> {
        self.family.iter().chain(&self.tasks).map(|name| name.trim())
    }
}

/// Seeds from the first up to, but without, the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seeds {
    text: String,
    first: u64,
    end: u64,
}

/// More episodes of one task than this are a mistake.
const MOST_SEEDS: u64 = 1_000_000;

impl Seeds {
    /// Seeds that no model was trained on: a hundred,
    fn many() -> Self {
        Self::held_out(100)
    }

    /// and fewer, where an episode is long.
    fn few() -> Self {
        Self::held_out(10)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.end - self.first
    }

    /// Each of them.
    pub(super) fn all(&self) -> std::ops::Range<u64> {
        self.first..self.end
    }

    fn held_out(count: u64) -> Self {
        let (first, end) = (2_000_000, 2_000_000 + count);
        Self {
            text: format!("{first}..{end}"),
            first,
            end,
        }
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            digits
                .trim()
                .parse::<u64>()
                .map_err(|_| format!("`{digits}` is no seed"))
        };
        let (first, end) = match text.split_once("..") {
            None => {
                let first = number(text)?;
                (first, first.saturating_add(1))
            }
            Some((first, end)) => match end.strip_prefix('=') {
                Some(last) => (number(first)?, number(last)?.saturating_add(1)),
                None => (number(first)?, number(end)?),
            },
        };
        if end <= first || end - first > MOST_SEEDS {
            return Err(format!("1 to {MOST_SEEDS} seeds, written as 0..100"));
        }
        Ok(Self {
            text: text.to_owned(),
            first,
            end,
        })
    }
}

/// What is printed of a task.
#[derive(Debug, Serialize)]
struct Line<'a> {
    suite: &'a str,
    task: &'a str,
    model: &'a str,
    episodes: u64,
    success_rate: f64,
    steps_mean: f64,
    seconds_per_step: f64,
    asked_per_episode: f64,
    denied_per_episode: f64,
    seeds: &'a str,
}

/// Sums over a task's episodes.
#[derive(Debug, Default)]
struct Tally {
    episodes: u64,
    successes: u64,
    steps: u64,
    seconds: f64,
    asked: u64,
    denied: u64,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome, success: bool) {
        self.episodes += 1;
        self.successes += u64::from(success);
        self.steps += u64::from(outcome.steps);
        self.seconds += outcome.seconds;
        self.asked += u64::from(outcome.asked);
        self.denied += u64::from(outcome.denied);
    }

    fn line<'a>(&self, suite: &'a str, task: &'a str, model: &'a str, seeds: &'a str) -> Line<'a> {
        let per_episode = |sum: f64| sum / (self.episodes.max(1) as f64);
        Line {
            suite,
            task,
            model,
            episodes: self.episodes,
            success_rate: per_episode(self.successes as f64),
            steps_mean: per_episode(self.steps as f64),
            seconds_per_step: self.seconds / (self.steps.max(1) as f64),
            asked_per_episode: per_episode(self.asked as f64),
            denied_per_episode: per_episode(self.denied as f64),
            seeds,
        }
    }
}

/// Runs the command. It exits 0 whatever the rates are: measuring them is what was asked. Only an expert that is told no
/// and does not give up is a failure.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let miniwob = match args.suite {
        SuiteName::Workflows => return workflows::run(&args, global),
        SuiteName::Miniwob => Some(MiniWob::required(args.miniwob.as_deref())?),
        SuiteName::Bundled | SuiteName::Page => None,
    };
    let seeds = args.seeds.clone().unwrap_or_else(Seeds::many);
    let (tasks, site) = match (&args.page, args.suite) {
        (Some(named), SuiteName::Page) => args.own_page(named)?,
        _ => (
            choose(&args.tasks, miniwob.as_ref(), args.expert)?,
            Site::start(miniwob.as_ref())?,
        ),
    };
    let scratch = Scratch::new(args.journal.clone())?;
    let journal = Journal::in_folder(&scratch.folder)?;
    let (mut mind, model, most_steps) = if args.expert {
        (None, TaskExpert::NAME.to_owned(), EXPERT_STEPS)
    } else {
        let (mind, name) = args.mind(global)?;
        (Some(mind), name, args.suite.steps())
    };
    let mut choice = args.browser.clone();
    choice.viewport = choice.viewport.or(Some(aurore_action::Size {
        width: 160,
        height: 210,
    }));
    let mut worksite = Worksite::open(
        &choice,
        mind.as_ref().map(|mind| mind.settings).unwrap_or_default(),
        journal,
        rules::load(&[])?,
        &global.interrupted,
    )?;
    keep_away(&mut worksite, mind.as_ref());
    let suite = match args.suite {
        SuiteName::Page => "page",
        _ if miniwob.is_some() => "miniwob",
        _ => "bundled",
    };
    let terms = Terms {
        steps: args.max_steps.unwrap_or(most_steps),
        refuse: args.refuse,
    };
    let mut failed = 0_u64;
    print_head(global);
    for task in &tasks {
        let mut tally = Tally::default();
        let progress = progress(seeds.count(), &task.name);
        for seed in seeds.all() {
            if global.is_interrupted() {
                break;
            }
            let outcome = episode(&mut worksite, &site, task, seed, mind.as_mut(), terms)?;
            args.check(&outcome)?;
            let met = outcome.end.kind == EndKind::Reached;
            let wrong = not_given_up(&outcome, met).filter(|_| args.expert && args.refuse);
            if let Some(wrong) = wrong {
                failed += 1;
                progress.suspend(|| eprintln!("{task} {seed}: {wrong}; it ended: {}", outcome.end.message));
            }
            tally.add(&outcome, met);
            progress.set_message(format!("{} of {} reached", tally.successes, tally.episodes));
            progress.inc(1);
        }
        progress.finish_and_clear();
        if global.is_interrupted() {
            // Rates over a part of the seeds would look like rates over all of them.
            eprintln!("stopped in the middle of `{task}`; its numbers are not shown");
            return Ok(ExitCode::FAILURE);
        }
        print_line(global, &tally.line(suite, &task.name, &model, &seeds.text))?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{failed} episodes of the expert are not as they should be");
        ExitCode::FAILURE
    })
}

/// A model's server is none of the pages' business.
fn keep_away(worksite: &mut Worksite, mind: Option<&Mind>) {
    if let Some(mind) = mind {
        worksite.keep_away_from(&mind.controls);
    }
}

/// The head of the table, for people.
fn print_head(global: &Global) {
    if !global.json {
        let head = format!(
            "{:<24} {:>8} {:>8} {:>6} {:>7} {:>6} {:>7}",
            "task", "episodes", "success", "steps", "s/step", "asked", "denied"
        );
        println!("{}", Style::new(global.color).paint(Look::Bold, head));
    }
}

fn print_line(global: &Global, line: &Line<'_>) -> anyhow::Result<()> {
    if global.json {
        println!("{}", serde_json::to_string(line)?);
    } else {
        println!(
            "{:<24} {:>8} {:>7.0}% {:>6.2} {:>7.2} {:>6.2} {:>7.2}",
            line.task,
            line.episodes,
            100.0 * line.success_rate,
            line.steps_mean,
            line.seconds_per_step,
            line.asked_per_episode,
            line.denied_per_episode
        );
    }
    Ok(())
}

/// Tasks by name; with `expert` only those that it knows.
pub(super) fn choose(names: &[String], miniwob: Option<&MiniWob>, expert: bool) -> anyhow::Result<Vec<Task>> {
    let all: Vec<String> = match miniwob {
        Some(pages) => pages.tasks(),
        None => BUNDLED.iter().map(|(name, _)| (*name).to_owned()).collect(),
    };
    let task = |name: &str| match miniwob {
        Some(_) => Task::miniwob(name),
        None => Task::bundled(name),
    };
    let all: Vec<String> = all
        .into_iter()
        .filter(|name| !expert || TaskExpert::knows(&task(name)))
        .collect();
    if names.iter().any(|name| name == "all") {
        return Ok(all.iter().map(|name| task(name)).collect());
    }
    names
        .iter()
        .map(|name| {
            let name = name.trim();
            if all.iter().any(|known| known == name) {
                Ok(task(name))
            } else {
                Err(hinted(
                    format!(
                        "the suite has no task `{name}`{}",
                        if expert { " that the expert knows" } else { "" }
                    ),
                    format!("it has: {}", all.join(", ")),
                ))
            }
        })
        .collect()
}

pub(super) fn progress(episodes: u64, task: &str) -> ProgressBar {
    // Drawn on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(episodes);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} (about {eta} left)")
    {
        bar.set_style(style);
    }
    bar.set_prefix(task.to_owned());
    bar
}

/// The folder of the episodes' journals, removed at the end unless it was named.
pub(super) struct Scratch {
    pub(super) folder: PathBuf,
    keep: bool,
}

impl Scratch {
    pub(super) fn new(named: Option<PathBuf>) -> anyhow::Result<Self> {
        let keep = named.is_some();
        let folder = match named {
            Some(folder) => folder,
            None => folders::journals(None)?.with_file_name(format!("eval-{}", std::process::id())),
        };
        Ok(Self { folder, keep })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_or_without_its_end() {
        let range = |text: &str| Seeds::from_str(text).map(|seeds| (seeds.first, seeds.end));
        assert_eq!(range("5..10"), Ok((5, 10)));
        assert_eq!(range("5..=10"), Ok((5, 11)));
        assert_eq!(range("7"), Ok((7, 8)));
        for wrong in ["10..5", "5..5", "..", "a..b", "-1..3", "0..99999999999", ""] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_has_means_over_episodes_and_steps() {
        let tally = Tally {
            episodes: 4,
            successes: 3,
            steps: 8,
            seconds: 4.0,
            asked: 2,
            denied: 1,
        };
        let line = serde_json::to_value(tally.line("miniwob", "click-test", "nano", "0..4")).unwrap();
        let expected = serde_json::json!({
            "suite": "miniwob", "task": "click-test", "model": "nano", "episodes": 4, "success_rate": 0.75,
            "steps_mean": 2.0, "seconds_per_step": 0.5, "asked_per_episode": 0.5, "denied_per_episode": 0.25,
            "seeds": "0..4",
        });
        assert_eq!(line, expected);
    }
}
