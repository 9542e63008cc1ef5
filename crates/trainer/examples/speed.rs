//! Training steps on samples out of nothing, for `bench/train`: a JSON line per step.
//!
//! `speed CONFIG.json ROWS COLUMNS TEXT SAID SAMPLES TOKENS STEPS THREADS bf16|f32`

use std::path::Path;
use std::process::ExitCode;

use aurore_checkpoint::Config;
use aurore_trainer::{Draw, Parameters, Settings, Synthetic, Trainer, initialise};

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
    let [
        file,
        rows,
        columns,
        text,
        said,
        samples,
        tokens,
        steps,
        threads,
        width,
    ] = arguments
    else {
        return Err("CONFIG.json ROWS COLUMNS TEXT SAID SAMPLES TOKENS STEPS THREADS bf16|f32".into());
    };
    let config = Config::from_json(&std::fs::read_to_string(Path::new(file))?, file)?;
    let settings = Settings::parse(
        &format!(
            "output = 'none'\nstart = 'none'\nprecision = '{width}'\nthreads = {threads}\n[data]\ntrain = ['none']\n\
             [batch]\nsamples = {samples}\ntokens = {tokens}\n[steps]\ntotal = {steps}\n"
        ),
        "arguments",
    )?;
    let mut parameters = Parameters::zeros(&config);
    initialise(&mut parameters, config.text.num_hidden_layers, 1);
    let mut trainer = Trainer::new(&settings, &config, parameters);
    let grid = [rows.parse()?, columns.parse()?];
    let source = Synthetic::new(
        &config,
        grid,
        [text.parse()?, said.parse()?],
        4 * settings.batch.samples,
    );
    let limits = trainer.cpu().limits();
    let peak = limits.bf16_operations_per_second();
    let mut draw = Draw::new(1, 4 * settings.batch.samples);
    for _ in 0..settings.steps.total {
        let drawn = trainer.draw(&source, &mut draw)?;
        let result = trainer.step(drawn)?;
        say(&format!(
            "{{\"step\": {}, \"loss\": {:.4}, \"samples\": {}, \"tokens\": {}, \"operations\": {}, \"seconds\": {:.6}, \
             \"parameters\": {}, \"peak\": {peak:.3e}, \"f32_peak\": {:.3e}, \"isa\": {:?}}}",
            result.step,
            result.plain,
            result.samples,
            result.tokens,
            result.operations,
            result.seconds,
            trainer.parameters().count(),
            limits.operations_per_second,
            trainer.cpu().isa.name(),
        ));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is a program: printing is its work")]
fn say(line: &str) {
    println!("{line}");
}
