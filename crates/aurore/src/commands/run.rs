//! `aurore run`: one prompt, one answer.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use aurore_chat::{Content, Event, Message, Role};
use aurore_engine::Finish;
use serde_json::json;

use crate::adapters::AdapterChoice;
use crate::failure::hinted;
use crate::global::Global;
use crate::models::ModelChoice;
use crate::style::{Look, Style};
use crate::talk::{Answered, SamplingChoice, Talker, read_image};

/// Options of `aurore run`.
#[derive(clap::Args)]
pub struct Args {
    /// What to say; `-` reads it from standard input.
    prompt: String,
    /// A picture to look at; may be given several times.
    #[arg(long = "image", short, value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Standing instructions.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    model: ModelChoice,
    #[command(flatten)]
    adapter: AdapterChoice,
    #[command(flatten)]
    sampling: SamplingChoice,
}

/// Runs the command: the answer on standard output, the thinking on standard error.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let prompt = match args.prompt.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("standard input is not UTF-8 text")?;
            text
        }
        text => text.to_owned(),
    };
    if prompt.trim().is_empty() && args.images.is_empty() {
        return Err(hinted(
            "there is nothing to answer",
            "give a prompt, or an --image",
        ));
    }
    let mut user = Message::text(Role::User, "");
    user.content.clear();
    for path in &args.images {
        user.content.push(Content::Image(read_image(path)?));
    }
    user.content.push(Content::Text(prompt));
    let messages: Vec<Message> = args
        .system
        .map(Message::system)
        .into_iter()
        .chain([user])
        .collect();

    let talker = Talker::load(&args.model, &args.adapter, args.sampling.threads())?;
    let thinking_style = Style::new(std::io::stderr().is_terminal() && global.color);
    let mut out = std::io::stdout().lock();
    let answered = talker.answer(&messages, &args.sampling, &global.interrupted, |event| {
        if global.json {
            return Ok(());
        }
        match event {
            Event::Thinking(text) => eprint!("{}", thinking_style.paint(Look::Dim, text)),
            Event::Answer(text) | Event::CallText(text) => {
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Event::Malformed(malformed) => eprintln!("\nnote: a tool call that is none: {}", malformed.why),
            Event::Call(_) => {}
        }
        Ok(())
    })?;
    if global.json {
        println!("{}", as_json(&talker, &answered));
    } else {
        writeln!(out)?;
        if std::io::stderr().is_terminal() {
            eprintln!("{}", thinking_style.paint(Look::Dim, summary(&answered)));
        }
    }
    Ok(if answered.generated.finish == Finish::Cancelled {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Tokens and speed, in a line.
pub fn summary(answered: &Answered) -> String {
    let generated = &answered.generated;
    let speed = generated.ids.len() as f64 / generated.decode_seconds.max(1e-9);
    format!(
        "[{} prompt tokens in {:.2} s, {} tokens at {speed:.1} per second, ended by {}]",
        generated.prompt_tokens,
        generated.prefill_seconds,
        generated.ids.len(),
        match generated.finish {
            Finish::Eos => "itself",
            Finish::Length => "the limit",
            Finish::Cancelled | Finish::Shutdown => "you",
        }
    )
}

fn as_json(talker: &Talker, answered: &Answered) -> serde_json::Value {
    let Answered { turn, generated } = answered;
    json!({
        "model": talker.name,
        "thinking": turn.thinking,
        "answer": turn.answer,
        "tool_calls": turn.calls,
        "finish": generated.finish,
        "prompt_tokens": generated.prompt_tokens,
        "tokens": generated.ids.len(),
        "prefill_seconds": generated.prefill_seconds,
        "decode_seconds": generated.decode_seconds,
    })
}
