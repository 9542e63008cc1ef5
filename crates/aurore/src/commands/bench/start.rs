//! From the start of the command to the first token of a short prompt.

use std::time::Instant;

use aurore_model::{Input, Model, Want};
use serde_json::json;

use super::figures::{peak_memory_bytes, round};
use super::{Args, quant_name};
use crate::failure::hinted;
use crate::global::Global;

/// Tokens of the prompt.
const PROMPT: usize = 16;

/// Answers a short prompt with one token and says how long that took since `started`.
pub(super) fn run(
    args: &Args,
    model: &Model,
    started: Instant,
    load_seconds: f64,
    global: &Global,
) -> anyhow::Result<()> {
    let ids: Vec<u32> = (0..PROMPT as u32)
        .map(|index| index % model.config().text.vocab_size.min(200) as u32)
        .collect();
    let positions: Vec<[u32; 3]> = (0..PROMPT as u32).map(|position| [position; 3]).collect();
    let input = Input {
        ids: &ids,
        positions: &positions,
        images: &[],
    };
    let logits = model.prefill(&mut model.new_sequence(), &input, Want::Last)?;
    let first = logits.last().and_then(|row| {
        row.iter()
            .enumerate()
            .max_by(|one, other| one.1.total_cmp(other.1))
    });
    let Some((token, _)) = first else {
        return Err(hinted(
            "the model gave no logits",
            "this is a defect; please report it",
        ));
    };
    let seconds = started.elapsed().as_secs_f64();
    if global.json {
        let line = json!({
            "model": args.choice.model,
            "random_weights": args.random_weights,
            "quant": quant_name(args.quant),
            "isa": model.isa_name(),
            "threads": model.threads(),
            "kind": "start",
            "tokens": PROMPT,
            "token": token,
            "seconds": round(seconds),
            "load_seconds": round(load_seconds),
            "peak_memory_bytes": peak_memory_bytes(),
        });
        println!("{line}");
    } else {
        println!("first token after {seconds:.3} s, {load_seconds:.3} of them loading");
    }
    Ok(())
}
