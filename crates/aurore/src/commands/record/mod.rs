//! `aurore record`: what a person shows, what experts do, and drawn screens, as training data.

mod drawn;
mod shown;
mod tasks;
mod workflows;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::eval::Seeds;
use crate::browser::BrowserChoice;
use crate::global::Global;
use crate::workflows::SuiteChoice;

/// Options of `aurore record`.
#[derive(clap::Args)]
pub struct Args {
    /// Workflows over several apps, small pages (`miniwob`, `bundled`), or screens drawn without a browser; with
    /// `--browser`, what a person shows.
    #[arg(default_value = "workflows")]
    what: What,
    /// Show it yourself: this page, a whole address or a file of HTML, is operated by hand through a page of this machine,
    /// once for each seed. `{seed}` in the address stands for the seed.
    #[arg(long = "browser", value_name = "ADDRESS", conflicts_with_all = ["what", "suite", "family", "tasks", "corrections_of", "sparse", "full", "language"])]
    address: Option<String>,
    /// Shown by hand: what is to be reached, in your words; `{seed}` in it stands for the seed. Given several times, each
    /// is for one episode, and the last one for all that follow. What the page itself names as its goal if absent.
    #[arg(long = "goal", value_name = "TEXT", requires = "address")]
    goals: Vec<String>,
    /// Shown by hand: hide fields whose label has this text in it, in pictures and in what is typed, as those for passwords
    /// and payment data are hidden; may be given several times.
    #[arg(long = "mask", value_name = "LABEL", requires = "address")]
    masks: Vec<String>,
    /// Shown by hand: this model says in a line what a step is for where you do not; words that only tell what is done if
    /// absent.
    #[arg(long, value_name = "NAME|PATH", requires = "address")]
    purposes_by: Option<String>,
    /// Shown by hand: the port of the page; a free one if 0.
    #[arg(long, default_value_t = 0, value_name = "PORT", requires = "address")]
    watch_port: u16,
    /// Where episodes go, a file each with its frames beside it. Those that are there already are not recorded again.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Workflows: the families of these apps alone.
    #[arg(long, value_name = "APPS", value_enum)]
    suite: Option<SuiteChoice>,
    /// Workflows: these families of goals alone, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    family: Vec<String>,
    /// Small pages: these tasks alone, with commas between; all that the expert knows if absent.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "all",
        hide_default_value = true
    )]
    tasks: Vec<String>,
    /// Small pages: this model decides, and the expert says in each state that it gets into what should be done there.
    #[arg(long, value_name = "NAME|PATH")]
    corrections_of: Option<String>,
    /// Drawn screens: little on each, for a beginning.
    #[arg(long)]
    sparse: bool,
    /// Drawn screens: as much on each as there is room for.
    #[arg(long, conflicts_with = "sparse")]
    full: bool,
    /// Seeds: `A..B` without B, or `A..=B` with it. Those from 2000000 on are kept for measuring.
    #[arg(long, value_name = "A..B", default_value = "0..10")]
    seeds: Seeds,
    /// Workflows: goals in these languages alone: en, fr, zh, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "CODES", value_parser = ["en", "fr", "zh"])]
    language: Vec<String>,
    #[command(flatten)]
    browser: BrowserChoice,
    /// The folder of the MiniWoB++ pages, if it is not where set-up puts them.
    #[arg(long, value_name = "DIR")]
    miniwob: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Workflows,
    Miniwob,
    Bundled,
    Drawn,
}

/// What came of a recording.
#[derive(Debug, Default)]
struct Recorded {
    episodes: u64,
    steps: usize,
    /// Episodes that did not meet their goal; they are not kept.
    failed: u64,
    /// Episodes after one another that could not even be played.
    lost: u32,
}

/// Runs the command. It fails if an episode did not meet its goal; that one is not kept.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    if let Some(address) = &args.address {
        return shown::run(address, &args, global);
    }
    let recorded = match args.what {
        What::Workflows => workflows::run(&args, global)?,
        What::Miniwob | What::Bundled => tasks::run(&args, global)?,
        What::Drawn => drawn::run(&args, global)?,
    };
    let Some(Recorded {
        episodes,
        steps,
        failed,
        ..
    }) = recorded
    else {
        eprintln!("stopped; what was recorded is whole, and the same command goes on from here");
        return Ok(ExitCode::FAILURE);
    };
    if global.json {
        println!(
            "{}",
            json!({"episodes": episodes, "steps": steps, "failed": failed})
        );
    } else {
        println!("{episodes} episodes of {steps} steps in {}", args.out.display());
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
