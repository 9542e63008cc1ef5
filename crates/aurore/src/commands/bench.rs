//! `aurore bench`: tokens per second, beside what this machine could do at best.

mod agent;
mod beside;
mod figures;
mod image;
mod kernels;
mod reading;
mod start;
mod text;

use std::process::ExitCode;
use std::time::Instant;

use aurore_checkpoint::{Checkpoint, Config, LayerType, OFFICIAL, RandomWeights};
use aurore_kernels::{Cpu, Isa};
use aurore_model::{LoadOptions, MemoryPlan, Model, Precision};
use indicatif::{ProgressBar, ProgressStyle};

use self::text::Bench;
use crate::failure::hinted;
use crate::global::Global;
use crate::memory::{self, Limit};
use crate::models::{self, Kv};

/// Options of `aurore bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    choice: models::ModelChoice,
    /// Build the official shape that --model names (0.8B, 35B-A3B, …) with random weights, without files.
    #[arg(long)]
    random_weights: bool,
    /// Weight format.
    #[arg(long, value_enum, default_value = "bf16")]
    quant: Quant,
    /// Prompt lengths in tokens, each timed as one prefill; 0 for none.
    #[arg(long, value_delimiter = ',', default_value = "512")]
    prompt: Vec<usize>,
    /// Tokens to decode, timed together; 0 for no decoding. Of each the likeliest next one is asked for, as a greedy
    /// answer does.
    #[arg(long, default_value_t = 64)]
    generate: usize,
    /// Tokens already in the sequence, each timed for prefill and decoding.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    depth: Vec<usize>,
    /// How a depth comes about: computed, or 512 computed tokens' keys and values again and again, which costs
    /// the same to go on from and takes seconds where a prefill takes hours.
    #[arg(long, value_enum, default_value = "prefill")]
    fill: Fill,
    /// Sequences decoded together, each with keys and values of its own.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: Vec<u32>,
    /// Drafts that a step verifies beside its token at most, as where an answer repeats what was said before: timed once
    /// as if all of them were right, and once as if none was.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_value = "0", value_parser = clap::value_parser!(u32).range(0..=7))]
    drafts: Vec<u32>,
    /// Mixers of a shape with random weights: its own, or the same in every layer, to compare their costs.
    #[arg(long, value_enum, default_value = "hybrid", requires = "random_weights")]
    layer_types: LayerTypes,
    /// Threads that compute; 0 for one per processor.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Instruction set: amx, avx512bf16, avx512vnni, avx512, avxvnni, avx2, neon or portable; when not given, the one that
    /// AURORE_ISA names, else the best one.
    #[arg(long)]
    isa: Option<String>,
    /// Only the first layers of a shape with random weights: a large shape's layers on a small machine.
    #[arg(long, value_name = "NUMBER", requires = "random_weights", value_parser = clap::value_parser!(u32).range(1..))]
    first_layers: Option<u32>,
    /// Time a picture of this size, from pixels to the end of its prefill, instead of text.
    #[arg(long, value_name = "WIDTHxHEIGHT", conflicts_with = "start")]
    image: Option<image::Size>,
    /// Time the way from the start of this command to the first token of a short prompt, instead.
    #[arg(long)]
    start: bool,
    /// Busy processes that want the cores meanwhile.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    beside: usize,
    /// Be such a process: for --beside.
    #[arg(long, hide = true)]
    spin: bool,
    /// How often each is timed; the median and the standard deviation are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

#[derive(clap::Subcommand)]
enum Part {
    /// Each matrix product alone, with every instruction set of this processor.
    Kernels(kernels::Args),
    /// What a step of the agent costs besides the model, part by part.
    Agent(agent::Args),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fill {
    Prefill,
    Repeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LayerTypes {
    /// As published: gated DeltaNet with full attention in every fourth layer.
    Hybrid,
    /// Full attention.
    Full,
    /// Gated DeltaNet.
    Linear,
}

impl LayerTypes {
    fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Full => "full",
            Self::Linear => "linear",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Quant {
    Bf16,
    F32,
    Q8,
    Q4,
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    match &args.part {
        Some(Part::Kernels(args)) => return Ok(kernels::run(args, global)),
        Some(Part::Agent(args)) => return agent::run(args, global),
        None => {}
    }
    if args.spin {
        beside::spin();
        return Ok(ExitCode::SUCCESS);
    }
    let precision = match args.quant {
        Quant::Bf16 => Precision::Bf16,
        Quant::F32 => Precision::F32,
        Quant::Q8 => Precision::Q8,
        Quant::Q4 => Precision::Q4,
    };
    let isa = match &args.isa {
        None => None,
        Some(name) => Some(Isa::named(name).ok_or_else(|| {
            let names: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
            hinted(
                format!("this processor has no instruction set `{name}`"),
                format!("it has: {}", names.join(", ")),
            )
        })?),
    };
    let options = LoadOptions {
        precision,
        threads: args.threads,
        isa,
        ..LoadOptions::default()
    };
    let options = LoadOptions {
        kv: args.choice.kv.map(Kv::format),
        ..options
    };

    let progress = spinner(global, "measuring this machine");
    // Before the model is there: what is read for it would count as the model's own memory at its highest.
    let limits = (!args.start && args.image.is_none()).then(|| Cpu::new(isa, args.threads).limits());
    progress.set_message("loading");
    let loading = Instant::now();
    let (model, plan) = load(&args, &options)?;
    let load_seconds = loading.elapsed().as_secs_f64();
    let Some(limits) = limits else {
        progress.finish_and_clear();
        let Some(size) = args.image.filter(|_| !args.start) else {
            start::run(&args, &model, started, load_seconds, global)?;
            return Ok(ExitCode::SUCCESS);
        };
        let _beside = beside::Beside::start(args.beside)?;
        image::run(&args, &model, size, load_seconds, global)?;
        return Ok(ExitCode::SUCCESS);
    };
    let bench = Bench {
        args: &args,
        model: &model,
        plan,
        limits,
        load_seconds,
        progress,
        global,
    };
    if !global.json {
        bench.print_head();
    }
    // After the limits: those are of the machine alone.
    let _beside = beside::Beside::start(args.beside)?;
    for &depth in &args.depth {
        bench.at_depth(depth)?;
        if global.is_interrupted() {
            return Ok(ExitCode::FAILURE);
        }
    }
    bench.progress.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}

/// The model and what it takes, after making sure that what will be measured fits into memory.
fn load(args: &Args, options: &LoadOptions) -> anyhow::Result<(Model, MemoryPlan)> {
    let name = &args.choice.model;
    if !args.random_weights {
        let checkpoint: Checkpoint = models::open(name)?;
        let config = with_context(checkpoint.config(), args)?;
        let mut plan = memory::plan(&checkpoint, &config, options);
        let context = longest(args).saturating_mul(most_sequences(args) as usize);
        let options = LoadOptions {
            expert_memory: args
                .choice
                .experts
                .place(&checkpoint, &mut plan, Some(context as u64))?,
            ..options.clone()
        };
        admit(args, &plan)?;
        return Ok((Model::load(&checkpoint, &config, &options)?, plan));
    }
    let config = match Config::official(name) {
        Some(config) => config,
        // Any other checkpoint's shape serves as well.
        None if name == models::DEFAULT || std::path::Path::new(name).exists() => {
            models::open(name)?.config().clone()
        }
        None => {
            return Err(hinted(
                format!("`{name}` is no official shape"),
                format!("--model one of {}, or a checkpoint folder", OFFICIAL.join(", ")),
            ));
        }
    };
    let config = match args.first_layers {
        Some(layers) => config.with_layers(layers as usize),
        None => config,
    };
    let config = match args.layer_types {
        LayerTypes::Hybrid => config,
        LayerTypes::Full => config.with_all_layers(LayerType::FullAttention),
        LayerTypes::Linear => config.with_all_layers(LayerType::LinearAttention),
    };
    // Speed of the language model: its tower would only take time to make.
    let config = Config {
        vision: config.vision.filter(|_| args.image.is_some()),
        ..config
    };
    let config = with_context(&config, args)?;
    let kv = options.kv.unwrap_or_else(|| options.precision.kv());
    let plan = MemoryPlan::with_kv(&config, options.precision, kv);
    admit(args, &plan)?;
    let weights = RandomWeights::new(&config, 1);
    Ok((Model::load(&weights, &config, options)?, plan))
}

/// The most tokens that a sequence of the measurement has.
fn longest(args: &Args) -> usize {
    let depth = args.depth.iter().max().copied().unwrap_or(0);
    let prompt = args.prompt.iter().max().copied().unwrap_or(0);
    // A step before those that are timed.
    depth.saturating_add(prompt.max(args.generate.saturating_add(1)))
}

fn with_context(config: &Config, args: &Args) -> anyhow::Result<Config> {
    let config = match args.choice.context {
        None => config.clone(),
        Some(tokens) => config.clone().with_context(memory::to_usize(tokens)),
    };
    let (longest, own) = (longest(args), config.text.max_position_embeddings);
    // Pictures and starts have lengths of their own.
    if longest > own && args.image.is_none() && !args.start {
        return Err(hinted(
            format!("{longest} tokens are to be measured, but the context ends at {own}"),
            format!("--context {longest}"),
        ));
    }
    Ok(config)
}

fn most_sequences(args: &Args) -> u64 {
    let most = args.batch.iter().max().copied().unwrap_or(1);
    // Beside several sequences there is the one that they are copies of.
    u64::from(most) + u64::from(most > 1)
}

fn admit(args: &Args, plan: &MemoryPlan) -> anyhow::Result<()> {
    memory::admit(plan, most_sequences(args), longest(args) as u64, Limit::find())
}

fn quant_name(quant: Quant) -> &'static str {
    match quant {
        Quant::Bf16 => "bf16",
        Quant::F32 => "f32",
        Quant::Q8 => "q8",
        Quant::Q4 => "q4",
    }
}

fn spinner(global: &Global, message: &'static str) -> ProgressBar {
    if global.json {
        return ProgressBar::hidden();
    }
    // It draws on standard error, and nothing where that is no terminal.
    let progress = ProgressBar::new_spinner().with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(std::time::Duration::from_millis(100));
    progress
}
