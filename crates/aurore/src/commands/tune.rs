//! `aurore tune`: teaches a checkpoint from a few episodes, as an adapter that stands beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_checkpoint::Checkpoint;
use aurore_trainer::{
    BatchSettings, DataSettings, ExpertSettings, KeepSettings, LoraSettings, OptimiserSettings, Projections,
    Schedule, Settings, Trainer, Width,
};

use crate::global::Global;
use crate::models;
use crate::teaching::{Lessons, Teaching};

/// Options of `aurore tune`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// What is taught: `nano`, a checkpoint folder, or a file that `aurore quantize` packed. It stays as it is.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Recorded steps: a file (*.jsonl), or a folder of such files. May be repeated.
    #[arg(long, required = true, value_name = "EPISODES")]
    data: Vec<PathBuf>,
    /// Recorded steps of what it can do already and is not to forget: they are seen among the others. May be repeated.
    #[arg(long, value_name = "EPISODES")]
    rehearse: Vec<PathBuf>,
    /// Which part of all that is seen are steps that are rehearsed.
    #[arg(long, default_value_t = 0.5, value_name = "X", requires = "rehearse")]
    share: f32,
    /// The adapter's folder; made if it is not there. A run that was stopped goes on where it was.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Recorded steps that are never learnt from, to measure on. May be repeated.
    #[arg(long, value_name = "EPISODES")]
    evaluate: Vec<PathBuf>,
    /// How much the adapter can hold: the rank of what it adds to each matrix.
    #[arg(long, default_value_t = 16, value_name = "N")]
    rank: usize,
    /// What is added counts alpha / rank; twice the rank if absent.
    #[arg(long, value_name = "X")]
    alpha: Option<f32>,
    /// Which matrices it adds to.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [On::Attention, On::Deltanet, On::Mlp])]
    on: Vec<On>,
    /// Steps of learning; if absent as many as show each sample ten times, and at least 30, or 2000 for models of less than
    /// 100 million parameters.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Samples of a step.
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// How fast it learns; 0.0002 if absent, for models of less than 100 million parameters 0.001.
    #[arg(long, value_name = "X")]
    rate: Option<f32>,
    /// Also teach the questions that stand beside recorded steps: more of what is on their screens, less of what is done.
    #[arg(long)]
    questions: bool,
    /// What it counts that attention looks at the part of the picture that an answer is about (docs/training.md).
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    grounding: f32,
    /// Pixels, at most, that pictures and all points with them are moved each time that they are seen: a few episodes are
    /// then not remembered to the pixel.
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    shift: u16,
    /// Decides initial numbers and the order of samples.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// At the end also write the whole checkpoint that model and adapter make together, to DIR/merged.
    #[arg(long)]
    merge: bool,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Matrices that an adapter adds to. (A line of its own for each would make the help long.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum On {
    Attention,
    Deltanet,
    Mlp,
    Vision,
}

const EXAMPLE: &str = "\
Ten steps that were shown to it, and what it made of them:
  aurore tune nano --data episodes --out mine
  aurore run \"Close the message.\" --image shot.png --adapter mine

docs/tuning.md says what episodes look like and how adapters are used.";

/// Parameters from which on a model is large: it learns more slowly, and keeps less of a pass in memory.
const LARGE: u64 = 100_000_000;
/// How often each sample is seen.
const TIMES: u64 = 10;
/// What the digits of a coordinate count: hundreds and tens say where something is.
const DIGITS: [f32; 3] = [2.0, 1.5, 1.0];
/// The fewest steps in which something is taught: small models need many, and have the time for them.
const FEWEST: u64 = 30;
const FEWEST_OF_SMALL: u64 = 2000;

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let start = models::open(&args.model)?;
    let config = start.config().clone();
    let data = DataSettings {
        train: args.data.clone(),
        rehearse: args.rehearse.clone(),
        share: args.share,
        evaluate: args.evaluate.clone(),
        evaluate_samples: 256,
        questions: args.questions,
        digits: DIGITS.to_vec(),
        shift: args.shift,
    };
    let lessons = Lessons::open(&data, &start, &config, "--data", false)?;
    let settings = settings(&args, data, &start, lessons.count());
    settings.check("aurore tune")?;
    let lora = settings.lora.clone().unwrap_or_default();
    let trainer = Trainer::tune(&settings, &config, &start, &lora)?;
    let mut teaching = Teaching::begin(start, lessons, trainer, global)?;
    let finished = teaching.steps(global)?;
    let merged = if args.merge && finished {
        teaching.merge()?
    } else {
        None
    };
    teaching.end(finished, merged.as_deref())
}

fn settings(args: &Args, data: DataSettings, start: &Checkpoint, samples: usize) -> Settings {
    let is_large = start.total_parameters() >= LARGE;
    let batch = args.batch.max(1) as u64;
    let total = args.steps.unwrap_or_else(|| {
        let fewest = if is_large { FEWEST } else { FEWEST_OF_SMALL };
        let taught = (TIMES * samples as u64).div_ceil(batch).max(fewest);
        // What is rehearsed takes its part of each step.
        let part = if args.rehearse.is_empty() {
            1.0
        } else {
            (1.0 - args.share).max(0.05)
        };
        (taught as f64 / f64::from(part)).ceil() as u64
    });
    let every = (total / 10).max(1);
    Settings {
        output: args.out.clone(),
        start: args.model.clone(),
        fresh: false,
        shape: None,
        seed: args.seed,
        lanes: 2,
        threads: args.threads.unwrap_or(0),
        precision: Width::Bf16,
        recompute: is_large,
        data,
        batch: BatchSettings {
            samples: args.batch,
            tokens: 1024,
        },
        steps: Schedule {
            total,
            warm_up: total / 20,
            decay: total / 2,
        },
        optimiser: OptimiserSettings {
            rate: args.rate.unwrap_or(if is_large { 2e-4 } else { 1e-3 }),
            weight_decay: 0.0,
            ..OptimiserSettings::default()
        },
        // The router stays as it is.
        experts: ExpertSettings {
            balance: 0.0,
            ..ExpertSettings::default()
        },
        grounding: args.grounding,
        early: 0.0,
        reading: 0.0,
        tower_alone: false,
        keep: KeepSettings {
            every,
            evaluate_every: every,
            ..KeepSettings::default()
        },
        lora: Some(LoraSettings {
            rank: args.rank,
            alpha: args.alpha.unwrap_or(2.0 * args.rank as f32),
            on: args.on.iter().map(|on| on.projections()).collect(),
        }),
    }
}

impl On {
    fn projections(self) -> Projections {
        match self {
            Self::Attention => Projections::Attention,
            Self::Deltanet => Projections::Deltanet,
            Self::Mlp => Projections::Mlp,
            Self::Vision => Projections::Vision,
        }
    }
}
