//! A picture on its way through the tower, some rows of patches at a time, so that whoever decodes beside it need not
//! wait for a large one.

use std::ops::Range;

use aurore_kernels::{Attention, Cpu, Gelu, Heads, Rotation, Sees};

use super::Tower;
use crate::ImagePatches;
use crate::positions::{patch_positions, position_taps};
use crate::scratch::part;

/// Base of the rotary frequencies; no configuration has it.
const ROPE_THETA: f32 = 10_000.0;
/// Patches that go through a layer together: more would leave the caches. Whole pages of keys.
const ROWS: usize = 8 * Attention::PAGE;

/// How far a picture, or clip, has come. The rows that are done together change nothing, to the bit.
#[derive(Debug)]
pub struct Encoding {
    /// Row and column of a frame's patches.
    positions: Vec<[u32; 2]>,
    /// `[frame, dim / 2]` each
    cos: Vec<f32>,
    sin: Vec<f32>,
    grid: [u32; 3],
    stage: Stage,
    /// The first patch, over all frames, that the stage has not done.
    next: usize,
    /// `[patches, hidden]`
    x: Vec<f32>,
    /// The rotated and scaled queries of a frame, piece by piece of [`ROWS`].
    queries: Vec<f32>,
    /// A frame's keys and values.
    pages: Vec<Vec<f32>>,
    rows: Vec<f32>,
    buffers: Buffers,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Patches become rows.
    Embed,
    /// A block's queries, keys and values of the frame that `next` is in, from its first patch on.
    Project {
        block: usize,
    },
    /// The rest of the block, for the same frame.
    Mix {
        block: usize,
    },
    /// Patches merge.
    Merge,
    Done,
}

/// Used again by each piece.
#[derive(Debug, Default)]
struct Buffers {
    normed: Vec<f32>,
    wide: Vec<f32>,
    keys: Vec<f32>,
    attended: Vec<f32>,
}

impl Encoding {
    /// Whether all rows are there.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The rows that stand in for the placeholders, `[tokens, out_hidden_size]`; as many as are done.
    pub fn into_rows(self) -> Vec<f32> {
        self.rows
    }
}

impl Tower {
    /// Of a checked image, nothing done.
    pub(crate) fn begin(&self, grid: [u32; 3]) -> Encoding {
        let positions = patch_positions(grid, self.config.spatial_merge_size);
        let (cos, sin) = rotations(&positions, self.sizes.head_dim);
        Encoding {
            positions,
            cos,
            sin,
            grid,
            stage: Stage::Embed,
            next: 0,
            x: Vec::new(),
            queries: Vec::new(),
            pages: Vec::new(),
            rows: Vec::new(),
            buffers: Buffers::default(),
        }
    }

    /// Does the next piece of the same image; says how many multiply-adds that took, 0 when all is done.
    pub(crate) fn advance(&self, cpu: &Cpu, image: &ImagePatches, encoding: &mut Encoding) -> u64 {
        let hidden = self.config.hidden_size;
        let frame = encoding.positions.len();
        let patches = image.patches.len() / self.config.patch_dim();
        let first = encoding.next;
        let in_frame = |next: usize| next + ROWS.min(frame - next % frame);
        match encoding.stage {
            Stage::Embed => {
                let end = in_frame(first);
                self.embed(cpu, image, encoding, first..end);
                encoding.next = end % patches;
                if end == patches {
                    encoding.stage = self.block_or_merge(0);
                }
                ((end - first) * self.config.patch_dim() * hidden) as u64
            }
            Stage::Project { block } => {
                let end = in_frame(first);
                self.project(cpu, block, encoding, first..end);
                encoding.next = end;
                if end.is_multiple_of(frame) {
                    encoding.next = end - frame;
                    encoding.stage = Stage::Mix { block };
                }
                ((end - first) * 3 * hidden * hidden) as u64
            }
            Stage::Mix { block } => {
                let end = in_frame(first);
                self.mix(cpu, block, encoding, first..end);
                encoding.next = end % patches;
                if end == patches {
                    encoding.stage = self.block_or_merge(block + 1);
                } else if end.is_multiple_of(frame) {
                    encoding.stage = Stage::Project { block };
                }
                let row = 2 * frame * hidden + hidden * hidden + 2 * hidden * self.config.intermediate_size;
                ((end - first) * row) as u64
            }
            Stage::Merge => {
                let unit = self.config.merge_unit();
                let end = patches.min(first + (ROWS / unit).max(1) * unit);
                self.merge(cpu, encoding, first..end);
                encoding.next = end;
                if end == patches {
                    encoding.stage = Stage::Done;
                }
                let [up, down] = &self.merger;
                let row = up.matrix.rows() * up.matrix.columns() + down.matrix.rows() * down.matrix.columns();
                ((end - first) / unit * row) as u64
            }
            Stage::Done => 0,
        }
    }

    fn block_or_merge(&self, block: usize) -> Stage {
        if block < self.blocks.len() {
            Stage::Project { block }
        } else {
            Stage::Merge
        }
    }

    fn embed(&self, cpu: &Cpu, image: &ImagePatches, encoding: &mut Encoding, rows: Range<usize>) {
        let (hidden, dim) = (self.config.hidden_size, self.config.patch_dim());
        let Encoding {
            positions, grid, x, ..
        } = encoding;
        if x.is_empty() {
            x.resize(image.patches.len() / dim * hidden, 0.0);
        }
        let x = &mut x[rows.start * hidden..rows.end * hidden];
        self.patch
            .write(cpu, &image.patches[rows.start * dim..rows.end * dim], None, x);
        cpu.pool.pieces(x, hidden, |index, x| {
            let position = positions[(rows.start + index) % positions.len()];
            for (row, weight) in position_taps(&self.config, *grid, position) {
                for (x, learned) in x.iter_mut().zip(&self.table[row * hidden..]) {
                    *x += weight * learned;
                }
            }
        });
    }

    /// Queries, keys and values of rows of a frame: `[rows, 3 · hidden]` become queries and pages.
    fn project(&self, cpu: &Cpu, block: usize, encoding: &mut Encoding, rows: Range<usize>) {
        let (sizes, hidden) = (self.sizes, self.config.hidden_size);
        let Attention {
            kv_heads: heads,
            head_dim,
            ..
        } = sizes;
        let Encoding {
            positions,
            cos,
            sin,
            x,
            queries,
            pages,
            buffers,
            ..
        } = encoding;
        let Buffers {
            normed, wide, keys, ..
        } = buffers;
        let block = &self.blocks[block];
        let frame = positions.len();
        let count = rows.len();
        let input = block.norms[0].forward(cpu, &x[rows.start * hidden..rows.end * hidden], normed);
        let qkv = &*block.qkv.forward(cpu, input, None, wide);
        // Counted from the frame's first patch.
        let first = rows.start % frame;
        let pairs = head_dim / 2;
        let rotation = Rotation {
            pairs,
            cos: &cos[first * pairs..][..count * pairs],
            sin: &sin[first * pairs..][..count * pairs],
        };
        let place = Heads {
            stride: 3 * hidden,
            start: 0,
            head_stride: head_dim,
        };
        let queries = &mut part(queries, sizes.queries_len(frame))[sizes.queries_len(first)..];
        cpu.prepare_heads(
            qkv,
            place,
            head_dim,
            1,
            None,
            Some(rotation),
            (head_dim as f32).sqrt().recip(),
            sizes.padded(),
            count,
            &mut queries[..sizes.queries_len(count)],
        );
        let keys = part(keys, count * hidden);
        let place = Heads {
            start: hidden,
            ..place
        };
        cpu.prepare_heads(
            qkv,
            place,
            head_dim,
            heads,
            None,
            Some(rotation),
            1.0,
            head_dim,
            count,
            keys,
        );
        pages.resize_with(frame.div_ceil(Attention::PAGE), || vec![0.0; sizes.page_len()]);
        let pages = &mut pages[first / Attention::PAGE..(first + count).div_ceil(Attention::PAGE)];
        let keys = &*keys;
        cpu.pool.pieces(pages, 1, |number, page| {
            let first = number * Attention::PAGE;
            for page in page {
                for patch in first..count.min(first + Attention::PAGE) {
                    let values = &qkv[patch * 3 * hidden + 2 * hidden..][..hidden];
                    sizes.write(page, patch - first, &keys[patch * hidden..][..hidden], values);
                }
            }
        });
    }

    /// Attention of rows to their whole frame, and what follows it in the block.
    fn mix(&self, cpu: &Cpu, block: usize, encoding: &mut Encoding, rows: Range<usize>) {
        let (sizes, hidden) = (self.sizes, self.config.hidden_size);
        let Encoding {
            positions,
            x,
            queries,
            pages,
            buffers,
            ..
        } = encoding;
        let Buffers {
            normed,
            wide,
            attended,
            ..
        } = buffers;
        let block = &self.blocks[block];
        let frame = positions.len();
        let count = rows.len();
        let attended = part(attended, sizes.queries_len(count));
        let pages = &*pages;
        cpu.attention(
            sizes,
            &queries[sizes.queries_len(rows.start % frame)..][..sizes.queries_len(count)],
            count,
            0,
            Sees::First(frame),
            |page| pages[page].as_slice(),
            attended,
        );
        let mixed = part(normed, count * hidden);
        cpu.gather_heads(sizes, attended, None, mixed);
        let x = &mut x[rows.start * hidden..rows.end * hidden];
        block.output.add(cpu, mixed, x);
        let input = block.norms[1].forward(cpu, x, normed);
        let inner = block.mlp[0].forward(cpu, input, Some(Gelu::Tanh), wide);
        block.mlp[1].add(cpu, inner, x);
    }

    /// Patches that merge stand together, so their rows are one.
    fn merge(&self, cpu: &Cpu, encoding: &mut Encoding, rows: Range<usize>) {
        let hidden = self.config.hidden_size;
        let Encoding {
            x,
            rows: out,
            buffers,
            ..
        } = encoding;
        let Buffers { normed, wide, .. } = buffers;
        let x = &x[rows.start * hidden..rows.end * hidden];
        let [up, down] = &self.merger;
        let input = self.merger_norm.forward(cpu, x, normed);
        let inner = up.forward(cpu, input, Some(Gelu::Erf), wide);
        let start = out.len();
        out.resize(
            start + inner.len() / down.matrix.columns() * down.matrix.rows(),
            0.0,
        );
        down.write(cpu, inner, None, &mut out[start..]);
    }
}

/// Cosines and sines of a frame's patches, `[patches, dim / 2]` each: the first half of the pairs
/// turns with the row, the second with the column.
fn rotations(positions: &[[u32; 2]], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let quarter = dim / 4;
    let angles = positions.iter().flat_map(|position| {
        position.iter().flat_map(move |&place| {
            (0..quarter)
                .map(move |j| place as f32 * (1.0 / ROPE_THETA.powf((2 * j) as f32 / (dim / 2) as f32)))
        })
    });
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}
