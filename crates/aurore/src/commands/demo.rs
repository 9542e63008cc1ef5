//! `aurore demo`: several goals in a real browser, on the embedded model, with a report at the end.

mod journey;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aurore_agent::{Budgets, DenyAll, Journal, RunId, reveal};
use serde_json::json;

use super::agent::write_report;
use crate::adapters::AdapterChoice;
use crate::brains::{self, Mind};
use crate::browser::BrowserChoice;
use crate::failure::hinted;
use crate::folders;
use crate::global::Global;
use crate::models::ModelChoice;
use crate::rules;
use crate::steps::StepPrinter;
use crate::style::{Look, Style};
use crate::tasks::{MiniWob, Site, Suite, Task};
use crate::worksite::{Hands, Outcome, Worksite};

/// Options of `aurore demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelChoice,
    #[command(flatten)]
    browser: BrowserChoice,
    /// Instead: a flight, a hotel and a calendar, in three apps, decided by the apps' own expert.
    #[arg(long, conflicts_with_all = ["model", "goals", "miniwob", "no_miniwob", "scripts"])]
    journey: bool,
    /// Only these goals: names of pages, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    goals: Vec<String>,
    /// Other pages of the same kinds.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// The folder of the MiniWoB++ pages, if it is not where set-up puts them.
    #[arg(long, value_name = "DIR")]
    miniwob: Option<PathBuf>,
    /// The bundled pages alone.
    #[arg(long, conflicts_with = "miniwob")]
    no_miniwob: bool,
    /// Where the report goes; into the data folder if absent.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where journals are kept.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Take the decisions of each goal from NAME.jsonl in this folder instead of a model.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// What a goal of the demo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The page says that the goal is met.
    Reached,
    /// The rules ask, nobody is there, and so nothing happens.
    Refused,
}

/// The goals, in the order in which they are shown. Their seeds were never trained on.
const GOALS: &[(Suite, &str, u64, Expected)] = &[
    (Suite::Bundled, "cookies", 2_000_001, Expected::Reached),
    (Suite::Bundled, "dialog", 2_000_002, Expected::Reached),
    (Suite::Bundled, "colour", 2_000_003, Expected::Reached),
    (Suite::Bundled, "newsletter", 2_000_004, Expected::Reached),
    (Suite::Bundled, "tabs", 2_000_006, Expected::Reached),
    (Suite::MiniWob, "click-test", 2_000_001, Expected::Reached),
    (Suite::MiniWob, "click-dialog", 2_000_002, Expected::Reached),
    (Suite::MiniWob, "enter-date", 2_000_003, Expected::Reached),
    (Suite::MiniWob, "login-user", 2_000_004, Expected::Reached),
    (Suite::Bundled, "checkout", 2_000_006, Expected::Refused),
];

/// Most steps of a goal: one to five suffice.
const STEPS: u32 = 8;

/// Most time of a goal.
const TIME: Duration = Duration::from_mins(1);

struct Goal {
    task: Task,
    seed: u64,
    expected: Expected,
}

/// Runs the command. Exit code 0 when every goal went as expected.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args.journey {
        return journey::run(&args, global);
    }
    let began = Instant::now();
    let miniwob = if args.no_miniwob {
        None
    } else {
        MiniWob::find(args.miniwob.as_deref())?
    };
    let goals = choose(&args, miniwob.as_ref())?;
    let rules = rules::load(&[])?;
    let journal = Journal::in_folder(&folders::journals(args.journal.as_deref())?)?;
    let site = Site::start(miniwob.as_ref())?;
    let mut mind = match &args.scripts {
        Some(folder) => brains::script(&script_of(folder, &goals)?)?,
        None => brains::network(
            &args.model,
            &AdapterChoice::default(),
            args.threads,
            &global.interrupted,
        )?,
    };
    let mut choice = args.browser.clone();
    // The pages are made for this size, whoever looks at them.
    choice.viewport = choice.viewport.or(Some(aurore_action::Size {
        width: 160,
        height: 210,
    }));
    let mut worksite = Worksite::open(&choice, mind.settings, journal, rules, &global.interrupted)?;

    let mut show = Show::new(global);
    show.opening(&mind, goals.len(), miniwob.is_some());
    let mut runs: Vec<RunId> = Vec::new();
    let mut as_expected = 0;
    for (index, goal) in goals.iter().enumerate() {
        if global.is_interrupted() {
            break;
        }
        if let Some(folder) = &args.scripts {
            mind = brains::script(&folder.join(format!("{}.jsonl", goal.task)))?;
        }
        let outcome = work(
            &mut worksite,
            &site,
            goal,
            &mut mind,
            &mut show,
            (index, goals.len()),
        )?;
        let well = match goal.expected {
            Expected::Reached => outcome.end.is_success(),
            Expected::Refused => outcome.is_refused(),
        };
        as_expected += usize::from(well);
        runs.push(outcome.run.clone());
        show.goal_ended(goal, &outcome, well);
    }
    let report = report_file(&args, &runs)?;
    write_report(worksite.journal(), &runs, &report, Some("Aurore demo"))?;
    show.closing(as_expected, goals.len(), began.elapsed(), &report);
    Ok(if as_expected == goals.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn work(
    worksite: &mut Worksite,
    site: &Site,
    goal: &Goal,
    mind: &mut Mind,
    show: &mut Show<'_>,
    place: (usize, usize),
) -> anyhow::Result<Outcome> {
    let mut nobody = DenyAll;
    let mut hands = Hands {
        brain: mind.brain.as_mut(),
        approver: &mut nobody,
        budgets: Budgets {
            steps: STEPS,
            time: TIME,
            ..Budgets::default()
        },
    };
    let shown = &*show;
    worksite.work(
        site,
        &goal.task,
        goal.seed,
        &mut hands,
        &mut |words| shown.goal_began(goal, words, place),
        &mut |step| shown.step(goal, step),
    )
}

fn choose(args: &Args, miniwob: Option<&MiniWob>) -> anyhow::Result<Vec<Goal>> {
    for name in &args.goals {
        if !GOALS.iter().any(|(_, known, _, _)| known == name) {
            let names: Vec<&str> = GOALS.iter().map(|(_, name, _, _)| *name).collect();
            return Err(hinted(
                format!("the demo has no goal `{name}`"),
                format!("it has: {}", names.join(", ")),
            ));
        }
    }
    let goals: Vec<Goal> = GOALS
        .iter()
        .filter(|(_, name, _, _)| args.goals.is_empty() || args.goals.iter().any(|wanted| wanted == name))
        .filter(|(suite, name, _, _)| {
            *suite != Suite::MiniWob || miniwob.is_some_and(|pages| pages.has(name))
        })
        .map(|&(suite, name, seed, expected)| Goal {
            task: match suite {
                Suite::MiniWob => Task::miniwob(name),
                Suite::Bundled | Suite::Own => Task::bundled(name),
            },
            seed: seed.wrapping_add(args.seed),
            expected,
        })
        .collect();
    if goals.is_empty() {
        // Only MiniWoB++ goals were named, and its pages are not here.
        MiniWob::required(args.miniwob.as_deref())?;
    }
    Ok(goals)
}

/// The script that the first goal takes, to tell early that the folder is none.
fn script_of(folder: &Path, goals: &[Goal]) -> anyhow::Result<PathBuf> {
    let first = goals
        .first()
        .ok_or_else(|| hinted("there is no goal", "name some: --goals cookies,tabs"))?;
    Ok(folder.join(format!("{}.jsonl", first.task)))
}

fn report_file(args: &Args, runs: &[RunId]) -> anyhow::Result<PathBuf> {
    if let Some(file) = &args.report {
        return Ok(file.clone());
    }
    let name = runs
        .first()
        .map_or_else(|| "none".to_owned(), ToString::to_string);
    let data = folders::data().ok_or_else(|| {
        hinted(
            "there is no home folder to keep the report in",
            "name a file: --report FILE",
        )
    })?;
    Ok(data.join("reports").join(format!("demo-{name}.html")))
}

/// Prints the demo.
struct Show<'a> {
    global: &'a Global,
    style: Style,
    steps: StepPrinter,
}

impl<'a> Show<'a> {
    fn new(global: &'a Global) -> Self {
        Self {
            global,
            style: Style::new(global.color),
            steps: StepPrinter::new(global.color),
        }
    }

    fn opening(&self, mind: &Mind, goals: usize, has_miniwob: bool) {
        if self.global.json {
            return;
        }
        println!("{}", self.style.paint(Look::Bold, "Aurore demo"));
        println!("{}", mind.description);
        println!(
            "{goals} goals; the model sees pixels and the goal, the rules see what stands under the pointer"
        );
        if !has_miniwob {
            println!("MiniWoB++ pages are not here (`cargo xtask setup` fetches them): bundled pages alone");
        }
    }

    fn goal_began(&self, goal: &Goal, words: &str, (index, count): (usize, usize)) {
        if self.global.json {
            println!(
                "{}",
                json!({"event": "goal", "name": goal.task.name, "seed": goal.seed, "goal": words})
            );
            return;
        }
        println!();
        let suite = match goal.task.suite {
            Suite::Bundled => "bundled page",
            Suite::MiniWob => "MiniWoB++",
            Suite::Own => "own page",
        };
        println!(
            "{}  {}",
            self.style.paint(
                Look::Bold,
                format!("Goal {} of {count}: {}", index + 1, reveal(words, false))
            ),
            self.style
                .paint(Look::Dim, format!("({suite} {}, seed {})", goal.task, goal.seed)),
        );
    }

    fn step(&self, goal: &Goal, step: &aurore_agent::StepReport) {
        if self.global.json {
            println!(
                "{}",
                json!({"event": "step", "name": goal.task.name, "step": step})
            );
        } else {
            self.steps.print(step);
        }
    }

    fn goal_ended(&self, goal: &Goal, outcome: &Outcome, well: bool) {
        if self.global.json {
            println!(
                "{}",
                json!({"event": "outcome", "name": goal.task.name, "as_expected": well, "outcome": outcome})
            );
            return;
        }
        let words = match (goal.expected, well) {
            (Expected::Reached, true) => "reached, says the page".to_owned(),
            (Expected::Refused, true) => {
                "refused, as it should be: the rules ask before this, and nobody is there".to_owned()
            }
            (Expected::Reached, false) => format!("not reached: {}", reveal(&outcome.end.message, false)),
            (Expected::Refused, false) => format!(
                "should have been refused: {}",
                reveal(&outcome.end.message, false)
            ),
        };
        let (look, mark) = if well {
            (Look::Green, "✓")
        } else {
            (Look::Red, "✗")
        };
        println!("  {}", self.style.paint(look, format!("{mark} {words}")));
    }

    fn closing(&self, as_expected: usize, goals: usize, time: Duration, report: &Path) {
        if self.global.json {
            println!(
                "{}",
                json!({
                    "event": "summary", "as_expected": as_expected, "goals": goals,
                    "seconds": time.as_secs_f64(), "report": report,
                })
            );
            return;
        }
        let look = if as_expected == goals {
            Look::Green
        } else {
            Look::Red
        };
        println!();
        println!(
            "{} in {:.0} s",
            self.style
                .paint(look, format!("{as_expected} of {goals} goals went as expected")),
            time.as_secs_f64()
        );
        println!("report: {}", report.display());
    }
}
