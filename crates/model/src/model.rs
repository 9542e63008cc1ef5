//! The fast path's front: a loaded network and what can be asked of it.

use std::sync::{Arc, Mutex};

use aurore_checkpoint::{Adapter, Config, Weights};
use aurore_kernels::{Cpu, Format, KvFormat};

use crate::batch::{self, Among, Cursor, Pass};
use crate::experts::ExpertStore;
use crate::load::{Loader, Packing, exact_inputs};
use crate::scratch::{Scratch, part};
use crate::sequence::LayerState;
use crate::text::TextModel;
use crate::vision::{Encoding, Tower};
use crate::{
    Calibration, ExpertStats, ImagePatches, Input, LoadedAdapter, MemoryPlan, ModelError, Segment, Sequence,
    TokenId, Tokens, Want,
};

/// How the weights are kept in memory. Activations and sums are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Matrices in bf16: exact for checkpoints stored in bf16, half the bytes of f32.
    #[default]
    Bf16,
    /// Matrices in f32.
    F32,
    /// Matrices in 8 bits, but what decides where tokens go (the experts' router) in f32.
    Q8,
    /// Matrices in 4 bits, with the same exceptions.
    Q4,
}

impl Precision {
    /// The format of keys and values that goes with it: none is lost where the weights are f32, else
    /// they are rounded to bf16.
    pub fn kv(self) -> KvFormat {
        match self {
            Self::F32 => KvFormat::F32,
            _ => KvFormat::Bf16,
        }
    }

    /// The format of most matrices.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Bf16 => Format::Bf16,
            Self::F32 => Format::F32,
            Self::Q8 => Format::Q8,
            Self::Q4 => Format::Q4,
        }
    }
}

/// How a network is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Element type of the matrices.
    pub precision: Precision,
    /// How keys and values are kept; `None`: as [`Precision::kv`] says.
    pub kv: Option<KvFormat>,
    /// Threads that compute, the caller's included; 0 means one per available processor.
    pub threads: usize,
    /// Instruction set to use instead of the best one of this processor.
    pub isa: Option<aurore_kernels::Isa>,
    /// Bytes of memory for the routed experts of a packed checkpoint, which then stay in its file and are read
    /// when they are needed; the most used ones are kept. `None`: all are in memory. Results do not change.
    pub expert_memory: Option<u64>,
    /// Whether a head in bf16 has a copy in 8 bits beside it, which saves reading most of the head where only the
    /// greatest logits are wanted ([`Among::Greatest`]). `None`: if the head takes 64 MiB or more. Results do not change.
    pub shortlist: Option<bool>,
}

/// Logits, one row per wanted token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// Numbers in a row.
    pub vocab_size: usize,
    /// `[rows, vocab_size]`
    pub values: Vec<f32>,
    /// Rows after the last norm, of segments that want those. `[rows, hidden_size]`
    pub hidden: Vec<f32>,
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

/// A loaded network.
pub struct Model {
    config: Config,
    cpu: Cpu,
    text: TextModel,
    /// Where the routed experts are, if they are not in memory.
    experts: Option<Arc<ExpertStore>>,
    vision: Option<Tower>,
    /// How sequences keep keys and values.
    kv: KvFormat,
    /// What a sequence takes, and the bytes that it may take.
    plan: MemoryPlan,
    /// Weights that a token of a prompt is multiplied with.
    weights_met: u64,
    sequence_limit: u64,
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

/// A convolution's last inputs, which lie where their places in the sequence say.
fn oldest_first(history: &[f32], channels: usize, len: usize) -> Vec<f32> {
    let mut rows = history.to_vec();
    let kept = rows.len() / channels.max(1);
    rows.rotate_left(len % kept.max(1) * channels);
    rows
}

fn weights_met(config: &Config, kv: KvFormat) -> u64 {
    let text = &config.text;
    let head = text.vocab_size as u64 * text.hidden_size as u64;
    let all = MemoryPlan::with_kv(config, Precision::F32, kv).weights_per_token / size_of::<f32>() as u64;
    all.saturating_sub(head)
}

impl Model {
    /// Reads all weights into the layouts that the kernels want. Packed ones keep the formats that
    /// they have, whatever the options say.
    pub fn load(weights: &dyn Weights, config: &Config, options: &LoadOptions) -> Result<Self, ModelError> {
        Self::load_with(weights, config, options, &Packing::new(options.precision), None)
    }

    /// The same with a say in how each matrix is packed, and a watch on their inputs.
    pub fn load_with(
        weights: &dyn Weights,
        config: &Config,
        options: &LoadOptions,
        packing: &Packing<'_>,
        watch: Option<&Calibration>,
    ) -> Result<Self, ModelError> {
        let mut cpu = Cpu::new(options.isa, options.threads);
        cpu.exact_inputs = exact_inputs(weights, &config.text, packing)?;
        let experts = options
            .expert_memory
            .map(|budget| ExpertStore::open(weights, config, budget).map(Arc::new))
            .transpose()?;
        let loader = Loader {
            weights,
            cpu: &cpu,
            packing,
            watch,
            shortlist: options.shortlist,
            experts: experts.as_ref(),
        };
        let kv = options.kv.unwrap_or_else(|| options.precision.kv());
        let text = TextModel::load(&loader, config, kv)?;
        let vision = config
            .vision
            .as_ref()
            .map(|vision| Tower::load(&loader, vision))
            .transpose()?;
        Ok(Self {
            config: config.clone(),
            cpu,
            text,
            experts,
            vision,
            kv,
            plan: MemoryPlan::with_kv(config, options.precision, kv),
            weights_met: weights_met(config, kv),
            sequence_limit: u64::MAX,
            scratch: Mutex::default(),
        })
    }

    /// Refuses tokens that would make a sequence larger than so many bytes, before they are computed.
    pub fn limit_sequences(&mut self, bytes: u64) {
        self.sequence_limit = bytes;
    }

    /// What sequences take.
    pub fn memory_plan(&self) -> &MemoryPlan {
        &self.plan
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

    /// Calls `task` with each item, on the threads that compute: what is done with many rows of logits at once.
    pub fn for_each<T: Send>(&self, items: &mut [T], task: impl Fn(&mut T) + Sync) {
        self.cpu
            .pool
            .pieces(items, 1, |_, piece| piece.iter_mut().for_each(&task));
    }

    /// Bytes of the weights in memory, and of places for those that are not.
    pub fn memory_bytes(&self) -> usize {
        let experts = self.experts.as_ref().map_or(0, |store| store.bytes());
        self.text.bytes() + experts + self.vision.as_ref().map_or(0, Tower::bytes)
    }

    /// What the memory for experts that stay in their file was good for; `None` when all are in memory.
    pub fn expert_stats(&self) -> Option<ExpertStats> {
        Some(self.experts.as_ref()?.stats())
    }

    /// How sequences keep keys and values.
    pub fn kv(&self) -> KvFormat {
        self.kv
    }

    /// Bytes of weights that a step reads when every layer is read once: without the vision tower, of sparse experts
    /// only as many as a token goes to, and of the head as much as the likeliest token takes.
    pub fn bytes_per_token(&self) -> usize {
        self.text.bytes_per_token()
    }

    /// Bytes that are read of the output head where the likeliest token is wanted: of its shortlist, if it has one.
    pub fn head_bytes(&self) -> usize {
        self.text.head_bytes()
    }

    /// A sequence that has seen nothing.
    pub fn new_sequence(&self) -> Sequence {
        Sequence::new(&self.config.text, self.kv)
    }

    /// Lays an adapter out beside the weights, for sequences that go [under](Sequence::under) it.
    ///
    /// # Errors
    /// When it changes what all answers share, or experts that are not in memory.
    pub fn load_adapter(&self, adapter: &Adapter) -> Result<LoadedAdapter, ModelError> {
        LoadedAdapter::new(&self.cpu, adapter, &self.config, self.experts.is_some())
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
            let mut encoding = tower.begin(image.grid);
            while tower.advance(&self.cpu, image, &mut encoding) > 0 {}
            rows.extend(encoding.into_rows());
        }
        Ok(ImageFeatures { rows })
    }

    /// Begins to run the vision tower over an image, for [`Model::encode_more`].
    ///
    /// # Errors
    /// When the network has no tower, or the image does not fit it.
    pub fn begin_encoding(&self, image: &ImagePatches) -> Result<Encoding, ModelError> {
        let (Some(tower), Some(config)) = (&self.vision, &self.config.vision) else {
            return Err(ModelError::NoVision);
        };
        image.check(0, config)?;
        Ok(tower.begin(image.grid))
    }

    /// Goes on with the image that the encoding was begun with, for as long as reading so many tokens of text takes
    /// or a little longer. Whether the image is done.
    pub fn encode_more(&self, image: &ImagePatches, encoding: &mut Encoding, tokens: usize) -> bool {
        let Some(tower) = &self.vision else { return true };
        let room = self.weights_met.saturating_mul(tokens as u64);
        let mut done = 0;
        while done < room && !encoding.is_done() {
            done += tower.advance(&self.cpu, image, encoding).max(1);
        }
        encoding.is_done()
    }

    /// One pass over many sequences: pieces of prompts and generated tokens, together. Writes the
    /// logits of wanted tokens and the wanted rows after the last norm, in the order of segments. Neither the company nor the pieces in which
    /// tokens come change anything, to the bit. After an error all sequences are as they were, unless it came from
    /// reading experts: then those of the batch end half way and are refused until they are restored.
    ///
    /// # Errors
    /// That of the first segment that [`Model::check`] refuses, and that of an expert which cannot be read.
    pub fn forward(&self, batch: &mut [Segment<'_>], logits: &mut Logits) -> Result<(), ModelError> {
        for segment in &*batch {
            self.check(segment)?;
        }
        let mut scratch = self.take_scratch();
        let (mut cursors, mut spans) = (
            std::mem::take(&mut scratch.cursors),
            std::mem::take(&mut scratch.spans),
        );
        let rows = batch::start(batch, &mut cursors);
        let most = batch::pass_tokens(&self.config.text);
        loop {
            let adapter = batch::next_pass(batch, &cursors, most, &mut spans);
            if spans.is_empty() {
                break;
            }
            let mut pass = Pass {
                segments: batch,
                spans: &spans,
                adapter: adapter.as_deref(),
            };
            self.embed(&pass, &mut cursors, &mut scratch);
            if let Err(error) = self.text.forward(&self.cpu, &mut pass, &mut scratch) {
                for segment in batch {
                    segment.sequence.half_way = true;
                }
                return Err(error);
            }
            self.keep_wanted(&pass, &mut cursors, &mut scratch);
        }
        logits.vocab_size = self.config.text.vocab_size;
        let wanted: usize = batch.iter().map(Segment::wanted).sum();
        logits.values.resize(wanted * logits.vocab_size, 0.0);
        self.text.logits(&self.cpu, &mut scratch, batch, rows, logits);
        (scratch.cursors, scratch.spans) = (cursors, spans);
        self.give_back(scratch);
        Ok(())
    }

    /// Whether [`Model::forward`] would take a segment.
    ///
    /// # Errors
    /// For tokens, positions or features that do not fit the model or one another, a full context or
    /// memory, or another model's sequence.
    pub fn check(&self, segment: &Segment<'_>) -> Result<(), ModelError> {
        segment.check(&self.config, self.kv)?;
        let tokens = segment.sequence.len + segment.len();
        let needed = self.plan.sequence(tokens as u64);
        if needed > self.sequence_limit {
            return Err(ModelError::Memory {
                tokens,
                needed,
                limit: self.sequence_limit,
            });
        }
        Ok(())
    }

    /// Whether [`Model::prefill`] would take an input, whatever the sequence.
    ///
    /// # Errors
    /// For tokens, positions or images that do not fit the model or one another.
    pub fn check_input(&self, input: &Input<'_>) -> Result<(), ModelError> {
        input.check(&self.config)
    }

    /// Feeds given tokens with all images whose placeholders are among them. After an error the
    /// sequence is as it was.
    pub fn prefill(
        &self,
        sequence: &mut Sequence,
        input: &Input<'_>,
        want: Want,
    ) -> Result<Logits, ModelError> {
        input.check(&self.config)?;
        let features = self.encode_images(input.images)?;
        let mut logits = Logits::default();
        let tokens = Tokens::Given {
            ids: input.ids,
            positions: input.positions,
            features: &features.rows,
        };
        let segment = Segment {
            sequence,
            tokens,
            want,
            among: Among::All,
        };
        self.forward(&mut [segment], &mut logits)?;
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
        self.step_among(sequence, id, Among::All, logits)
    }

    /// The same, but only the numbers of these tokens are needed: see [`Segment::among`].
    pub fn step_among(
        &self,
        sequence: &mut Sequence,
        id: TokenId,
        among: Among<'_>,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let mut row = Logits {
            vocab_size: self.config.text.vocab_size,
            values: std::mem::take(logits),
            ..Logits::default()
        };
        let segment = Segment {
            sequence,
            tokens: Tokens::Generated(&[id]),
            want: Want::Last,
            among,
        };
        let outcome = self.forward(&mut [segment], &mut row);
        *logits = row.values;
        outcome
    }

    /// Writes what stands for a pass's tokens at the start: embeddings, or features of images.
    fn embed(&self, pass: &Pass<'_, '_>, cursors: &mut [Cursor], scratch: &mut Scratch) {
        let hidden = self.config.text.hidden_size;
        let x = part(&mut scratch.x, pass.rows() * hidden);
        for span in pass.spans {
            let x = &mut x[span.row * hidden..][..span.tokens * hidden];
            match pass.segments[span.segment].tokens {
                Tokens::Generated(ids) => {
                    let ids = ids[span.from..].iter();
                    ids.zip(x.chunks_exact_mut(hidden))
                        .for_each(|(id, x)| self.text.embed(*id, x));
                }
                Tokens::Given { ids, features, .. } => {
                    let cursor = &mut cursors[span.segment];
                    let mut features = features.chunks_exact(hidden).skip(cursor.feature);
                    let image = self.config.vision.as_ref().map(|_| self.config.image_token_id);
                    for (id, x) in ids[span.from..].iter().zip(x.chunks_exact_mut(hidden)) {
                        let feature = if Some(*id) == image { features.next() } else { None };
                        match feature {
                            Some(feature) => {
                                x.copy_from_slice(feature);
                                cursor.feature += 1;
                            }
                            None => self.text.embed(*id, x),
                        }
                    }
                }
            }
        }
    }

    /// Puts aside the rows whose logits are wanted, and moves the cursors on.
    fn keep_wanted(&self, pass: &Pass<'_, '_>, cursors: &mut [Cursor], scratch: &mut Scratch) {
        let hidden = self.config.text.hidden_size;
        for span in pass.spans {
            let (segment, cursor) = (&pass.segments[span.segment], &mut cursors[span.segment]);
            cursor.token += span.tokens;
            let rows = match segment.want {
                Want::All | Want::Hidden => span.tokens,
                Want::Last if cursor.token == segment.len() => 1,
                Want::Last | Want::None => continue,
            };
            let from = (span.row + span.tokens - rows) * hidden;
            let to = part(&mut scratch.wanted, (cursor.wanted + rows) * hidden);
            to[cursor.wanted * hidden..].copy_from_slice(&scratch.x[from..from + rows * hidden]);
            cursor.wanted += rows;
        }
    }

    /// A DeltaNet layer's state after all tokens of a sequence, to compare with another
    /// implementation's; `None` for a layer of full attention.
    pub fn delta_state(&self, sequence: &Sequence, layer: usize) -> Option<DeltaState> {
        let state = sequence.layers.get(layer)?;
        let LayerState::Linear { history, .. } = state else {
            return None;
        };
        Some(DeltaState {
            recurrent: self.text.recurrent(&self.cpu, layer, state, sequence.pending)?,
            history: oldest_first(history, self.config.text.linear_conv_dim(), sequence.len),
        })
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
