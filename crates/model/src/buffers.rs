//! Bytes of the buffers that passes grow: those of [`crate::scratch`], of products' rounded inputs, and
//! of the logits.

use aurore_checkpoint::{Config, Ffn, LayerType};
use aurore_kernels::{Group, KvFormat};

use crate::sequence::attention;

/// How products round their inputs, which follows from the matrices' formats.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inputs {
    /// To int8: there are matrices in 8 or 4 bits.
    pub(crate) int8: bool,
    /// To bf16: there are matrices in bf16. Only processors that multiply pairs of bf16 do this; others take less
    /// than is planned.
    pub(crate) bf16: bool,
    /// The likeliest logits are looked for with a copy of the head, which is multiplied with two rows.
    pub(crate) shortlist: bool,
}

const FLOAT: usize = size_of::<f32>();
const BLOCK: usize = 256;
const PER_BLOCK: usize = 8;
const GROUP: usize = 32;
const PER_GROUP: usize = 8;
const TILE_ROWS: usize = 15;
/// A last tile of rows in bf16, whose 16 rows are there however few are left.
const PAIRS_BEHIND: usize = 512;

/// Bytes of all buffers after a pass over `given` tokens of prompts and one step of each of `steps`
/// sequences, and the logits of those.
pub(crate) fn bytes(config: &Config, kv: KvFormat, given: usize, steps: usize, inputs: Inputs) -> u64 {
    let text = &config.text;
    let hidden = text.hidden_size;
    let rows = given + steps;
    let wanted = steps.max(1);
    let sizes = attention(text, kv);
    let has = |kind| text.layer_types.contains(&kind);
    // Widths of the joined inputs and of the outputs' inputs, of mixers and feed-forward layers, in rows
    // of a pass.
    let (mut projected, mut mixed) = (0, 0);
    // Bytes of a product's inputs, rounded: the most of all products, and a copy in the experts' order.
    let rounded_to = |rows: usize, columns: usize| {
        // As tiles read them, where there are any.
        let pairs = (rows * columns.next_multiple_of(32) + PAIRS_BEHIND) * size_of::<u16>();
        let integers = if inputs.int8 { integers(rows, columns) } else { 0 };
        integers + if inputs.bf16 { pairs } else { 0 }
    };
    let (mut rounded, mut copied) = (rounded_to(rows, hidden), 0);
    let mut floats = (wanted + 2 * rows) * hidden;
    if has(LayerType::LinearAttention) {
        let value = text.linear_value_dim();
        projected = rows * (text.linear_conv_dim() + value + 2 * text.linear_num_value_heads);
        mixed = rows * value;
        rounded = rounded.max(rounded_to(rows, value));
    }
    if has(LayerType::FullAttention) {
        let keys = sizes.kv_heads * sizes.head_dim;
        let queries = keys * sizes.group;
        projected = projected.max(rows * 2 * (queries + keys));
        mixed = mixed.max(rows * queries);
        rounded = rounded.max(rounded_to(rows, queries));
        // One kind of rows at a time goes through attention.
        let most = given.max(steps);
        floats += 2 * sizes.queries_len(most) + most * keys + sizes.pieces_len(steps);
    }
    floats += rows * text.rotary_dim();
    if inputs.shortlist {
        projected = projected.max(2 * text.vocab_size);
    }
    let mut routing = 0;
    match text.ffn {
        Ffn::Dense { intermediate } => {
            projected = projected.max(rows * 2 * intermediate);
            mixed = mixed.max(rows * intermediate);
            rounded = rounded.max(rounded_to(rows, intermediate));
        }
        Ffn::Moe {
            experts,
            top_k,
            intermediate,
            shared_intermediate,
        } => {
            let alike = usize::from(shared_intermediate == intermediate);
            let routed = rows * (top_k + alike);
            let inner = (routed * intermediate).max(rows * shared_intermediate);
            projected = projected.max(2 * inner);
            mixed = mixed.max(inner);
            rounded = rounded
                .max(rounded_to(routed, intermediate))
                .max(rounded_to(rows, shared_intermediate));
            // Rows of one token to several experts are copied, rounded or as they are.
            if inputs.int8 {
                copied = integers(routed, hidden);
            } else {
                floats += routed * hidden;
                rounded = rounded.max(rounded_to(routed, hidden));
            }
            floats += rows * (experts + 1 + hidden) + routed * hidden;
            let words = 3 * rows * top_k + routed + experts;
            routing += words * FLOAT + 2 * (experts + 1) * size_of::<Group>();
        }
    }
    floats += projected + mixed + wanted * text.vocab_size;
    (floats * FLOAT + routing + rounded + copied) as u64
}

/// Bytes of so many rows of inputs, rounded, in whole blocks: int8 with a scale and a sum for each, and two i16 and
/// an i32 for every 32. A tile reads 15 rows more than there are.
fn integers(rows: usize, columns: usize) -> usize {
    let padded = columns.next_multiple_of(BLOCK);
    rows * (padded + padded / BLOCK * PER_BLOCK + padded / GROUP * PER_GROUP) + TILE_ROWS * BLOCK
}
