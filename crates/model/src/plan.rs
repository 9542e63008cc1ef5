//! How much memory a network and its sequences take, and how much a step reads, known before anything
//! is loaded.

use std::collections::BTreeMap;

use aurore_checkpoint::matrices::{self, matrices};
use aurore_checkpoint::packed::EntryKind;
use aurore_checkpoint::{Checkpoint, Config, Ffn, Part, Role, layout};
use aurore_kernels::{Attention, Delta, Format, KvFormat, Layout};

use crate::batch::pass_tokens;
use crate::buffers::Inputs;
use crate::sequence::{attention, delta};
use crate::text::shortlist_bytes;
use crate::{Formats, Precision, Sequence, buffers, format_named};

/// Bytes that the fast path needs. Pictures are not counted: the vision tower's buffers come on top
/// while one is looked at, and are given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// All weights that are loaded: the language model and the vision tower, without the
    /// multi-token-prediction head.
    pub weights: u64,
    /// The same by format, without the shortlist. Vectors, convolutions and position tables are f32.
    pub by_format: BTreeMap<&'static str, u64>,
    /// Those of them that belong to routed experts: a token goes to few of these.
    pub experts: u64,
    /// Routed experts' weights that one token meets.
    pub experts_per_token: u64,
    /// Of the weights, a large bf16 head's copy in 8 bits: what the greatest logits are found with.
    pub shortlist: u64,
    /// Weights that one token's step reads: without the vision tower, an embedding beside the head, and
    /// experts that it does not go to; of a head with a shortlist that alone.
    pub weights_per_token: u64,
    /// What a step of several sequences reads beyond that: it takes the whole head and not the shortlist.
    more_together: u64,
    /// A sequence's recurrent states, whatever its length.
    pub recurrent: u64,
    /// A sequence's last inputs of the convolutions.
    pub convolution: u64,
    /// What an unfinished chunk of the delta rule takes beside them.
    pub chunk: u64,
    /// What a step of several tokens puts aside, so that the last ones can be taken back.
    pub undo: u64,
    /// Keys and values of one token. They are kept in pages of [`MemoryPlan::PAGE`] tokens.
    pub kv_per_token: u64,
    /// Buffers of passes over given tokens and a single sequence's steps, logits of one token included.
    pub activations: u64,
    /// What each further row adds to them that is stepped together with others: a sequence's, or a draft's.
    pub activations_per_sequence: u64,
}

impl MemoryPlan {
    /// Tokens whose keys and values are one piece of memory.
    pub const PAGE: u64 = Attention::PAGE as u64;

    /// The plan for a configuration, with keys and values as the engine keeps them.
    pub fn new(config: &Config, precision: Precision) -> Self {
        Self::with_kv(config, precision, precision.kv())
    }

    /// The plan with keys and values in some format.
    pub fn with_kv(config: &Config, precision: Precision, kv: KvFormat) -> Self {
        Self::with_formats(config, &Formats::new(precision), kv)
    }

    /// The plan with a format for each kind of matrix.
    pub fn with_formats(config: &Config, formats: &Formats, kv: KvFormat) -> Self {
        Self::of(config, kv, |_, role| formats.of(role))
    }

    /// The plan for a packed checkpoint, whose matrices keep their formats; `None` for one that is not
    /// packed.
    pub fn packed(checkpoint: &Checkpoint, kv: KvFormat) -> Option<Self> {
        let packed = checkpoint.packed_file()?;
        let format = |key: &str, _: Role| {
            let entry = packed.entry(EntryKind::Matrix, key);
            // Loading says what is wrong with one that is not there.
            entry
                .and_then(|entry| format_named(&entry.format))
                .unwrap_or(Format::F32)
        };
        Some(Self::of(checkpoint.config(), kv, format))
    }

    fn of(config: &Config, kv: KvFormat, format_of: impl Fn(&str, Role) -> Format) -> Self {
        let text = &config.text;
        let (mut by_format, mut experts, mut idle) = (BTreeMap::new(), 0u64, 0u64);
        let mut inputs = Inputs::default();
        let (mut shortlist, mut head) = (0, 0);
        let head_key = matrices::head(config).key;
        for matrix in matrices(config, false) {
            let format = format_of(&matrix.key, matrix.role);
            let layout = Layout::new(format, matrix.rows(), matrix.columns);
            let bytes = layout.map_or(u64::MAX, |layout| (layout.elements + layout.scales) as u64);
            add(&mut by_format, format, bytes);
            if matrix.key == head_key
                && let Some(copy) = shortlist_bytes(format, matrix.rows(), matrix.columns)
            {
                (shortlist, head) = (copy as u64, bytes);
                inputs.shortlist = true;
            }
            inputs.int8 |= matches!(format, Format::Q8 | Format::Q4);
            inputs.bf16 |= format == Format::Bf16;
            match matrix.role {
                Role::ExpertGateUp | Role::ExpertDown => experts = experts.saturating_add(bytes),
                Role::Embedding
                | Role::VisionPatch
                | Role::VisionInput
                | Role::VisionOutput
                | Role::VisionUp
                | Role::VisionDown
                | Role::VisionMerger => idle = idle.saturating_add(bytes),
                _ => {}
            }
        }
        for slot in layout(config) {
            let single = slot.shape.len() == 1
                || slot.name.ends_with("conv1d.weight")
                || slot.name.ends_with("pos_embed.weight");
            if single && slot.part != Part::Mtp {
                let bytes = slot.parameters().saturating_mul(FLOAT);
                add(&mut by_format, Format::F32, bytes);
                if slot.part == Part::Vision {
                    idle = idle.saturating_add(bytes);
                }
            }
        }
        let weights = by_format
            .values()
            .fold(shortlist, |sum: u64, bytes| sum.saturating_add(*bytes));
        let experts_per_token = match text.ffn {
            Ffn::Dense { .. } => 0,
            Ffn::Moe {
                experts: number,
                top_k,
                ..
            } => experts / number.max(1) as u64 * top_k as u64,
        };
        let linear = |elements: usize| (text.linear_layers() * elements) as u64 * FLOAT;
        let per_full = (attention(text, kv).page_len() / Attention::PAGE) as u64 * FLOAT;
        let pass = pass_tokens(text);
        let buffers = |steps| buffers::bytes(config, kv, pass, steps, inputs);
        Self {
            weights,
            by_format,
            experts,
            experts_per_token,
            shortlist,
            weights_per_token: weights
                .saturating_sub(head)
                .saturating_sub(idle)
                .saturating_sub(experts)
                + experts_per_token,
            more_together: head.saturating_sub(shortlist),
            recurrent: linear(delta(text).state_len()),
            convolution: linear((text.linear_conv_kernel_dim - 1) * text.linear_conv_dim()),
            chunk: linear(delta(text).chunk_len()),
            undo: linear((text.linear_conv_kernel_dim - 1 + Sequence::MOST_DRAFTS) * text.linear_conv_dim()),
            kv_per_token: text.full_layers() as u64 * per_full,
            activations: buffers(1),
            activations_per_sequence: (buffers(1 + pass) - buffers(1)) / pass as u64,
        }
    }

    /// Bytes of a sequence that do not grow with it.
    pub fn state(&self) -> u64 {
        self.recurrent + self.convolution + self.chunk + self.undo
    }

    /// Bytes of a sequence of that many tokens.
    pub fn sequence(&self, tokens: u64) -> u64 {
        self.state()
            .saturating_add(self.kv_per_token.saturating_mul(pages(tokens)))
    }

    /// Bytes of everything while one sequence of that many tokens is under way.
    pub fn total(&self, tokens: u64) -> u64 {
        self.total_of(1, tokens)
    }

    /// Bytes of everything while so many sequences of that many tokens each are under way together.
    pub fn total_of(&self, sequences: u64, tokens: u64) -> u64 {
        self.fixed(sequences)
            .saturating_add(sequences.saturating_mul(self.sequence(tokens)))
    }

    /// Bytes of buffers while so many sequences are under way together. A single one may have as many rows with its drafts
    /// as several have without.
    pub fn buffers(&self, sequences: u64) -> u64 {
        let rows = sequences.max(1 + Sequence::MOST_DRAFTS as u64);
        let more = (rows - 1).saturating_mul(self.activations_per_sequence);
        self.activations.saturating_add(more)
    }

    /// Weights and buffers.
    fn fixed(&self, sequences: u64) -> u64 {
        self.weights.saturating_add(self.buffers(sequences))
    }

    /// The longest sequence for which all fits into so many bytes; `None` when not even the weights do.
    pub fn longest(&self, bytes: u64) -> Option<u64> {
        self.longest_of(1, bytes)
    }

    /// The same for so many sequences of one length.
    pub fn longest_of(&self, sequences: u64, bytes: u64) -> Option<u64> {
        let left = bytes.checked_sub(self.total_of(sequences, 0))?;
        let per_token = self.kv_per_token.saturating_mul(sequences);
        Some(match left.checked_div(per_token) {
            Some(tokens) => tokens / Self::PAGE * Self::PAGE,
            None => u64::MAX,
        })
    }

    /// Bytes that sequences may take together when all fits into so many; `None` when not even the
    /// weights do.
    pub fn left_for_sequences(&self, sequences: u64, bytes: u64) -> Option<u64> {
        bytes.checked_sub(self.fixed(sequences))
    }

    /// Bytes that a step must read and write at the least when so many sequences make one together,
    /// each with so many tokens before: weights once, keys and values of each, and states, which are written
    /// every eighth time. As experts
    /// are chosen, each sequence is taken to meet others than the rest, as long as there are more.
    pub fn step_bytes(&self, sequences: u64, tokens: u64) -> u64 {
        let mut others = self.weights_per_token.saturating_sub(self.experts_per_token);
        if sequences > 1 {
            others = others.saturating_add(self.more_together);
        }
        let experts = self.experts_per_token.saturating_mul(sequences).min(self.experts);
        let keys = self.kv_per_token.saturating_mul(tokens);
        let written = self.recurrent / Delta::STEPS as u64;
        let state = keys.saturating_add(self.recurrent + written);
        others
            .saturating_add(experts)
            .saturating_add(sequences.saturating_mul(state))
    }
}

const FLOAT: u64 = size_of::<f32>() as u64;

fn add(by_format: &mut BTreeMap<&'static str, u64>, format: Format, bytes: u64) {
    let sum = by_format.entry(crate::format_name(format)).or_insert(0);
    *sum = sum.saturating_add(bytes);
}

/// Tokens with those that fill the last page.
fn pages(tokens: u64) -> u64 {
    tokens.div_ceil(MemoryPlan::PAGE).saturating_mul(MemoryPlan::PAGE)
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
        // 18 layers of 16 heads of 128 × 128, and three inputs of 6,144 channels.
        assert_eq!(plan.recurrent, 18 * 16 * 128 * 128 * 4);
        assert_eq!(plan.convolution, 18 * 3 * 6144 * 4);
        assert!(plan.total(262_144) < 24 << 30, "{plan:?}");
        assert!(plan.longest(24 << 30).unwrap() >= 262_144);
        assert_eq!(plan.longest(plan.total(640)), Some(640));
        assert_eq!(plan.longest(plan.total(640) - 1), Some(576));
        assert_eq!(plan.longest(1 << 30), None);
        assert_eq!(plan.sequence(1), plan.sequence(64));
        assert_eq!(plan.experts, 0);
    }

    #[test]
    fn many_sequences_share_the_weights() {
        let plan = plan("0.8B", Precision::Q4, KvFormat::Bf16);
        let (one, many) = (plan.total_of(1, 16_384), plan.total_of(16, 16_384));
        assert_eq!(one, plan.total(16_384));
        // Eight rows are planned for one sequence and its drafts.
        assert_eq!(
            many - one,
            15 * plan.sequence(16_384) + 8 * plan.activations_per_sequence
        );
        assert_eq!(plan.longest_of(16, many), Some(16_384));
        assert_eq!(plan.longest_of(16, many - 1), Some(16_320));
        assert_eq!(
            plan.left_for_sequences(16, many),
            Some(16 * plan.sequence(16_384))
        );
        let step = |sequences, tokens| plan.step_bytes(sequences, tokens);
        let state = plan.recurrent + plan.recurrent / 8;
        assert_eq!(step(1, 0), plan.weights_per_token + state);
        assert_eq!(step(16, 64) - step(16, 0), 16 * 64 * plan.kv_per_token);
        assert!(step(16, 0) < 2 * step(1, 0) + 16 * state);
    }

    #[test]
    fn full_attention_in_every_layer_has_no_state_and_four_times_the_keys() {
        use aurore_checkpoint::LayerType;
        let config = Config::official("0.8B").unwrap();
        let hybrid = MemoryPlan::new(&config, Precision::Bf16);
        let full = config.clone().with_all_layers(LayerType::FullAttention);
        let full = MemoryPlan::new(&full, Precision::Bf16);
        assert_eq!((full.state(), full.kv_per_token), (0, 4 * hybrid.kv_per_token));
        let linear = config.with_all_layers(LayerType::LinearAttention);
        let linear = MemoryPlan::new(&linear, Precision::Bf16);
        assert_eq!(
            (linear.recurrent, linear.kv_per_token),
            (hybrid.recurrent / 18 * 24, 0)
        );
        assert_eq!(linear.longest(u64::MAX - 1), Some(u64::MAX));
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
        assert_eq!(
            sparse.by_format.keys().copied().collect::<Vec<_>>(),
            ["f32", "q4"]
        );
        assert_eq!(sparse.by_format.values().sum::<u64>(), sparse.weights);
        let mixed = MemoryPlan::with_formats(
            &Config::official("0.8B").unwrap(),
            &Formats::mixed(),
            KvFormat::Bf16,
        );
        assert_eq!(
            mixed.by_format.keys().copied().collect::<Vec<_>>(),
            ["f32", "q4", "q8"]
        );
        let [f32, bf16, int8] = [KvFormat::F32, KvFormat::Bf16, KvFormat::Int8]
            .map(|kv| plan("4B", Precision::Q8, kv).kv_per_token);
        assert!(f32 == 2 * bf16 && int8 < bf16 / 2 + bf16 / 50);
    }

    #[test]
    fn absurd_lengths_do_not_overflow() {
        let plan = plan("4B", Precision::F32, KvFormat::F32);
        assert_eq!(plan.total(u64::MAX), u64::MAX);
        assert_eq!(plan.total_of(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(plan.step_bytes(u64::MAX, u64::MAX), u64::MAX);
    }
}
