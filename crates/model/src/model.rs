//! The fast path's front: a loaded network and what can be asked of it.

use std::sync::Mutex;

use aurore_checkpoint::{Config, Weights};
use aurore_kernels::{Cpu, Format, Limits};

use crate::load::Loader;
use crate::scratch::{Scratch, part};
use crate::sequence::LayerState;
use crate::text::{Kind, TextModel};
use crate::vision::Tower;
use crate::{ImagePatches, Input, ModelError, Sequence, TokenId};

/// How the weights are kept in memory. Activations and sums are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Matrices in bf16: exact for checkpoints stored in bf16, half the bytes of f32.
    #[default]
    Bf16,
    /// Matrices in f32.
    F32,
}

/// How a network is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Element type of the matrices.
    pub precision: Precision,
    /// Threads that compute, the caller's included; 0 means one per available processor.
    pub threads: usize,
    /// Instruction set to use instead of the best one of this processor.
    pub isa: Option<aurore_kernels::Isa>,
}

/// Which positions' logits a prefill computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// None: only the state matters.
    None,
    /// The last token's.
    Last,
    /// Every token's.
    All,
}

/// Logits, one row per wanted token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// Numbers in a row.
    pub vocab_size: usize,
    /// `[rows, vocab_size]`
    pub values: Vec<f32>,
}

impl Logits {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.vocab_size.max(1)
    }

    /// Whether no logits were wanted.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The logits of one wanted token, `[vocab_size]`.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.values.chunks_exact(self.vocab_size.max(1)).nth(index)
    }

    /// The last row, `[vocab_size]`.
    pub fn last(&self) -> Option<&[f32]> {
        self.values.chunks_exact(self.vocab_size.max(1)).next_back()
    }
}

/// Tokens that go through the layers together. It changes the speed, not a bit of the result.
const BATCH: usize = 512;

/// A loaded network.
pub struct Model {
    config: Config,
    cpu: Cpu,
    text: TextModel,
    vision: Option<Tower>,
    /// Buffers of passes that are over.
    scratch: Mutex<Vec<Scratch>>,
}

/// What the vision tower made of some images: one row per placeholder token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageFeatures {
    /// `[tokens, hidden_size]`
    pub rows: Vec<f32>,
}

/// What a DeltaNet layer remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaState {
    /// S. `[value_heads, key_dim, value_dim]`
    pub recurrent: Vec<f32>,
    /// The convolution's last inputs, oldest first. `[taps - 1, channels]`
    pub history: Vec<f32>,
}

impl Model {
    /// Reads all weights into the layouts that the kernels want.
    pub fn load(weights: &dyn Weights, config: &Config, options: &LoadOptions) -> Result<Self, ModelError> {
        let cpu = Cpu::new(options.isa, options.threads);
        let format = match options.precision {
            Precision::Bf16 => Format::Bf16,
            Precision::F32 => Format::F32,
        };
        let loader = Loader {
            weights,
            cpu: &cpu,
            format,
        };
        let text = TextModel::load(&loader, config)?;
        let vision = config
            .vision
            .as_ref()
            .map(|vision| Tower::load(&loader, vision))
            .transpose()?;
        Ok(Self {
            config: config.clone(),
            cpu,
            text,
            vision,
            scratch: Mutex::default(),
        })
    }

    /// What was loaded.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The instruction set that computes: `avx512`, `avx2` or `portable`.
    pub fn isa_name(&self) -> &'static str {
        self.cpu.isa.name()
    }

    /// Threads that compute, the caller's included.
    pub fn threads(&self) -> usize {
        self.cpu.pool.threads()
    }

    /// Bytes of the weights in memory.
    pub fn memory_bytes(&self) -> usize {
        self.text.bytes() + self.vision.as_ref().map_or(0, Tower::bytes)
    }

    /// Bytes of weights that a step reads when every layer is read once: without the vision tower,
    /// and of sparse experts only as many as a token goes to.
    pub fn bytes_per_token(&self) -> usize {
        self.text.bytes_per_token()
    }

    /// Bytes of the output head, read only where logits are wanted.
    pub fn head_bytes(&self) -> usize {
        self.text.head_bytes()
    }

    /// What this machine could do at best with the model's threads and instruction set, measured now.
    pub fn machine_limits(&self) -> Limits {
        self.cpu.limits()
    }

    /// A sequence that has seen nothing.
    pub fn new_sequence(&self) -> Sequence {
        Sequence::new(&self.config.text)
    }

    /// Runs the vision tower: the rows that stand in for the images' placeholder tokens, in order.
    pub fn encode_images(&self, images: &[ImagePatches]) -> Result<ImageFeatures, ModelError> {
        let mut rows = Vec::new();
        if images.is_empty() {
            return Ok(ImageFeatures { rows });
        }
        let (Some(tower), Some(config)) = (&self.vision, &self.config.vision) else {
            return Err(ModelError::NoVision);
        };
        for (index, image) in images.iter().enumerate() {
            image.check(index, config)?;
            rows.extend(tower.encode(&self.cpu, image));
        }
        Ok(ImageFeatures { rows })
    }

    /// Feeds given tokens. The pieces in which they come change nothing, to the bit; a piece has all
    /// placeholder tokens of its images. After an error the sequence is as it was.
    pub fn prefill(
        &self,
        sequence: &mut Sequence,
        input: &Input<'_>,
        want: Want,
    ) -> Result<Logits, ModelError> {
        input.check(&self.config)?;
        self.check(sequence, input.ids.len())?;
        let features = self.encode_images(input.images)?;
        let (vocab_size, hidden) = (self.config.text.vocab_size, self.config.text.hidden_size);
        let mut features = features.rows.chunks_exact(hidden);
        let wanted = match want {
            Want::None => 0,
            Want::Last => input.ids.len().min(1),
            Want::All => input.ids.len(),
        };
        let mut logits = Logits {
            vocab_size,
            values: vec![0.0; wanted * vocab_size],
        };
        let mut scratch = self.take_scratch();
        let batches = input.ids.chunks(BATCH).zip(input.positions.chunks(BATCH));
        for (number, (ids, positions)) in batches.enumerate() {
            let x = part(&mut scratch.x, ids.len() * hidden);
            for (id, x) in ids.iter().zip(x.chunks_exact_mut(hidden)) {
                let feature = if *id == self.config.image_token_id {
                    features.next()
                } else {
                    None
                };
                match feature {
                    Some(feature) => x.copy_from_slice(feature),
                    None => self.text.embed(*id, x),
                }
            }
            self.text
                .forward(&self.cpu, sequence, &mut scratch, positions, Kind::Prefill);
            let start = number * BATCH;
            if want == Want::All {
                let to = &mut logits.values[start * vocab_size..(start + ids.len()) * vocab_size];
                self.text.logits(&self.cpu, &mut scratch, 0, ids.len(), to);
            } else if want == Want::Last && start + ids.len() == input.ids.len() {
                self.text.logits(
                    &self.cpu,
                    &mut scratch,
                    ids.len() - 1,
                    ids.len(),
                    &mut logits.values,
                );
            }
        }
        self.give_back(scratch);
        Ok(logits)
    }

    /// Feeds one generated token, at the sequence's next position in all three streams, and writes
    /// the logits of the one after it, `[vocab_size]`. After an error the sequence is as it was.
    pub fn step(
        &self,
        sequence: &mut Sequence,
        id: TokenId,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let (vocab_size, hidden) = (self.config.text.vocab_size, self.config.text.hidden_size);
        if id as usize >= vocab_size {
            return Err(ModelError::UnknownToken {
                index: sequence.len,
                id,
                vocab_size,
            });
        }
        self.check(sequence, 1)?;
        let mut scratch = self.take_scratch();
        self.text.embed(id, part(&mut scratch.x, hidden));
        let position = [sequence.next_position; 3];
        self.text
            .forward(&self.cpu, sequence, &mut scratch, &[position], Kind::Step);
        logits.resize(vocab_size, 0.0);
        self.text.logits(&self.cpu, &mut scratch, 0, 1, logits);
        self.give_back(scratch);
        Ok(())
    }

    /// A DeltaNet layer's state after all tokens of a sequence, to compare with another
    /// implementation's; `None` for a layer of full attention.
    pub fn delta_state(&self, sequence: &Sequence, layer: usize) -> Option<DeltaState> {
        let LayerState::Linear { history, delta } = sequence.layers.get(layer)? else {
            return None;
        };
        let sizes = crate::sequence::delta(&self.config.text);
        let mut folded = delta.clone();
        self.cpu.delta_fold(sizes, &mut folded, sequence.pending);
        Some(DeltaState {
            recurrent: sizes.recurrent(&folded),
            history: history.clone(),
        })
    }

    /// That `tokens` more fit, and that the sequence is one of this network's.
    fn check(&self, sequence: &Sequence, tokens: usize) -> Result<(), ModelError> {
        let limit = self.config.text.max_position_embeddings;
        let tokens = sequence.len.saturating_add(tokens);
        if tokens > limit {
            return Err(ModelError::TooLong { tokens, limit });
        }
        if sequence.fits(&self.config.text) {
            return Ok(());
        }
        Err(ModelError::Config(
            "the sequence was made by another model (use new_sequence)".to_owned(),
        ))
    }

    fn take_scratch(&self) -> Scratch {
        self.scratch
            .lock()
            .ok()
            .and_then(|mut free| free.pop())
            .unwrap_or_default()
    }

    fn give_back(&self, scratch: Scratch) {
        if let Ok(mut free) = self.scratch.lock() {
            free.push(scratch);
        }
    }
}
