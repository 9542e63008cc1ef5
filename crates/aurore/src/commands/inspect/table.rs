//! All official shapes in one table: what fits this machine, and how fast it could be.

use aurore_checkpoint::{Config, OFFICIAL};
use aurore_model::MemoryPlan;
use serde_json::json;

use super::plan::{Machine, Plans, Wish, formats, longest, speed};
use crate::global::Global;
use crate::memory::{size, to_usize};
use crate::style::{Look, Style};

/// The formats of the table.
const SHOWN: [&str; 4] = ["bf16", "q8", "mixed", "q4"];

/// Prints the table, or a line for each shape.
pub(super) fn run(wish: &Wish, machine: &Machine, global: &Global) {
    if global.json {
        for name in OFFICIAL {
            if let Some(config) = Config::official(name) {
                let plan = Plans::new(name, &config, None, *wish).to_json(machine);
                println!("{}", json!({"model": name, "plan": plan}));
            }
        }
        return;
    }
    let style = Style::new(global.color);
    let Wish {
        context,
        sequences,
        kv,
    } = *wish;
    let title =
        format!("Memory for {sequences} × {context} tokens, weights in each format; * fits this machine");
    println!("{}", style.paint(Look::Bold, &title));
    let names = SHOWN.map(|name| format!("{name:>12} ")).concat();
    println!(
        "  {:<10}{:>12}{names}{:>16}{:>16}",
        "", "sequences", "longest in q4", "tokens/s in q4"
    );
    for name in OFFICIAL {
        let Some(config) = Config::official(name) else {
            continue;
        };
        let config = config.with_context(to_usize(context));
        let plans = formats().map(|(name, formats, own)| {
            (
                name,
                MemoryPlan::with_formats(&config, &formats, kv.unwrap_or(own)),
            )
        });
        let of = |wanted: &str| {
            plans
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, plan)| plan)
        };
        let Some(q4) = of("q4") else { continue };
        let cells: Vec<String> = SHOWN
            .iter()
            .filter_map(|name| of(name))
            .map(|plan| {
                let total = plan.total_of(sequences, context);
                let mark = if machine.fits(total) == Some(true) {
                    '*'
                } else {
                    ' '
                };
                format!("{:>12}{mark}", size(total))
            })
            .collect();
        let longest = match longest(q4, sequences, machine) {
            Some(tokens) if tokens > 0 => tokens.to_string(),
            _ => "none".to_owned(),
        };
        let fastest = sequences as f64 * machine.bandwidth / q4.step_bytes(sequences, context) as f64;
        println!(
            "  {name:<10}{:>12}{}{longest:>16}{:>16}",
            size(sequences.saturating_mul(q4.sequence(context))),
            cells.concat(),
            speed(fastest),
        );
    }
    println!("  this machine: {}", machine.describe());
    println!(
        "  tokens/s: at most, at the end of the context, were everything in memory; real speed is lower"
    );
}
