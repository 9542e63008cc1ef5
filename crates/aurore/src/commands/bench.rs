//! `aurore bench`: tokens per second, beside what this machine could do at best.

mod beside;
mod image;
mod kernels;
mod start;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use aurore_checkpoint::{Checkpoint, Config, OFFICIAL, RandomWeights};
use aurore_kernels::{Isa, Limits};
use aurore_model::{Input, LoadOptions, Model, Precision, Sequence, Want};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::hinted;
use crate::global::Global;
use crate::models;

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
    /// Prompt lengths in tokens, each timed as one prefill.
    #[arg(long, value_delimiter = ',', default_value = "512")]
    prompt: Vec<usize>,
    /// Tokens to decode, timed together; 0 for no decoding.
    #[arg(long, default_value_t = 64)]
    generate: usize,
    /// Tokens already in the sequence, each timed for prefill and decoding.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    depth: Vec<usize>,
    /// Sequences decoded together (only 1 so far).
    #[arg(long, value_delimiter = ',', default_value = "1")]
    batch: Vec<usize>,
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
    if let Some(Part::Kernels(args)) = &args.part {
        return Ok(kernels::run(args, global));
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
    if args.batch != [1] {
        return Err(hinted(
            "several sequences at once are not there yet",
            "leave --batch at 1",
        ));
    }
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

    let loading = Instant::now();
    let progress = spinner(global, "loading");
    let model = load(&args, &options)?;
    let load_seconds = loading.elapsed().as_secs_f64();
    if args.start {
        progress.finish_and_clear();
        start::run(&args, &model, started, load_seconds, global)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(size) = args.image {
        let _beside = beside::Beside::start(args.beside)?;
        progress.finish_and_clear();
        image::run(&args, &model, size, load_seconds, global)?;
        return Ok(ExitCode::SUCCESS);
    }
    progress.set_message("measuring this machine");
    let limits = model.machine_limits();
    let bench = Bench {
        args: &args,
        model: &model,
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

fn load(args: &Args, options: &LoadOptions) -> anyhow::Result<Model> {
    let name = &args.choice.model;
    if args.random_weights {
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
        // Speed of the language model: its tower would only take time to make.
        let config = Config {
            vision: config.vision.filter(|_| args.image.is_some()),
            ..config
        };
        return Ok(Model::load(&RandomWeights::new(&config, 1), &config, options)?);
    }
    let checkpoint: Checkpoint = models::open(name)?;
    Ok(Model::load(&checkpoint, checkpoint.config(), options)?)
}

struct Bench<'a> {
    args: &'a Args,
    model: &'a Model,
    limits: Limits,
    load_seconds: f64,
    progress: ProgressBar,
    global: &'a Global,
}

struct Result {
    kind: &'static str,
    tokens: usize,
    depth: usize,
    /// Of each repetition.
    tokens_per_second: Vec<f64>,
}

impl Bench<'_> {
    fn at_depth(&self, depth: usize) -> anyhow::Result<()> {
        let mut base = self.model.new_sequence();
        self.progress.set_message(format!("filling {depth} tokens"));
        self.feed(&mut base, depth, Want::None)?;
        for &tokens in &self.args.prompt {
            let mut result = Result {
                kind: "prefill",
                tokens,
                depth,
                tokens_per_second: Vec::new(),
            };
            for number in 0..=self.args.repeat {
                self.progress.set_message(format!(
                    "prefill {tokens} at {depth}, {number} of {}",
                    self.args.repeat
                ));
                let mut sequence = base.fork();
                let started = Instant::now();
                self.feed(&mut sequence, tokens, Want::Last)?;
                // The first run warms up.
                if number > 0 {
                    result
                        .tokens_per_second
                        .push(tokens as f64 / started.elapsed().as_secs_f64());
                }
                if self.global.is_interrupted() {
                    return Ok(());
                }
            }
            self.print(&result);
        }
        if self.args.generate == 0 {
            return Ok(());
        }
        let tokens = self.args.generate;
        let mut result = Result {
            kind: "decode",
            tokens,
            depth,
            tokens_per_second: Vec::new(),
        };
        let mut logits = Vec::new();
        for number in 1..=self.args.repeat {
            self.progress.set_message(format!(
                "decode {tokens} at {depth}, {number} of {}",
                self.args.repeat
            ));
            let mut sequence = base.fork();
            self.model.step(&mut sequence, 0, &mut logits)?;
            let started = Instant::now();
            for id in 0..tokens {
                self.model.step(&mut sequence, self.id(id), &mut logits)?;
            }
            result
                .tokens_per_second
                .push(tokens as f64 / started.elapsed().as_secs_f64());
            if self.global.is_interrupted() {
                return Ok(());
            }
        }
        self.print(&result);
        Ok(())
    }

    /// Some token that is no placeholder for an image: a prime stride through the vocabulary's start.
    fn id(&self, index: usize) -> u32 {
        let below = self.model.config().text.vocab_size.min(200);
        (index * 7919 % below) as u32
    }

    fn feed(&self, sequence: &mut Sequence, tokens: usize, want: Want) -> anyhow::Result<()> {
        let ids: Vec<u32> = (0..tokens).map(|index| self.id(index)).collect();
        let start = sequence.next_position();
        let positions: Vec<[u32; 3]> = (0..tokens).map(|index| [start + index as u32; 3]).collect();
        let input = Input {
            ids: &ids,
            positions: &positions,
            images: &[],
        };
        self.model
            .prefill(sequence, &input, want)
            .context("the bench's own prompt")?;
        Ok(())
    }

    /// Bytes that one token needs at the least: weights once, and for a step state and KV.
    fn bytes_per_token(&self, result: &Result) -> f64 {
        let text = &self.model.config().text;
        let weights = self.model.bytes_per_token() as f64;
        if result.kind == "prefill" {
            return (weights - self.model.head_bytes() as f64) / result.tokens.max(1) as f64;
        }
        let heads = text.linear_num_value_heads * text.linear_key_head_dim * text.linear_value_head_dim;
        let state = 2 * text.linear_layers() * heads * size_of::<f32>();
        let kv = 2 * text.full_layers() * text.num_key_value_heads * text.head_dim * size_of::<f32>();
        weights + state as f64 + (kv * (result.depth + result.tokens / 2)) as f64
    }

    /// f32 operations of the matrix products of one token.
    fn operations_per_token(&self, kind: &str) -> f64 {
        let weight = match self.args.quant {
            Quant::F32 => 4.0,
            Quant::Bf16 => 2.0,
            Quant::Q8 => 129.0 / 128.0,
            Quant::Q4 => 69.0 / 128.0,
        };
        let head = if kind == "prefill" {
            self.model.head_bytes()
        } else {
            0
        };
        2.0 * (self.model.bytes_per_token() - head) as f64 / weight
    }

    fn print_head(&self) {
        println!(
            "{} {}, {} threads, {}; loaded in {:.1} s, {} MB of weights",
            self.args.choice.model,
            quant_name(self.args.quant),
            self.model.threads(),
            self.model.isa_name(),
            self.load_seconds,
            self.model.memory_bytes() / 1_000_000,
        );
        println!(
            "this machine now: {:.1} GB/s read, {:.0} GFLOP/s f32\n",
            self.limits.read_bytes_per_second / 1e9,
            self.limits.operations_per_second / 1e9,
        );
        println!(
            "{:8} {:>7} {:>7} {:>12} {:>8} {:>11} {:>12}",
            "", "tokens", "depth", "tokens/s", "± sd", "bandwidth", "arithmetic"
        );
    }

    fn print(&self, result: &Result) {
        let speed = median(&result.tokens_per_second);
        let spread = deviation(&result.tokens_per_second);
        let bytes = self.bytes_per_token(result);
        let bandwidth = speed * bytes / self.limits.read_bytes_per_second;
        let arithmetic = speed * self.operations_per_token(result.kind) / self.limits.operations_per_second;
        if self.global.json {
            let line = json!({
                "model": self.args.choice.model,
                "random_weights": self.args.random_weights,
                "quant": quant_name(self.args.quant),
                "isa": self.model.isa_name(),
                "threads": self.model.threads(),
                "kind": result.kind,
                "tokens": result.tokens,
                "depth": result.depth,
                "batch": 1,
                "beside": self.args.beside,
                "first_layers": self.args.first_layers,
                "tokens_per_second": round(speed),
                "stddev": round(spread),
                "bytes_per_token": bytes.round(),
                "bandwidth_share": round(bandwidth),
                "arithmetic_share": round(arithmetic),
                "peak_memory_bytes": peak_memory_bytes(),
                "load_seconds": round(self.load_seconds),
            });
            println!("{line}");
            return;
        }
        let row = format!(
            "{:8} {:>7} {:>7} {speed:>12.2} {spread:>8.2} {:>10.0}% {:>11.0}%",
            result.kind,
            result.tokens,
            result.depth,
            bandwidth * 100.0,
            arithmetic * 100.0,
        );
        self.progress.suspend(|| println!("{row}"));
    }
}

fn quant_name(quant: Quant) -> &'static str {
    match quant {
        Quant::Bf16 => "bf16",
        Quant::F32 => "f32",
        Quant::Q8 => "q8",
        Quant::Q4 => "q4",
    }
}

/// Four significant digits are more than such a measurement has.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
}

/// The most memory that this process has had, where the system says.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
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

#[cfg(test)]
mod tests {
    use super::{deviation, median, round};

    #[test]
    fn figures_are_what_they_say() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        assert!((deviation(&[1.0, 3.0]) - 2_f64.sqrt()).abs() < 1e-12);
        assert_eq!(deviation(&[1.0]), 0.0);
        assert_eq!(round(123.456), 123.5);
        assert_eq!(round(0.0), 0.0);
        assert_eq!(round(0.012_345_6), 0.012_35);
    }
}
