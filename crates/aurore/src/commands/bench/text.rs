//! Prefill and decoding of text, at some depths, of one sequence or of many together.

use std::time::Instant;

use anyhow::Context;
use aurore_kernels::Limits;
use aurore_model::{Among, Input, Logits, MemoryPlan, Model, Segment, Sequence, Tokens, Want};
use indicatif::ProgressBar;
use serde_json::json;

use super::figures::{deviation, median, peak_memory_bytes, resident_bytes, round};
use super::reading::{Reading, fingerprint};
use super::{Args, Fill, Quant, quant_name};
use crate::global::Global;
use crate::models::kv_name;

/// Tokens whose keys and values are repeated to make a depth.
const REPEATED: usize = 512;
/// Sequences are copied in whole pages.
const PAGE: usize = MemoryPlan::PAGE as usize;

pub(super) struct Bench<'a> {
    pub(super) args: &'a Args,
    pub(super) model: &'a Model,
    pub(super) plan: MemoryPlan,
    pub(super) limits: Limits,
    pub(super) load_seconds: f64,
    pub(super) progress: ProgressBar,
    pub(super) global: &'a Global,
}

struct Measured {
    kind: &'static str,
    tokens: usize,
    depth: usize,
    /// Sequences together.
    batch: usize,
    /// What a step verifies.
    drafts: Drafts,
    /// Of all sequences, of each repetition.
    tokens_per_second: Vec<f64>,
    /// Median of all sequences over that of one, where one was measured too.
    ratio_to_one: Option<f64>,
    /// What was read of experts that are not in memory.
    reading: Option<Reading>,
    /// Of the last logits' bits: the same for the same model and command, wherever experts are.
    fingerprint: u64,
}

/// Drafts that a step verifies beside its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drafts {
    None,
    /// So many at most, all of which are right.
    Right(usize),
    /// So many at most, none of which is right.
    Wrong(usize),
}

impl Drafts {
    fn most(self) -> usize {
        match self {
            Self::None => 0,
            Self::Right(most) | Self::Wrong(most) => most,
        }
    }
}

impl Bench<'_> {
    pub(super) fn at_depth(&self, depth: usize) -> anyhow::Result<()> {
        self.progress.set_message(format!("filling {depth} tokens"));
        // All pages that are whole, and the sequence with the rest too.
        let whole = depth / PAGE * PAGE;
        let base = match self.args.fill {
            Fill::Prefill => self.fed(whole)?,
            Fill::Repeat if whole <= REPEATED => self.fed(whole)?,
            Fill::Repeat => {
                let few = self.fed(REPEATED)?;
                few.repeated(whole)
                    .context("a sequence that cannot be repeated")?
            }
        };
        // Of no tokens, nothing is kept: what is measured then has a sequence of its own and no other.
        let first = if depth == 0 {
            None
        } else {
            let mut first = base.fork();
            self.feed(&mut first, depth - whole, Want::None)?;
            Some(first)
        };
        let base = first.is_some().then_some(base);
        let begin = || {
            first
                .as_ref()
                .map_or_else(|| self.model.new_sequence(), Sequence::fork)
        };
        for &tokens in self.args.prompt.iter().filter(|tokens| **tokens > 0) {
            self.prefill(&begin, tokens, depth)?;
            if self.global.is_interrupted() {
                return Ok(());
            }
        }
        if self.args.generate == 0 {
            return Ok(());
        }
        let mut one = None;
        for &batch in &self.args.batch {
            let mut sequences = vec![begin()];
            // Keys and values of its own for each: shared ones would be read from memory once for all.
            for _ in 1..batch {
                let again = base.as_ref().and_then(|base| base.repeated(whole));
                let mut sequence = again.unwrap_or_else(|| self.model.new_sequence());
                self.feed(&mut sequence, depth - whole, Want::None)?;
                sequences.push(sequence);
            }
            let drafts = self.args.drafts.iter().flat_map(|most| match *most as usize {
                0 => vec![Drafts::None],
                most => vec![Drafts::Right(most), Drafts::Wrong(most)],
            });
            for drafts in drafts {
                let mut result = self.decode(&sequences, depth, drafts)?;
                let median = median(&result.tokens_per_second);
                if batch == 1 && drafts == Drafts::None {
                    one = Some(median);
                }
                result.ratio_to_one = one.map(|one| median / one);
                self.print(&result);
                if self.global.is_interrupted() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn prefill(&self, begin: &dyn Fn() -> Sequence, tokens: usize, depth: usize) -> anyhow::Result<()> {
        let mut result = Measured {
            kind: "prefill",
            tokens,
            depth,
            batch: 1,
            drafts: Drafts::None,
            tokens_per_second: Vec::new(),
            ratio_to_one: None,
            reading: None,
            fingerprint: 0,
        };
        let mut before = None;
        for number in 0..=self.args.repeat {
            self.progress.set_message(format!(
                "prefill {tokens} at {depth}, {number} of {}",
                self.args.repeat
            ));
            let mut sequence = begin();
            let started = Instant::now();
            let logits = self.feed(&mut sequence, tokens, Want::Last)?;
            // The first run warms up.
            if number > 0 {
                let speed = tokens as f64 / started.elapsed().as_secs_f64();
                result.tokens_per_second.push(speed);
            } else {
                before = self.model.expert_stats();
            }
            result.fingerprint = fingerprint(&logits);
            if self.global.is_interrupted() {
                return Ok(());
            }
        }
        let fed = tokens * result.tokens_per_second.len();
        result.reading = Reading::since(before, self.model, fed);
        self.print(&result);
        Ok(())
    }

    fn decode(&self, base: &[Sequence], depth: usize, drafts: Drafts) -> anyhow::Result<Measured> {
        let (tokens, batch) = (self.args.generate, base.len());
        let mut result = Measured {
            kind: "decode",
            tokens,
            depth,
            batch,
            drafts,
            tokens_per_second: Vec::new(),
            ratio_to_one: None,
            reading: None,
            fingerprint: 0,
        };
        let before = self.model.expert_stats();
        let mut logits = Logits::default();
        for number in 1..=self.args.repeat {
            self.progress.set_message(format!(
                "decode {tokens} at {depth}, {batch} together, {number} of {}",
                self.args.repeat
            ));
            let mut sequences = base.to_vec();
            let mut step = |id: usize, most: usize| -> anyhow::Result<usize> {
                let fed = most.min(sequences.iter().map(Sequence::most_drafts).min().unwrap_or(0));
                let ids: Vec<u32> = (id..id + batch + fed).map(|id| self.id(id)).collect();
                let segment = |(index, sequence)| Segment {
                    sequence,
                    tokens: Tokens::Generated(&ids[index..=index + fed]),
                    want: Want::All,
                    among: self.likeliest(),
                };
                let mut segments: Vec<Segment<'_>> = sequences.iter_mut().enumerate().map(segment).collect();
                self.model.forward(&mut segments, &mut logits)?;
                if let Drafts::Wrong(_) = drafts {
                    for sequence in &mut sequences {
                        sequence.take_back(fed)?;
                    }
                    return Ok(1);
                }
                Ok(1 + fed)
            };
            let mut id = step(0, drafts.most())?;
            let end = id + tokens;
            let started = Instant::now();
            while id < end {
                id += step(id, drafts.most().min(end - id - 1))?;
            }
            let speed = (tokens * batch) as f64 / started.elapsed().as_secs_f64();
            result.tokens_per_second.push(speed);
            if self.global.is_interrupted() {
                break;
            }
        }
        let steps = (tokens + 1) * batch * result.tokens_per_second.len();
        result.reading = Reading::since(before, self.model, steps);
        result.fingerprint = fingerprint(&logits.values);
        Ok(result)
    }

    /// What is wanted of a step's logits: as much as a greedy answer looks at.
    fn likeliest(&self) -> Among<'static> {
        Among::Greatest {
            count: 1,
            below: self.model.config().text.vocab_size,
        }
    }

    /// Some token that is no placeholder for an image: a prime stride through the vocabulary's start.
    fn id(&self, index: usize) -> u32 {
        let below = self.model.config().text.vocab_size.min(200);
        (index * 7919 % below) as u32
    }

    fn fed(&self, tokens: usize) -> anyhow::Result<Sequence> {
        let mut sequence = self.model.new_sequence();
        self.feed(&mut sequence, tokens, Want::None)?;
        Ok(sequence)
    }

    /// The logits that were wanted.
    fn feed(&self, sequence: &mut Sequence, tokens: usize, want: Want) -> anyhow::Result<Vec<f32>> {
        let ids: Vec<u32> = (0..tokens).map(|index| self.id(index)).collect();
        let start = sequence.next_position();
        let positions: Vec<[u32; 3]> = (0..tokens).map(|index| [start + index as u32; 3]).collect();
        let input = Input {
            ids: &ids,
            positions: &positions,
            images: &[],
        };
        let logits = self.model.prefill(sequence, &input, want);
        Ok(logits.context("the bench's own prompt")?.values)
    }

    /// Bytes that one token needs at the least: of a prompt, its share of the weights; of steps, its share of
    /// all that a step of all sequences reads and writes.
    fn bytes_per_token(&self, result: &Measured) -> f64 {
        if result.kind == "prefill" {
            let weights = self.plan.weights_per_token - self.model.head_bytes() as u64;
            return weights as f64 / result.tokens.max(1) as f64;
        }
        let seen = (result.depth + result.tokens / 2) as u64;
        self.plan.step_bytes(result.batch as u64, seen) as f64 / result.batch as f64
    }

    /// f32 operations of the matrix products of one token.
    fn operations_per_token(&self, kind: &str) -> f64 {
        let weight = match self.args.quant {
            Quant::F32 => 4.0,
            Quant::Bf16 => 2.0,
            Quant::Q8 => 129.0 / 128.0,
            Quant::Q4 => 69.0 / 128.0,
        };
        let head = if kind == "prefill" {
            self.model.head_bytes()
        } else {
            0
        };
        2.0 * (self.model.bytes_per_token() - head) as f64 / weight
    }

    pub(super) fn print_head(&self) {
        println!(
            "{} {}, {} layers, keys and values in {}, {} threads, {}; loaded in {:.1} s, {} MB of weights",
            self.args.choice.model,
            quant_name(self.args.quant),
            self.args.layer_types.name(),
            kv_name(self.model.kv()),
            self.model.threads(),
            self.model.isa_name(),
            self.load_seconds,
            self.model.memory_bytes() / 1_000_000,
        );
        println!(
            "this machine now: {:.1} GB/s read, {:.0} GFLOP/s f32\n",
            self.limits.read_bytes_per_second / 1e9,
            self.limits.operations_per_second / 1e9,
        );
        println!(
            "{:9} {:>6} {:>8} {:>6} {:>12} {:>8} {:>8} {:>7} {:>11} {:>12} {:>9}",
            "",
            "tokens",
            "depth",
            "batch",
            "tokens/s",
            "± sd",
            "each",
            "of one",
            "bandwidth",
            "arithmetic",
            "memory"
        );
    }

    fn print(&self, result: &Measured) {
        let speed = median(&result.tokens_per_second);
        let spread = deviation(&result.tokens_per_second);
        let bytes = self.bytes_per_token(result);
        let bandwidth = speed * bytes / self.limits.read_bytes_per_second;
        let arithmetic = speed * self.operations_per_token(result.kind) / self.limits.operations_per_second;
        let each = speed / result.batch as f64;
        if self.global.json {
            let line = json!({
                "model": self.args.choice.model,
                "random_weights": self.args.random_weights,
                "quant": quant_name(self.args.quant),
                "kv": kv_name(self.model.kv()),
                "layer_types": self.args.layer_types.name(),
                "isa": self.model.isa_name(),
                "threads": self.model.threads(),
                "kind": result.kind,
                "tokens": result.tokens,
                "depth": result.depth,
                "fill": if self.args.fill == Fill::Repeat { "repeat" } else { "prefill" },
                "batch": result.batch,
                "drafts": result.drafts.most(),
                "drafts_are_right": (result.drafts != Drafts::None).then_some(matches!(result.drafts, Drafts::Right(_))),
                "beside": self.args.beside,
                "first_layers": self.args.first_layers,
                "tokens_per_second": round(speed),
                "tokens_per_second_each": round(each),
                "ratio_to_one": result.ratio_to_one.map(round),
                "stddev": round(spread),
                "bytes_per_token": bytes.round(),
                "bandwidth_share": round(bandwidth),
                "arithmetic_share": round(arithmetic),
                "peak_memory_bytes": peak_memory_bytes(),
                "resident_bytes": resident_bytes(),
                "planned_bytes": self.planned(result),
                "load_seconds": round(self.load_seconds),
                "logits": format!("{:016x}", result.fingerprint),
                "experts": result.reading.as_ref().map(Reading::to_json),
            });
            println!("{line}");
            return;
        }
        let ratio = result
            .ratio_to_one
            .map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let memory =
            resident_bytes().map_or_else(String::new, |bytes| format!("{:.2} GB", bytes as f64 / 1e9));
        let kind = match result.drafts {
            Drafts::None => result.kind.to_owned(),
            Drafts::Right(most) => format!("{most} right"),
            Drafts::Wrong(most) => format!("{most} wrong"),
        };
        let row = format!(
            "{:9} {:>6} {:>8} {:>6} {speed:>12.2} {spread:>8.2} {each:>8.2} {ratio:>7} {:>10.0}% {:>11.0}% {memory:>9}",
            kind,
            result.tokens,
            result.depth,
            result.batch,
            bandwidth * 100.0,
            arithmetic * 100.0,
        );
        self.progress.suspend(|| {
            println!("{row}");
            if let Some(reading) = &result.reading {
                println!("         {reading}");
            }
        });
    }

    /// What the plan says for all that is held.
    fn planned(&self, result: &Measured) -> u64 {
        let tokens = (result.depth + result.tokens) as u64;
        self.plan.total_of(result.batch as u64, tokens)
    }
}
