//! The memory plan of one model in each format, and the speed that memory allows.

use aurore_checkpoint::{Checkpoint, Config};
use aurore_kernels::Cpu;
use aurore_model::{Formats, KvFormat, MemoryPlan, Precision};
use serde_json::{Value, json};

use crate::machine;
use crate::memory::{Limit, size, to_usize};
use crate::models::kv_name;
use crate::style::{Look, Style};

/// What to plan for.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    /// Tokens of each sequence.
    pub(super) context: u64,
    pub(super) sequences: u64,
    pub(super) kv: Option<KvFormat>,
}

/// What this machine has.
pub(super) struct Machine {
    pub(super) limit: Option<Limit>,
    available: Option<u64>,
    /// Bytes read from memory per second, measured.
    pub(super) bandwidth: f64,
}

impl Machine {
    pub(super) fn measure() -> Self {
        Self {
            limit: Limit::find(),
            available: machine::memory().map(|memory| memory.available),
            bandwidth: Cpu::new(None, 0).limits().read_bytes_per_second,
        }
    }

    /// Whether so many bytes fit; `None` where the system does not tell its memory.
    pub(super) fn fits(&self, bytes: u64) -> Option<bool> {
        self.limit.map(|limit| bytes <= limit.bytes)
    }

    pub(super) fn describe(&self) -> String {
        let memory = match self.limit {
            None => "memory not told by this system".to_owned(),
            Some(limit) => format!("{}, {}", size(limit.bytes), limit.by),
        };
        let free = self
            .available
            .map_or_else(String::new, |bytes| format!("; {} free now", size(bytes)));
        format!(
            "{memory}{free}; {:.1} GB/s read, measured now",
            self.bandwidth / 1e9
        )
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "memory_limit_bytes": self.limit.map(|limit| limit.bytes),
            "memory_limit_by": self.limit.map(|limit| limit.by),
            "available_bytes": self.available,
            "read_bytes_per_second": self.bandwidth.round(),
        })
    }
}

/// The formats that a checkpoint can be kept in, with the keys and values that go with each.
pub(super) fn formats() -> [(&'static str, Formats, KvFormat); 5] {
    let all = |name, precision: Precision| (name, Formats::new(precision), precision.kv());
    [
        all("f32", Precision::F32),
        all("bf16", Precision::Bf16),
        all("q8", Precision::Q8),
        ("mixed", Formats::mixed(), Precision::Q8.kv()),
        all("q4", Precision::Q4),
    ]
}

/// A model's plan in each format that it can have.
pub(super) struct Plans {
    name: String,
    wish: Wish,
    /// The model's own longest context, and YaRN's factor for the wished one.
    trained: usize,
    yarn: Option<f64>,
    columns: Vec<(&'static str, KvFormat, MemoryPlan)>,
}

impl Plans {
    pub(super) fn new(name: &str, config: &Config, checkpoint: Option<&Checkpoint>, wish: Wish) -> Self {
        let trained = config.text.max_position_embeddings;
        let config = config.clone().with_context(to_usize(wish.context));
        let packed_kv = wish.kv.unwrap_or_default();
        let packed = checkpoint.and_then(|checkpoint| MemoryPlan::packed(checkpoint, packed_kv));
        Self {
            name: name.to_owned(),
            wish,
            trained,
            yarn: config.text.rope.yarn.as_ref().map(|yarn| yarn.factor),
            columns: match packed {
                Some(plan) => vec![("packed", packed_kv, plan)],
                None => formats()
                    .into_iter()
                    .map(|(name, formats, kv)| {
                        let kv = wish.kv.unwrap_or(kv);
                        (name, kv, MemoryPlan::with_formats(&config, &formats, kv))
                    })
                    .collect(),
            },
        }
    }

    pub(super) fn print(&self, machine: &Machine, style: Style) {
        let Wish {
            context, sequences, ..
        } = self.wish;
        let many = if sequences == 1 {
            String::new()
        } else {
            format!("{sequences} sequences of ")
        };
        let title = format!("{}: memory for {many}{context} tokens", self.name);
        println!("{}", style.paint(Look::Bold, &title));
        if let Some(factor) = self.yarn.filter(|_| context > self.trained as u64) {
            println!(
                "  longer than the {} tokens of its configuration: YaRN with factor {factor}",
                self.trained
            );
        }
        let row = |label: &str, cell: &dyn Fn(KvFormat, &MemoryPlan) -> String| {
            let cells = self.columns.iter();
            let cells = cells.map(|(_, kv, plan)| format!("{:>13}", cell(*kv, plan)));
            println!("  {label:<24}{}", cells.collect::<Vec<_>>().concat());
        };
        let names = self.columns.iter().map(|(name, ..)| format!("{name:>13}"));
        println!(
            "  {:<24}{}",
            "weights kept as",
            names.collect::<Vec<_>>().concat()
        );
        row("weights", &|_, plan| size(plan.weights));
        let formats = |plan: &MemoryPlan| plan.by_format.keys().copied().collect::<Vec<_>>().join("+");
        row("  in", &|_, plan| formats(plan));
        if self.columns.iter().any(|(.., plan)| plan.shortlist > 0) {
            row("  the head's shortlist", &|_, plan| match plan.shortlist {
                0 => "none".to_owned(),
                bytes => size(bytes),
            });
        }
        row("keys and values", &|_, plan| {
            size(sequences.saturating_mul(plan.sequence(context) - plan.state()))
        });
        row("  in", &|kv, _| kv_name(kv).to_owned());
        row("  each token", &|_, plan| size(plan.kv_per_token));
        row("  a page of 64 tokens", &|_, plan| {
            size(MemoryPlan::PAGE * plan.kv_per_token)
        });
        row("DeltaNet states", &|_, plan| size(sequences * plan.recurrent));
        row("convolution inputs", &|_, plan| {
            size(sequences * plan.convolution)
        });
        row("unfinished chunks", &|_, plan| size(sequences * plan.chunk));
        row("to take drafts back", &|_, plan| size(sequences * plan.undo));
        row("buffers", &|_, plan| size(plan.buffers(sequences)));
        row("all", &|_, plan| size(plan.total_of(sequences, context)));
        row("fits", &|_, plan| {
            let fits = machine.fits(plan.total_of(sequences, context));
            fits.map_or("not known", |fits| if fits { "yes" } else { "no" })
                .to_owned()
        });
        row(
            "longest that fits",
            &|_, plan| match longest(plan, sequences, machine) {
                Some(u64::MAX) => "any".to_owned(),
                Some(tokens) if tokens > 0 => tokens.to_string(),
                _ => "none".to_owned(),
            },
        );
        row("tokens/s at most, start", &|_, plan| {
            speed(self.at_most(plan, 0, machine))
        });
        row("tokens/s at most, end", &|_, plan| {
            speed(self.at_most(plan, context, machine))
        });
        println!("  this machine: {}", machine.describe());
        println!(
            "  at most: the bytes that a step must read over that rate, were everything in memory; real speed is lower"
        );
    }

    /// The most tokens a second of all sequences together, so many tokens after their start.
    fn at_most(&self, plan: &MemoryPlan, tokens: u64, machine: &Machine) -> f64 {
        let sequences = self.wish.sequences;
        sequences as f64 * machine.bandwidth / plan.step_bytes(sequences, tokens) as f64
    }

    pub(super) fn to_json(&self, machine: &Machine) -> Value {
        let Wish {
            context, sequences, ..
        } = self.wish;
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|(name, kv, plan)| {
                let total = plan.total_of(sequences, context);
                json!({
                    "weights": name,
                    "kv": kv_name(*kv),
                    "weights_bytes": plan.weights,
                    "weights_bytes_by_format": plan.by_format,
                    "shortlist_bytes": plan.shortlist,
                    "experts_bytes": plan.experts,
                    "weights_bytes_per_token": plan.weights_per_token,
                    "kv_bytes": sequences.saturating_mul(plan.sequence(context) - plan.state()),
                    "kv_bytes_per_token": plan.kv_per_token,
                    "kv_page_tokens": MemoryPlan::PAGE,
                    "delta_bytes": sequences * plan.recurrent,
                    "convolution_bytes": sequences * plan.convolution,
                    "chunk_bytes": sequences * plan.chunk,
                    "undo_bytes": sequences * plan.undo,
                    "buffers_bytes": plan.buffers(sequences),
                    "total_bytes": total,
                    "fits": machine.fits(total),
                    "longest_context": longest(plan, sequences, machine),
                    "tokens_per_second_at_most": {
                        "start": self.at_most(plan, 0, machine),
                        "end": self.at_most(plan, context, machine),
                    },
                })
            })
            .collect();
        json!({
            "context": context,
            "sequences": sequences,
            "yarn_factor": self.yarn,
            "machine": machine.to_json(),
            "formats": columns,
        })
    }
}

/// The longest context that fits this machine.
pub(super) fn longest(plan: &MemoryPlan, sequences: u64, machine: &Machine) -> Option<u64> {
    plan.longest_of(sequences, machine.limit?.bytes)
}

/// Tokens per second, to three digits.
pub(super) fn speed(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}
