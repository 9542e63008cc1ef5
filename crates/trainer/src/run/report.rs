//! The report: a run's curves in one HTML file without scripts.

use std::fmt::Write;

use aurore_checkpoint::Config;

use super::chart::{self, Curve};
use super::{Entry, Settings};

const BLUE: &str = "#2a6fdb";
const ORANGE: &str = "#d9730d";
const GREEN: &str = "#2e8b57";

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:780px;margin:2em auto;padding:0 1em;color:#1a1a1a;\
background:#fff}table{border-collapse:collapse}td,th{padding:.2em .9em .2em 0;text-align:left}pre{background:#f4f4f2;\
padding:1em;overflow:auto}svg{max-width:100%;height:auto}svg text{fill:#555}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}\
pre{background:#222}svg text{fill:#ccc}}";

/// The page of a run so far.
pub fn render(settings: &Settings, config: &Config, parameters: usize, entries: &[Entry]) -> String {
    let of_steps = |name: &'static str, value: fn(&Entry) -> Option<f64>| curve(name, BLUE, entries, value);
    let held_back = |value: fn(&Entry) -> Option<f64>| curve("held back", ORANGE, entries, value);
    let mut page = String::from("<!doctype html><meta charset=utf-8><title>Training</title><style>");
    page.push_str(STYLE);
    page.push_str("</style><h1>Training</h1>");
    page.push_str(&facts(config, parameters, entries));
    let charts = [
        (
            "Loss per taught token, nats",
            vec![
                of_steps("learnt from", |entry| match entry {
                    Entry::Step { plain, .. } => Some(*plain),
                    Entry::Evaluation { .. } => None,
                }),
                held_back(|entry| match entry {
                    Entry::Evaluation { result, .. } => Some(result.loss),
                    Entry::Step { .. } => None,
                }),
            ],
        ),
        (
            "Taught tokens that were likeliest, %",
            vec![
                of_steps("learnt from", |entry| match entry {
                    Entry::Step { right, .. } => Some(100.0 * right),
                    Entry::Evaluation { .. } => None,
                }),
                held_back(|entry| match entry {
                    Entry::Evaluation { result, .. } => Some(100.0 * result.right),
                    Entry::Step { .. } => None,
                }),
            ],
        ),
        (
            "What is learnt besides, nats",
            vec![
                of_steps("where to look", |entry| match entry {
                    Entry::Step { missed, .. } => told(*missed),
                    Entry::Evaluation { .. } => None,
                }),
                curve("read off early", GREEN, entries, |entry| match entry {
                    Entry::Step { early, .. } => told(*early),
                    Entry::Evaluation { .. } => None,
                }),
                curve("words on pictures", ORANGE, entries, |entry| match entry {
                    Entry::Step { reading, .. } => told(*reading),
                    Entry::Evaluation { .. } => None,
                }),
            ],
        ),
        (
            "Samples a second",
            vec![of_steps("samples", |entry| match entry {
                Entry::Step { samples, seconds, .. } => Some(*samples as f64 / seconds.max(1e-9)),
                Entry::Evaluation { .. } => None,
            })],
        ),
        (
            "Length of the gradient",
            vec![of_steps("before clipping", |entry| match entry {
                Entry::Step { length, .. } => Some(f64::from(*length)),
                Entry::Evaluation { .. } => None,
            })],
        ),
    ];
    for (title, curves) in charts {
        // What a run has nothing of is no part of its report.
        if curves.iter().any(|curve| !curve.points.is_empty()) {
            let _ = write!(page, "<h2>{}</h2>{}", escape(title), chart::draw(&curves));
        }
    }
    let text = toml::to_string(settings).unwrap_or_default();
    let _ = write!(page, "<h2>Settings</h2><pre>{}</pre>", escape(&text));
    page
}

fn curve(
    name: &'static str,
    colour: &'static str,
    entries: &[Entry],
    value: fn(&Entry) -> Option<f64>,
) -> Curve<'static> {
    let points = entries
        .iter()
        .filter_map(|entry| Some((entry.step() as f64, value(entry)?)));
    Curve {
        name,
        colour,
        points: points.collect(),
    }
}

/// Zero stands for what is not learnt.
fn told(value: f64) -> Option<f64> {
    (value != 0.0).then_some(value)
}

fn facts(config: &Config, parameters: usize, entries: &[Entry]) -> String {
    let (mut samples, mut tokens, mut seconds, mut steps) = (0, 0, 0.0, 0);
    for entry in entries {
        if let Entry::Step {
            step,
            samples: own,
            tokens: read,
            seconds: took,
            ..
        } = entry
        {
            samples += own;
            tokens += read;
            seconds += took;
            steps = *step;
        }
    }
    let rows = [
        (
            "Network",
            format!(
                "{} layers, width {}, {:.2} million parameters",
                config.text.num_hidden_layers,
                config.text.hidden_size,
                parameters as f64 / 1e6
            ),
        ),
        ("Steps", steps.to_string()),
        ("Samples", samples.to_string()),
        ("Tokens", tokens.to_string()),
        ("Time in steps", format!("{:.1} minutes", seconds / 60.0)),
    ];
    let best = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Evaluation { step, result } if result.loss.is_finite() => Some((*step, *result)),
            _ => None,
        })
        .min_by(|a, b| a.1.loss.total_cmp(&b.1.loss));
    let best = best.map(|(step, result)| {
        let right = 100.0 * result.right;
        let text = format!("loss {:.4}, {right:.1} % right, at step {step}", result.loss);
        ("Best held back", text)
    });
    let mut table = String::from("<table>");
    for (name, value) in rows.into_iter().chain(best) {
        let _ = write!(table, "<tr><th>{name}<td>{}", escape(&value));
    }
    table + "</table>"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Evaluation;

    #[test]
    fn curves_are_drawn_and_settings_escaped() {
        let settings = Settings::parse(
            "output = 'a<b'\nstart = 'nano'\n[data]\ntrain = ['x']\n[steps]\ntotal = 3\n",
            "test",
        )
        .unwrap();
        let config = Config::official("0.8B").unwrap();
        let step = |step: u64| Entry::Step {
            step,
            loss: 1.0,
            plain: 3.0 / step as f64,
            right: 0.5,
            balance: 0.0,
            missed: 0.0,
            early: 0.0,
            reading: 0.0,
            length: f32::NAN,
            factor: 1.0,
            samples: 8,
            tokens: 800,
            operations: 0,
            seconds: 0.5,
        };
        let held = Entry::Evaluation {
            step: 2,
            result: Evaluation {
                loss: 1.7,
                right: 0.4,
                targets: 9,
            },
        };
        let page = render(
            &settings,
            &config,
            873_000_000,
            &[step(1), step(2), held, step(3)],
        );
        assert!(page.contains("a&lt;b") && !page.contains("a<b"));
        assert_eq!(
            page.matches("<svg").count(),
            3,
            "a curve without numbers is left out"
        );
        assert!(page.contains("held back") && page.contains("873.00 million"));
        assert!(page.contains("loss 1.7000, 40.0 % right, at step 2"));
        assert!(!page.contains("besides"), "nothing is learnt besides");
        assert!(!page.contains("NaN"));
    }
}
