//! Tuning steps on samples out of nothing, over a checkpoint of any form: a JSON line per step, with the most memory that
//! the process has taken so far.
//!
//! `tune MODEL ROWS COLUMNS TEXT SAID SAMPLES STEPS THREADS RANK`

use std::path::Path;
use std::process::ExitCode;

use aurore_checkpoint::Checkpoint;
use aurore_trainer::{Draw, LoraSettings, Settings, Synthetic, Trainer};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{{\"error\": {:?}}}", error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let [model, rows, columns, text, said, samples, steps, threads, rank] = arguments else {
        return Err("MODEL ROWS COLUMNS TEXT SAID SAMPLES STEPS THREADS RANK".into());
    };
    let checkpoint = Checkpoint::open(Path::new(model))?;
    let config = checkpoint.config().clone();
    let settings = Settings::parse(
        &format!(
            "output = 'none'\nstart = 'none'\nthreads = {threads}\nrecompute = true\n[data]\ntrain = ['none']\n\
             [batch]\nsamples = {samples}\n[steps]\ntotal = {steps}\n[optimiser]\nrate = 2e-4\n[experts]\nbalance = 0.0\n"
        ),
        "arguments",
    )?;
    let rank: usize = rank.parse()?;
    let lora = LoraSettings {
        rank,
        alpha: 2.0 * rank as f32,
        ..LoraSettings::default()
    };
    let mut trainer = Trainer::tune(&settings, &config, &checkpoint, &lora)?;
    let frozen = trainer.frozen().map_or(0, |frozen| frozen.bytes());
    let loaded = most_memory();
    let grid = [rows.parse()?, columns.parse()?];
    let count = 4 * settings.batch.samples;
    let source = Synthetic::new(&config, grid, [text.parse()?, said.parse()?], count);
    let mut draw = Draw::new(1, count);
    for _ in 0..settings.steps.total {
        let drawn = trainer.draw(&source, &mut draw)?;
        let result = trainer.step(drawn)?;
        say(&format!(
            "{{\"step\": {}, \"loss\": {:.4}, \"samples\": {}, \"tokens\": {}, \"operations\": {}, \"seconds\": {:.3}, \
             \"learnt\": {}, \"frozen_bytes\": {frozen}, \"loaded_bytes\": {loaded}, \"peak_bytes\": {}, \"isa\": {:?}}}",
            result.step,
            result.plain,
            result.samples,
            result.tokens,
            result.operations,
            result.seconds,
            trainer.parameters().count(),
            most_memory(),
            trainer.cpu().isa.name(),
        ));
    }
    Ok(())
}

/// The most bytes that this process has had in memory; 0 where the system does not tell.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[expect(clippy::print_stdout, reason = "this is a program: printing is its work")]
fn say(line: &str) {
    println!("{line}");
}
