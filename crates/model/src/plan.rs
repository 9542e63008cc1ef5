//! How much memory a network and its sequences take, known before anything is loaded.

use aurore_checkpoint::matrices::matrices;
use aurore_checkpoint::{Config, Ffn, Part, Role, layout};
use aurore_kernels::{Attention, Format, KvFormat, Layout};

use crate::Precision;
use crate::batch::PASS;
use crate::sequence::{attention, delta};

/// Bytes that the fast path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// All weights that are loaded: the language model and the vision tower, without the
    /// multi-token-prediction head.
    pub weights: u64,
    /// Those of them that belong to routed experts: a token goes to few of these.
    pub experts: u64,
    /// Routed experts' weights that one token meets.
    pub experts_per_token: u64,
    /// The recurrent part of a sequence's state, whatever its length, with an unfinished chunk.
    pub state: u64,
    /// Keys and values of one token. They are kept in pages of 64 tokens.
    pub kv_per_token: u64,
    /// Buffers of a pass over the language model, logits of one token included.
    pub activations: u64,
}

impl MemoryPlan {
    /// The plan for a configuration, with keys and values as the engine keeps them.
    pub fn new(config: &Config, precision: Precision) -> Self {
        Self::with_kv(config, precision, precision.kv())
    }

    /// The plan with keys and values in some format.
    pub fn with_kv(config: &Config, precision: Precision, kv: KvFormat) -> Self {
        let (mut matrix_bytes, mut experts) = (0u64, 0u64);
        for matrix in matrices(config, false) {
            let format = match matrix.role {
                Role::Router | Role::SharedGate => Format::F32,
                _ => precision.format(),
            };
            let layout = Layout::new(format, matrix.rows(), matrix.columns);
            let bytes = layout.map_or(u64::MAX, |layout| (layout.elements + layout.scales) as u64);
            matrix_bytes = matrix_bytes.saturating_add(bytes);
            if matches!(matrix.role, Role::ExpertGateUp | Role::ExpertDown) {
                experts = experts.saturating_add(bytes);
            }
        }
        // Vectors, the convolution's taps and the tower's positions stay in f32.
        let others: u64 = layout(config)
            .iter()
            .filter(|slot| {
                slot.part != Part::Mtp
                    && (slot.shape.len() == 1
                        || slot.name.ends_with("conv1d.weight")
                        || slot.name.ends_with("pos_embed.weight"))
            })
            .map(|slot| slot.parameters() * FLOAT)
            .sum();
        let text = &config.text;
        let history = (text.linear_conv_kernel_dim - 1) * text.linear_conv_dim();
        let per_linear = (history + delta(text).state_len() + delta(text).chunk_len()) as u64;
        let per_full = (attention(text, kv).page_len() / Attention::PAGE) as u64 * FLOAT;
        Self {
            weights: matrix_bytes.saturating_add(others),
            experts,
            experts_per_token: match text.ffn {
                Ffn::Dense { .. } => 0,
                Ffn::Moe {
                    experts: number,
                    top_k,
                    ..
                } => experts / number.max(1) as u64 * top_k as u64,
            },
            state: text.linear_layers() as u64 * per_linear * FLOAT,
            kv_per_token: text.full_layers() as u64 * per_full,
            activations: activations(config),
        }
    }

    /// Bytes of a sequence of that many tokens.
    pub fn sequence(&self, tokens: u64) -> u64 {
        self.state
            .saturating_add(self.kv_per_token.saturating_mul(pages(tokens)))
    }

    /// Bytes of everything while one sequence of that many tokens is under way.
    pub fn total(&self, tokens: u64) -> u64 {
        let fixed = self.weights.saturating_add(self.activations);
        fixed.saturating_add(self.sequence(tokens))
    }

    /// The longest sequence for which all fits into so many bytes; `None` when not even the weights do.
    pub fn longest(&self, bytes: u64) -> Option<u64> {
        let left = bytes.checked_sub(self.total(0))?;
        Some(match left.checked_div(self.kv_per_token) {
            Some(tokens) => tokens / PAGE * PAGE,
            None => u64::MAX,
        })
    }
}

const FLOAT: u64 = size_of::<f32>() as u64;
/// Tokens in a page of keys and values.
const PAGE: u64 = Attention::PAGE as u64;

/// Tokens with those that fill the last page.
fn pages(tokens: u64) -> u64 {
    tokens.div_ceil(PAGE).saturating_mul(PAGE)
}

/// Bytes of the buffers in `Scratch` and of inputs in int8.
fn activations(config: &Config) -> u64 {
    let text = &config.text;
    let hidden = text.hidden_size;
    let (conv, value) = (text.linear_conv_dim(), text.linear_value_dim());
    let heads = 2 * text.linear_num_value_heads;
    let sizes = attention(text, KvFormat::F32);
    let keys = sizes.kv_heads * sizes.head_dim;
    let (queries, padded) = (keys * sizes.group, sizes.queries_len(1));
    let (gate_up, inner, experts) = match text.ffn {
        Ffn::Dense { intermediate } => (2 * intermediate, intermediate, 0),
        Ffn::Moe {
            experts,
            top_k,
            intermediate,
            ..
        } => {
            let inner = (top_k + 1) * intermediate;
            (2 * inner, inner, (top_k + 1) * hidden + experts)
        }
    };
    let projected = (conv + value + heads).max(2 * queries + 2 * keys).max(gate_up);
    let mixed = value.max(queries).max(inner);
    let floats = 3 * hidden + projected + mixed + conv.max(padded) + keys + padded + experts;
    let bytes = floats as u64 * FLOAT + mixed.max(hidden) as u64;
    PASS as u64 * bytes + text.vocab_size as u64 * FLOAT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shape: &str, precision: Precision, kv: KvFormat) -> MemoryPlan {
        MemoryPlan::with_kv(&Config::official(shape).unwrap(), precision, kv)
    }

    #[test]
    fn a_quarter_of_a_million_tokens_fit_beside_the_smallest_model() {
        let plan = plan("0.8B", Precision::Bf16, KvFormat::F32);
        assert_eq!(plan.kv_per_token, 6 * 2 * 256 * 2 * 4);
        assert!(plan.total(262_144) < 24 << 30, "{plan:?}");
        assert!(plan.longest(24 << 30).unwrap() >= 262_144);
        assert_eq!(plan.longest(plan.total(640)), Some(640));
        assert_eq!(plan.longest(plan.total(640) - 1), Some(576));
        assert_eq!(plan.longest(1 << 30), None);
        assert_eq!(plan.sequence(1), plan.sequence(64));
        assert_eq!(plan.experts, 0);
    }

    #[test]
    fn formats_take_their_share() {
        let [f32, bf16, q8, q4] = [Precision::F32, Precision::Bf16, Precision::Q8, Precision::Q4]
            .map(|precision| plan("35B-A3B", precision, KvFormat::Bf16).weights as f64 / 35.1e9);
        assert!(
            (3.9..4.2).contains(&f32) && (1.95..2.1).contains(&bf16),
            "{f32} {bf16}"
        );
        assert!(
            (0.98..1.06).contains(&q8) && (0.53..0.58).contains(&q4),
            "{q8} {q4}"
        );
        let sparse = plan("397B-A17B", Precision::Q4, KvFormat::Int8);
        assert!(sparse.experts > sparse.weights / 10 * 9);
        assert!(sparse.experts_per_token < sparse.experts / 40);
        let [f32, bf16, int8] = [KvFormat::F32, KvFormat::Bf16, KvFormat::Int8]
            .map(|kv| plan("4B", Precision::Q8, kv).kv_per_token);
        assert!(f32 == 2 * bf16 && int8 < bf16 / 2 + bf16 / 50);
    }

    #[test]
    fn absurd_lengths_do_not_overflow() {
        let plan = plan("4B", Precision::F32, KvFormat::F32);
        assert_eq!(plan.total(u64::MAX), u64::MAX);
    }
}
