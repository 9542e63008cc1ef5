//! `aurore apps`: the bundled apps with a goal's world, to work in by hand or with any agent.

use std::process::ExitCode;
use std::time::Duration;

use aurore_agent::reveal;
use aurore_apps::{Goal, Site};
use serde_json::{Map, Value, json};

use crate::global::Global;
use crate::style::{Look, Style};
use crate::workflows::families;

/// Options of `aurore apps`.
#[derive(clap::Args)]
pub struct Args {
    /// The family of the goal: `trip`, `day`, …
    #[arg(default_value = "trip", value_name = "FAMILY")]
    family: String,
    /// Which one of its kind. The same seed gives the same world.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// How often it is looked whether to end.
const LOOK: Duration = Duration::from_millis(100);

/// Serves until Ctrl-C, then says what is different from the goal. Exit code 0 if nothing is.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let chosen = families(&[args.family.as_str()], None)?;
    let Some(family) = chosen.first().copied() else {
        anyhow::bail!("there is no such family of goals");
    };
    let goal = Goal::new(family, args.seed)?;
    let mut site = Site::start(family.suite())?;
    site.begin(&goal)?;
    say(&site, &goal, global);
    while !global.is_interrupted() {
        std::thread::sleep(LOOK);
    }
    let differences: Vec<String> = site.differences(&goal)?.iter().map(ToString::to_string).collect();
    if global.json {
        println!(
            "{}",
            json!({"met": differences.is_empty(), "differences": differences})
        );
    } else {
        println!();
        for difference in &differences {
            println!("  {}", reveal(difference, false));
        }
        let style = Style::new(global.color);
        let (look, words) = if differences.is_empty() {
            (Look::Green, "the goal is met exactly")
        } else {
            (Look::Yellow, "the goal is not met")
        };
        println!("{}", style.paint(look, words));
    }
    Ok(if differences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(site: &Site, goal: &Goal, global: &Global) {
    if global.json {
        let apps: Map<String, Value> = site
            .origins()
            .iter()
            .map(|(app, _)| (app.name().to_owned(), json!(site.address(*app))))
            .collect();
        let start = site.address(goal.start);
        println!(
            "{}",
            json!({
                "family": goal.family.name(), "seed": goal.seed, "goal": goal.text, "start": start, "apps": apps,
                "command": command(site, goal),
            })
        );
        return;
    }
    let style = Style::new(global.color);
    println!(
        "{}  {}",
        style.paint(Look::Bold, "Goal"),
        reveal(&goal.text, false)
    );
    for (app, _) in site.origins() {
        let mark = if *app == goal.start { "  starts here" } else { "" };
        println!(
            "{:<10} {}{}",
            app.name(),
            site.address(*app),
            style.paint(Look::Dim, mark)
        );
    }
    let line: Vec<String> = command(site, goal).iter().map(|word| quoted(word)).collect();
    println!();
    println!(
        "{}",
        style.paint(
            Look::Dim,
            "for an agent, with whatever else it needs (--model …, --watch, --show):"
        )
    );
    println!("{}", reveal(&line.join(" "), false));
    println!();
    println!("Ctrl-C ends, and says what is different from the goal.");
}

/// The command line that sets the agent to work on the goal: it knows all of the apps, not only the first page's.
fn command(site: &Site, goal: &Goal) -> Vec<String> {
    let mut line = vec![
        "aurore".to_owned(),
        "agent".to_owned(),
        goal.text.clone(),
        "--browser".to_owned(),
        site.address(goal.start),
    ];
    for (app, origin) in site.origins() {
        if *app != goal.start {
            line.extend(["--site".to_owned(), origin.clone()]);
        }
    }
    line
}

/// A word of a command line as `sh` reads it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=%@,+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("http://127.0.0.1:8000/x"), "http://127.0.0.1:8000/x");
        assert_eq!(quoted("Book the flight, 400 €"), "'Book the flight, 400 €'");
        assert_eq!(quoted("Ann's $HOME `x`"), r"'Ann'\''s $HOME `x`'");
        assert_eq!(quoted(""), "''");
    }
}
