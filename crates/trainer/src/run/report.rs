//! The report: a run's curves in one HTML file without scripts.

use std::fmt::Write;

use aurore_checkpoint::Config;

use super::{Entry, Settings};

/// A curve's name, colour and points.
type Curve<'a> = (&'a str, &'a str, Vec<(f64, f64)>);

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 48.0;
/// Points of a curve; more are averaged.
const POINTS: usize = 400;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:780px;margin:2em auto;padding:0 1em;color:#1a1a1a;\
background:#fff}table{border-collapse:collapse}td,th{padding:.2em .9em .2em 0;text-align:left}pre{background:#f4f4f2;\
padding:1em;overflow:auto}svg{max-width:100%;height:auto}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}\
pre{background:#222}svg text{fill:#ccc}}";

/// The page of a run so far.
pub fn render(settings: &Settings, config: &Config, parameters: usize, entries: &[Entry]) -> String {
    let steps = |value: fn(&Entry) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = entries
            .iter()
            .filter_map(|entry| Some((entry.step() as f64, value(entry)?)));
        thin(&points.collect::<Vec<_>>())
    };
    let loss = steps(|entry| match entry {
        Entry::Step { plain, .. } => Some(*plain),
        Entry::Evaluation { .. } => None,
    });
    let held = steps(|entry| match entry {
        Entry::Evaluation { result, .. } => Some(result.loss),
        Entry::Step { .. } => None,
    });
    let right = steps(|entry| match entry {
        Entry::Step { right, .. } => Some(100.0 * right),
        Entry::Evaluation { .. } => None,
    });
    let held_right = steps(|entry| match entry {
        Entry::Evaluation { result, .. } => Some(100.0 * result.right),
        Entry::Step { .. } => None,
    });
    let speed = steps(|entry| match entry {
        Entry::Step { samples, seconds, .. } => Some(*samples as f64 / seconds.max(1e-9)),
        Entry::Evaluation { .. } => None,
    });
    let length = steps(|entry| match entry {
        Entry::Step { length, .. } => Some(f64::from(*length)),
        Entry::Evaluation { .. } => None,
    });
    let mut page = String::from("<!doctype html><meta charset=utf-8><title>Training</title><style>");
    page.push_str(STYLE);
    page.push_str("</style><h1>Training</h1>");
    page.push_str(&facts(config, parameters, entries));
    let blue = "#2a6fdb";
    let orange = "#d9730d";
    let charts = [
        (
            "Loss per taught token, nats",
            vec![("learnt from", blue, loss), ("held back", orange, held)],
        ),
        (
            "Taught tokens that were likeliest, %",
            vec![("learnt from", blue, right), ("held back", orange, held_right)],
        ),
        ("Samples a second", vec![("samples", blue, speed)]),
        ("Length of the gradient", vec![("before clipping", blue, length)]),
    ];
    for (title, curves) in charts {
        let _ = write!(page, "<h2>{}</h2>{}", escape(title), chart(&curves));
    }
    let text = toml::to_string(settings).unwrap_or_default();
    let _ = write!(page, "<h2>Settings</h2><pre>{}</pre>", escape(&text));
    page
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
    let mut table = String::from("<table>");
    for (name, value) in rows {
        let _ = write!(table, "<tr><th>{name}<td>{}", escape(&value));
    }
    table + "</table>"
}

/// Averages neighbours until few enough are left.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS).max(1);
    let mean = |group: &[(f64, f64)]| {
        let count = group.len() as f64;
        let sum = group
            .iter()
            .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(group).map(mean).collect()
}

fn chart(curves: &[Curve<'_>]) -> String {
    let all = || {
        curves
            .iter()
            .flat_map(|(_, _, points)| points)
            .filter(|(_, y)| y.is_finite())
    };
    let fold = |pick: fn(&(f64, f64)) -> f64| {
        all()
            .map(pick)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            })
    };
    let ((left, right), (low, high)) = (fold(|point| point.0), fold(|point| point.1));
    if left > right {
        return "<p>nothing yet".to_owned();
    }
    let low = low.min(0.0);
    let span = |low: f64, high: f64| if high > low { high - low } else { 1.0 };
    let x = |at: f64| MARGIN + (at - left) / span(left, right) * (WIDTH - 2.0 * MARGIN);
    let y = |at: f64| HEIGHT - MARGIN / 2.0 - (at - low) / span(low, high) * (HEIGHT - MARGIN);
    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img' font-size='11'>"
    );
    for line in 0..=4 {
        let value = low + span(low, high) * f64::from(line) / 4.0;
        let _ = write!(
            svg,
            "<path d='M{MARGIN} {0:.1}H{1}' stroke='#8884'/><text x='{2}' y='{3:.1}' text-anchor='end'>{value:.3}</text>",
            y(value),
            WIDTH - MARGIN,
            MARGIN - 5.0,
            y(value) + 4.0,
        );
    }
    for at in [left, f64::midpoint(left, right), right] {
        let _ = write!(
            svg,
            "<text x='{:.1}' y='{}' text-anchor='middle'>{at:.0}</text>",
            x(at),
            HEIGHT - 6.0
        );
    }
    for (number, (name, colour, points)) in curves.iter().enumerate() {
        let mut path = String::new();
        for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x(*at), y(*value));
        }
        let _ = write!(
            svg,
            "<path d='{path}' fill='none' stroke='{colour}' stroke-width='1.6'/><text x='{}' y='{}' text-anchor='end' \
             style='fill:{colour}'>{name}</text>",
            WIDTH - MARGIN,
            14 + 15 * number,
        );
    }
    svg + "</svg>"
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
        assert!(!page.contains("NaN"));
        assert!(thin(&vec![(1.0, 2.0); 1000]).len() <= POINTS);
    }
}
