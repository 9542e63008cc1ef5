//! `aurore chat`: a conversation on the terminal.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use aurore_chat::{Content, Event, Message, Role};
use aurore_engine::Finish;
use serde_json::json;

use super::run::summary;
use crate::adapters::AdapterChoice;
use crate::global::Global;
use crate::models::ModelChoice;
use crate::style::{Look, Style};
use crate::talk::{SamplingChoice, Talker, read_image};

/// Options of `aurore chat`.
#[derive(clap::Args)]
pub struct Args {
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

const HELP: &str = "\
/image FILE   show a picture with the next message
/reset        forget the conversation
/help         these lines
/quit         leave (or the end of input)
Ctrl-C stops an answer; pressed again, it ends the program.";

/// What a line of input means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Empty,
    Image(&'a str),
    Reset,
    Help,
    Quit,
    Unknown(&'a str),
    Say(&'a str),
}

fn parse(line: &str) -> Line<'_> {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/') else {
        return if line.is_empty() {
            Line::Empty
        } else {
            Line::Say(line)
        };
    };
    let (word, rest) = command
        .split_once(char::is_whitespace)
        .map_or((command, ""), |(word, rest)| (word, rest.trim()));
    match (word, rest) {
        ("image", file) if !file.is_empty() => Line::Image(file),
        ("reset", "") => Line::Reset,
        ("help" | "?", "") => Line::Help,
        ("quit" | "exit", "") => Line::Quit,
        _ => Line::Unknown(line),
    }
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let talker = Talker::load(&args.model, &args.adapter, args.sampling.threads())?;
    let opening: Vec<Message> = args.system.map(Message::system).into_iter().collect();
    let mut messages = opening.clone();
    let mut pictures = Vec::new();
    let person = std::io::stdin().is_terminal() && !global.json;
    if person {
        println!("{} is listening. /help lists what else there is.", talker.name);
    }
    let mut input = std::io::stdin().lock();
    loop {
        if person {
            print!("> ");
            std::io::stdout().flush()?;
        }
        let mut text = String::new();
        if input.read_line(&mut text)? == 0 {
            break;
        }
        match parse(&text) {
            Line::Empty => {}
            Line::Quit => break,
            Line::Help => eprintln!("{HELP}"),
            Line::Reset => {
                messages.clone_from(&opening);
                pictures.clear();
            }
            Line::Unknown(command) => eprintln!("there is no {command}\n{HELP}"),
            Line::Image(file) => match read_image(Path::new(file)) {
                Ok(picture) => pictures.push(Content::Image(picture)),
                Err(error) => eprintln!("error: {error:#}"),
            },
            Line::Say(words) => {
                let mut message = Message::text(Role::User, "");
                message.content = std::mem::take(&mut pictures);
                message.content.push(Content::Text(words.to_owned()));
                messages.push(message);
                if let Err(error) = answer(&talker, &mut messages, &args.sampling, global) {
                    // The question that could not be answered must not stand in the way of the next one.
                    messages.pop();
                    eprintln!("error: {error:#}");
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(
    talker: &Talker,
    messages: &mut Vec<Message>,
    sampling: &SamplingChoice,
    global: &Global,
) -> anyhow::Result<()> {
    global.interrupted.store(false, Ordering::SeqCst);
    let style = Style::new(global.color);
    let mut out = std::io::stdout().lock();
    let mut thinking = false;
    let answered = talker.answer(messages, sampling, &global.interrupted, |event| {
        if global.json {
            return Ok(());
        }
        match event {
            Event::Thinking(text) => {
                thinking = true;
                write!(out, "{}", style.paint(Look::Dim, text))?;
            }
            Event::Answer(text) | Event::CallText(text) => {
                if std::mem::take(&mut thinking) {
                    writeln!(out)?;
                }
                write!(out, "{text}")?;
            }
            Event::Malformed(_) | Event::Call(_) => {}
        }
        out.flush()?;
        Ok(())
    })?;
    global.interrupted.store(false, Ordering::SeqCst);
    let turn = &answered.turn;
    if global.json {
        let object = json!({
            "thinking": turn.thinking,
            "answer": turn.answer,
            "tool_calls": turn.calls,
            "finish": answered.generated.finish,
        });
        writeln!(out, "{object}")?;
    } else {
        writeln!(out)?;
        if answered.generated.finish != Finish::Eos {
            writeln!(out, "{}", style.paint(Look::Dim, summary(&answered)))?;
        }
    }
    messages.push(Message::assistant(
        Some(turn.thinking.clone()).filter(|thinking| !thinking.is_empty()),
        turn.answer.clone(),
        turn.calls.clone(),
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_or_commands() {
        assert_eq!(parse("  hello there \n"), Line::Say("hello there"));
        assert_eq!(parse("/image a b.png\n"), Line::Image("a b.png"));
        assert_eq!(parse("/image\n"), Line::Unknown("/image"));
        assert_eq!(parse("/reset\n"), Line::Reset);
        assert_eq!(parse("/quit"), Line::Quit);
        assert_eq!(parse("/qiut"), Line::Unknown("/qiut"));
        assert_eq!(parse("\n"), Line::Empty);
    }
}
