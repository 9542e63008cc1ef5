//! Snapshots as bytes and back, for whoever keeps them longer than the process: the recurrent states in one piece, keys
//! and values a page of 64 tokens at a time, so that snapshots which share pages share their bytes.
//!
//! Words are little-endian and keep their bits, so a rebuilt snapshot continues to the bit as the one that was written.
//! Nothing here says what the bytes belong to; that, and that they are undamaged, is for the keeper to make sure.

use crate::Model;
use crate::sequence::{LayerState, Sequence, Snapshot};

/// Bytes of what a snapshot is beside its layers: the next position.
const HEAD: usize = size_of::<u32>();

impl Snapshot {
    /// Appends the recurrent states, convolution histories and position: [`Model::state_len`] bytes.
    pub fn write_state(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.next_position.to_le_bytes());
        for layer in &self.0.layers {
            if let LayerState::Linear { history, delta, .. } = layer {
                write(history, out);
                write(delta, out);
            }
        }
    }

    /// Appends the keys and values of all layers for the 64 tokens of one block: [`Model::block_len`] bytes. `false`,
    /// and nothing is appended, if the snapshot has fewer blocks.
    pub fn write_block(&self, block: usize, out: &mut Vec<u8>) -> bool {
        if block >= self.len() / Self::EVERY {
            return false;
        }
        for layer in &self.0.layers {
            if let LayerState::Full { pages } = layer {
                write(pages.page(block), out);
            }
        }
        true
    }
}

impl Model {
    /// Bytes of a snapshot's state, as [`Snapshot::write_state`] writes it.
    pub fn state_len(&self) -> usize {
        let words = |layer: &LayerState| match layer {
            LayerState::Linear { history, delta, .. } => history.len() + delta.len(),
            LayerState::Full { .. } => 0,
        };
        HEAD + size_of::<f32>() * self.new_sequence().layers.iter().map(words).sum::<usize>()
    }

    /// Bytes of a block of 64 tokens, as [`Snapshot::write_block`] writes it.
    pub fn block_len(&self) -> usize {
        let words = |layer: &LayerState| match layer {
            LayerState::Linear { .. } => 0,
            LayerState::Full { pages } => pages.page_len(),
        };
        size_of::<f32>() * self.new_sequence().layers.iter().map(words).sum::<usize>()
    }

    /// Begins to put a snapshot together that shares `base`'s pages, if there is one.
    pub fn rebuild(&self, base: Option<&Snapshot>) -> Rebuild {
        let mut sequence = self.new_sequence();
        let base = base.filter(|base| base.0.fits(&self.config().text, self.kv()));
        let blocks = base.map_or(0, |base| base.len() / Snapshot::EVERY);
        if let Some(base) = base {
            for (own, other) in sequence.layers.iter_mut().zip(&base.0.layers) {
                if let (LayerState::Full { pages }, LayerState::Full { pages: other }) = (own, other) {
                    pages.clone_from(other);
                }
            }
        }
        Rebuild { sequence, blocks }
    }
}

/// A snapshot that is being put together out of bytes.
#[derive(Debug)]
pub struct Rebuild {
    sequence: Sequence,
    blocks: usize,
}

impl Rebuild {
    /// Blocks of 64 tokens that are there.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Adds the next block. `false`, and nothing has changed, if it has another size.
    pub fn block(&mut self, mut bytes: &[u8]) -> bool {
        let layers = self.sequence.layers.iter_mut();
        let mut pages: Vec<_> = layers
            .filter_map(|layer| match layer {
                LayerState::Full { pages } => Some(pages),
                LayerState::Linear { .. } => None,
            })
            .collect();
        let words: usize = pages.iter().map(|pages| pages.page_len()).sum();
        if bytes.len() != words * size_of::<f32>() {
            return false;
        }
        let from = self.blocks * Snapshot::EVERY;
        for pages in &mut pages {
            let (own, rest) = bytes.split_at(pages.page_len() * size_of::<f32>());
            bytes = rest;
            for page in pages.writable(from, from + Snapshot::EVERY) {
                read(own, page.words());
            }
        }
        self.blocks += 1;
        true
    }

    /// The snapshot after the blocks that are there; `None` if the state has another size, or there is no block.
    pub fn finish(self, state: &[u8]) -> Option<Snapshot> {
        let mut sequence = self.sequence;
        let (position, mut state) = state.split_first_chunk::<HEAD>()?;
        for layer in &mut sequence.layers {
            if let LayerState::Linear { history, delta, .. } = layer {
                for words in [history.as_mut_slice(), delta.words_mut()] {
                    let (own, rest) = state.split_at_checked(size_of_val(words))?;
                    state = rest;
                    read(own, words);
                }
            }
        }
        sequence.len = self.blocks * Snapshot::EVERY;
        sequence.next_position = u32::from_le_bytes(*position);
        (state.is_empty() && self.blocks > 0).then_some(Snapshot(sequence))
    }
}

fn write(words: &[f32], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + size_of_val(words), 0);
    for (bytes, word) in out[start..].chunks_exact_mut(size_of::<f32>()).zip(words) {
        bytes.copy_from_slice(&word.to_bits().to_le_bytes());
    }
}

fn read(bytes: &[u8], words: &mut [f32]) {
    let (bytes, _) = bytes.as_chunks::<{ size_of::<f32>() }>();
    for (word, bytes) in words.iter_mut().zip(bytes) {
        *word = f32::from_bits(u32::from_le_bytes(*bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aurore_checkpoint::Checkpoint;

    use super::*;
    use crate::{Among, KvFormat, LoadOptions, Logits, Segment, Tokens, Want};

    /// The bits of the logits after `ids`, and the state there.
    fn feed(model: &Model, sequence: &mut Sequence, ids: &[u32]) -> Vec<u32> {
        let from = sequence.len() as u32;
        let positions: Vec<[u32; 3]> = (from..from + ids.len() as u32).map(|at| [at; 3]).collect();
        let segment = Segment {
            sequence,
            tokens: Tokens::Given {
                ids,
                positions: &positions,
                features: &[],
            },
            want: Want::Last,
            among: Among::All,
        };
        let mut logits = Logits::default();
        model.forward(&mut [segment], &mut logits).unwrap();
        logits.values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn a_rebuilt_snapshot_goes_on_to_the_bit() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/goldens/dense");
        let checkpoint = Checkpoint::open(&folder).unwrap();
        for kv in [KvFormat::F32, KvFormat::Bf16, KvFormat::Int8] {
            let options = LoadOptions {
                kv: Some(kv),
                ..LoadOptions::default()
            };
            let model = Model::load(&checkpoint, checkpoint.config(), &options).unwrap();
            let ids: Vec<u32> = (0..230).map(|id| id * 7 % 200).collect();
            let mut sequence = model.new_sequence();
            feed(&model, &mut sequence, &ids[..64]);
            let base = sequence.boundary().unwrap();
            feed(&model, &mut sequence, &ids[64..192]);
            let snapshot = sequence.boundary().unwrap();
            let expected = feed(&model, &mut sequence, &ids[192..]);
            let mut state = Vec::new();
            snapshot.write_state(&mut state);
            assert_eq!(state.len(), model.state_len());
            for base in [None, Some(&base)] {
                let mut rebuild = model.rebuild(base);
                assert_eq!(rebuild.blocks(), usize::from(base.is_some()));
                while rebuild.blocks() < 3 {
                    let mut block = Vec::new();
                    assert!(snapshot.write_block(rebuild.blocks(), &mut block));
                    assert_eq!(block.len(), model.block_len());
                    assert!(!rebuild.block(&block[1..]));
                    assert!(rebuild.block(&block));
                }
                let rebuilt = rebuild.finish(&state).unwrap();
                assert_eq!(
                    (rebuilt.len(), rebuilt.memory_bytes()),
                    (192, snapshot.memory_bytes())
                );
                let mut sequence = rebuilt.resume();
                assert_eq!(feed(&model, &mut sequence, &ids[192..]), expected);
            }
            assert!(!snapshot.write_block(3, &mut Vec::new()));
            // What is torn is refused.
            assert!(model.rebuild(None).finish(&state).is_none());
            assert!(model.rebuild(Some(&base)).finish(&state[1..]).is_none());
            assert!(
                model
                    .rebuild(Some(&base))
                    .finish(&[state, vec![0]].concat())
                    .is_none()
            );
        }
    }
}
