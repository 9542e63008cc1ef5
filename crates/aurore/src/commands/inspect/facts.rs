//! A checkpoint's or a shape's own facts: sizes, parameters by part, memory.

use std::collections::BTreeMap;

use aurore_checkpoint::{Checkpoint, Config, Ffn, Part, layout};
use aurore_model::{KvFormat, MemoryPlan, Precision};
use serde_json::{Map, Value, json};

use crate::memory::size;
use crate::style::{Look, Style};

/// Context lengths that the short memory table shows.
const CONTEXTS: [u64; 3] = [4_096, 32_768, 262_144];

/// What is told about a model.
pub(super) struct Facts {
    name: String,
    config: Config,
    /// (place, fingerprint, bytes per data type), of checkpoints with files.
    files: Option<(String, String, BTreeMap<String, u64>)>,
    /// From what and how a packed file was made.
    provenance: Option<BTreeMap<String, String>>,
    parts: BTreeMap<Part, u64>,
    total: u64,
    active: u64,
    plan: MemoryPlan,
}

impl Facts {
    pub(super) fn new(name: &str, config: &Config, checkpoint: Option<&Checkpoint>) -> Self {
        let with_mtp = checkpoint
            .is_none_or(|checkpoint| checkpoint.tensor_names().any(|name| name.starts_with("mtp.")));
        let mut parts = BTreeMap::new();
        for slot in layout(config) {
            if slot.part != Part::Mtp || with_mtp {
                *parts.entry(slot.part).or_insert(0) += slot.parameters();
            }
        }
        let total = parts.values().sum();
        Self {
            name: name.to_owned(),
            config: config.clone(),
            files: checkpoint.map(|checkpoint| {
                let bytes = checkpoint.bytes_by_dtype();
                let bytes = bytes
                    .into_iter()
                    .map(|(dtype, bytes)| (dtype.to_owned(), bytes))
                    .collect();
                (checkpoint.files().describe(), checkpoint.fingerprint(), bytes)
            }),
            provenance: checkpoint.and_then(Checkpoint::packed_file).map(|packed| {
                packed
                    .provenance()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            }),
            total,
            active: active(config, &parts),
            parts,
            plan: checkpoint
                .and_then(|checkpoint| MemoryPlan::packed(checkpoint, KvFormat::default()))
                .unwrap_or_else(|| MemoryPlan::new(config, Precision::Bf16)),
        }
    }

    fn shape(&self) -> Vec<(&'static str, String)> {
        let text = &self.config.text;
        let mut rows = vec![
            ("vocabulary", text.vocab_size.to_string()),
            ("hidden", text.hidden_size.to_string()),
            (
                "layers",
                format!(
                    "{} ({} DeltaNet, {} attention)",
                    text.num_hidden_layers,
                    text.linear_layers(),
                    text.full_layers()
                ),
            ),
            (
                "attention",
                format!(
                    "{} query heads, {} key-value heads of {}, {} dimensions rotated",
                    text.num_attention_heads,
                    text.num_key_value_heads,
                    text.head_dim,
                    text.rotary_dim()
                ),
            ),
            (
                "DeltaNet",
                format!(
                    "{} key heads of {}, {} value heads of {}",
                    text.linear_num_key_heads,
                    text.linear_key_head_dim,
                    text.linear_num_value_heads,
                    text.linear_value_head_dim
                ),
            ),
        ];
        rows.push(match text.ffn {
            Ffn::Dense { intermediate } => ("feed-forward", format!("dense, {intermediate}")),
            Ffn::Moe {
                experts,
                top_k,
                intermediate,
                shared_intermediate,
            } => (
                "feed-forward",
                format!("{experts} experts of {intermediate}, {top_k} a token; shared {shared_intermediate}"),
            ),
        });
        rows.push(("context", format!("{} tokens", text.max_position_embeddings)));
        if let Some(yarn) = &text.rope.yarn {
            let original = yarn.original_max_position_embeddings;
            rows.push(("YaRN", format!("factor {} over {original} tokens", yarn.factor)));
        }
        rows.push((
            "head",
            if self.config.tie_word_embeddings {
                "tied"
            } else {
                "its own"
            }
            .to_owned(),
        ));
        rows.push(match &self.config.vision {
            None => ("vision", "none".to_owned()),
            Some(vision) => (
                "vision",
                format!(
                    "{} blocks of {}, {} heads; a token for {side}×{side} pixels",
                    vision.depth,
                    vision.hidden_size,
                    vision.num_heads,
                    side = vision.patch_size * vision.spatial_merge_size
                ),
            ),
        });
        rows
    }

    pub(super) fn print(&self, style: Style) {
        let title = |text: &str| println!("{}", style.paint(Look::Bold, text));
        title(&self.name);
        if let Some((place, fingerprint, bytes)) = &self.files {
            let stored: Vec<String> = bytes
                .iter()
                .map(|(dtype, bytes)| format!("{} {dtype}", size(*bytes)))
                .collect();
            println!("  {:<14}{place}", "files");
            println!("  {:<14}{}", "stored", stored.join(", "));
            println!("  {:<14}{fingerprint}", "fingerprint");
        }
        for (label, value) in self.provenance.iter().flatten() {
            println!("  {:<14}{value}", format!("packed, {label}"));
        }
        for (label, value) in self.shape() {
            println!("  {label:<14}{value}");
        }
        title("parameters");
        for (part, parameters) in &self.parts {
            println!("  {:<22}{:>12}", describe(*part), count(*parameters));
        }
        println!("  {:<22}{:>12}", "total", count(self.total));
        println!("  {:<22}{:>12}", "active for a token", count(self.active));
        title(match &self.provenance {
            None => "memory, weights kept in bf16",
            Some(_) => "memory, weights kept as packed",
        });
        println!("  {:<22}{:>12}", "weights", size(self.plan.weights));
        println!("  {:<22}{:>12}", "state of a sequence", size(self.plan.state()));
        println!("  {:<22}{:>12}", "each token", size(self.plan.kv_per_token));
        for tokens in self.contexts() {
            let all = self.plan.weights + self.plan.sequence(tokens);
            println!("  {:<22}{:>12}", format!("with {tokens} tokens"), size(all));
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let text = &self.config.text;
        let parts: Map<String, Value> = self
            .parts
            .iter()
            .map(|(part, parameters)| (describe(*part).to_owned(), json!(parameters)))
            .collect();
        let ffn = match text.ffn {
            Ffn::Dense { intermediate } => json!({"kind": "dense", "intermediate_size": intermediate}),
            Ffn::Moe {
                experts,
                top_k,
                intermediate,
                shared_intermediate,
            } => json!({
                "kind": "moe",
                "num_experts": experts,
                "num_experts_per_tok": top_k,
                "moe_intermediate_size": intermediate,
                "shared_expert_intermediate_size": shared_intermediate,
            }),
        };
        let vision = self.config.vision.as_ref().map(|vision| {
            json!({
                "depth": vision.depth,
                "hidden_size": vision.hidden_size,
                "num_heads": vision.num_heads,
                "intermediate_size": vision.intermediate_size,
                "patch_size": vision.patch_size,
                "spatial_merge_size": vision.spatial_merge_size,
            })
        });
        let contexts: Vec<Value> = self
            .contexts()
            .map(|tokens| json!({"tokens": tokens, "bytes": self.plan.weights + self.plan.sequence(tokens)}))
            .collect();
        json!({
            "model": self.name,
            "files": self.files.as_ref().map(|(place, fingerprint, bytes)| {
                json!({"place": place, "fingerprint": fingerprint, "bytes_by_dtype": bytes})
            }),
            "packed": self.provenance,
            "shape": {
                "vocab_size": text.vocab_size,
                "hidden_size": text.hidden_size,
                "num_hidden_layers": text.num_hidden_layers,
                "linear_layers": text.linear_layers(),
                "full_layers": text.full_layers(),
                "num_attention_heads": text.num_attention_heads,
                "num_key_value_heads": text.num_key_value_heads,
                "head_dim": text.head_dim,
                "rotary_dim": text.rotary_dim(),
                "linear_num_key_heads": text.linear_num_key_heads,
                "linear_num_value_heads": text.linear_num_value_heads,
                "linear_key_head_dim": text.linear_key_head_dim,
                "linear_value_head_dim": text.linear_value_head_dim,
                "ffn": ffn,
                "max_position_embeddings": text.max_position_embeddings,
                "tie_word_embeddings": self.config.tie_word_embeddings,
                "vision": vision,
            },
            "parameters": {"total": self.total, "active": self.active, "parts": parts},
            "memory": {
                "precision": if self.provenance.is_some() { "packed" } else { "bf16" },
                "weights_bytes": self.plan.weights,
                "state_bytes": self.plan.state(),
                "kv_bytes_per_token": self.plan.kv_per_token,
                "contexts": contexts,
            },
        })
    }

    /// The lengths to plan for: those that the model can have.
    fn contexts(&self) -> impl Iterator<Item = u64> {
        let longest = self.config.text.max_position_embeddings as u64;
        CONTEXTS
            .into_iter()
            .filter(move |tokens| *tokens < longest)
            .chain([longest])
    }
}

/// Parameters of the language model that take part in one token's step.
fn active(config: &Config, parts: &BTreeMap<Part, u64>) -> u64 {
    let all = |part: Part| parts.get(&part).copied().unwrap_or(0);
    let routed = match config.text.ffn {
        Ffn::Dense { .. } => 0,
        Ffn::Moe { experts, top_k, .. } => all(Part::Experts) / experts as u64 * top_k as u64,
    };
    // The embedding counts whole, as it does in published figures.
    let others = [
        Part::Embedding,
        Part::Head,
        Part::FullAttention,
        Part::LinearAttention,
        Part::Mlp,
        Part::SharedExpert,
        Part::Norm,
    ];
    routed + others.into_iter().map(all).sum::<u64>()
}

fn describe(part: Part) -> &'static str {
    match part {
        Part::Embedding => "embedding",
        Part::Head => "head",
        Part::FullAttention => "attention",
        Part::LinearAttention => "DeltaNet",
        Part::Mlp => "feed-forward",
        Part::Experts => "experts",
        Part::SharedExpert => "router, shared expert",
        Part::Norm => "norms",
        Part::Vision => "vision",
        Part::Mtp => "multi-token head",
    }
}

/// A number of parameters, to four digits.
fn count(parameters: u64) -> String {
    let value = parameters as f64;
    match value {
        v if v >= 1e9 => format!("{:.3} B", v / 1e9),
        v if v >= 1e6 => format!("{:.3} M", v / 1e6),
        v if v >= 1e3 => format!("{:.3} k", v / 1e3),
        _ => parameters.to_string(),
    }
}
