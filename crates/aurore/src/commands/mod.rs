//! The commands, one file each.

mod agent;
mod apps;
mod bench;
mod chat;
mod demo;
mod doctor;
mod eval;
mod export;
mod inspect;
mod keys;
mod policy;
mod quality;
mod quantize;
mod record;
mod replay;
mod run;
mod runs;
mod serve;
mod train;
mod tune;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use crate::global::Global;

/// Everything that the program does.
#[derive(Subcommand)]
pub enum Command {
    /// Reach several goals in a real browser on the embedded model, and write a report.
    Demo(demo::Args),
    /// Work toward a goal in a browser, under your rules.
    Agent(agent::Args),
    /// Talk with a model.
    Chat(chat::Args),
    /// Answer one prompt.
    Run(run::Args),
    /// Serve a model to other programs, over the APIs of OpenAI and Anthropic.
    Serve(serve::Args),
    /// Make, list and revoke keys that open a server.
    Keys(keys::Args),
    /// Compare this engine with reference logits.
    Verify(verify::Args),
    /// Describe a checkpoint: shape, sizes, memory plan.
    Inspect(inspect::Args),
    /// Write a checkpoint in the official layout, for other programs.
    Export(export::Args),
    /// Pack a checkpoint in 8 or 4 bits, in one file or in shards.
    Quantize(quantize::Args),
    /// Compare a packed or rounded model with an exact one.
    Quality(quality::Args),
    /// Teach a checkpoint from recorded episodes.
    Train(train::Args),
    /// Teach a checkpoint your own work from a few episodes: an adapter beside it.
    Tune(tune::Args),
    /// Measure tokens per second.
    Bench(bench::Args),
    /// Measure success rates on a suite of tasks.
    Eval(eval::Args),
    /// Serve the bundled apps with a goal, to work in by hand or with any agent.
    Apps(apps::Args),
    /// Record the expert's workflows as training data.
    Record(record::Args),
    /// Show what this machine offers, what is missing and how to get it.
    Doctor(doctor::Args),
    /// Show or check the journal of a run.
    Replay(replay::Args),
    /// List or delete the journals of earlier runs.
    Runs(runs::Args),
    /// Check a file of rules, or explain a verdict.
    Policy(policy::Args),
}

/// Carries out a command.
///
/// # Errors
/// Whatever kept the command from doing its work.
pub fn run(command: Command, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args, global),
        Command::Agent(args) => agent::run(args, global),
        Command::Chat(args) => chat::run(args, global),
        Command::Run(args) => run::run(args, global),
        Command::Serve(args) => serve::run(args, global),
        Command::Keys(args) => keys::run(args, global),
        Command::Verify(args) => verify::run(args, global),
        Command::Inspect(args) => inspect::run(args, global),
        Command::Export(args) => export::run(args, global),
        Command::Quantize(args) => quantize::run(args, global),
        Command::Quality(args) => quality::run(args, global),
        Command::Train(args) => train::run(args, global),
        Command::Tune(args) => tune::run(args, global),
        Command::Bench(args) => bench::run(args, global),
        Command::Eval(args) => eval::run(args, global),
        Command::Apps(args) => apps::run(args, global),
        Command::Record(args) => record::run(args, global),
        Command::Doctor(args) => doctor::run(args, global),
        Command::Replay(args) => replay::run(args, global),
        Command::Runs(args) => runs::run(args, global),
        Command::Policy(args) => policy::run(args, global),
    }
}
