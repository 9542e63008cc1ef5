//! The state of one sequence between calls.

use std::sync::Arc;

use aurore_checkpoint::{LayerType, TextConfig};
use aurore_kernels::{Attention, Delta, DeltaKind, DeltaRun, KvFormat, Page};

use crate::pages::Pages;
use crate::{LoadedAdapter, ModelError};

/// Everything that the network remembers of the tokens it has seen: keys and values, recurrent
/// states, convolution histories, and where the next position is. A plain value: it can be kept,
/// copied and gone back to. Copies share the pages of keys and values until one writes to them.
#[derive(Debug)]
pub struct Sequence {
    pub(crate) len: usize,
    /// The position of the next generated token, in all three streams.
    pub(crate) next_position: u32,
    /// Tokens of the unfinished chunk of the delta rule, the same in all layers.
    pub(crate) pending: usize,
    /// How keys and values are kept.
    pub(crate) kv: KvFormat,
    /// Tokens of the last step, and how many of them can be taken back.
    pub(crate) stepped: usize,
    pub(crate) revocable: usize,
    /// A pass ended half way: layers have seen different numbers of tokens.
    pub(crate) half_way: bool,
    /// What its tokens are computed with beside the weights.
    pub(crate) adapter: Option<Arc<LoadedAdapter>>,
    pub(crate) layers: Vec<LayerState>,
}

/// A sequence's state at some moment.
#[derive(Clone, Debug)]
pub struct Snapshot(pub(crate) Sequence);

/// What a layer remembers.
#[derive(Debug)]
pub(crate) enum LayerState {
    Linear {
        /// The convolution's last inputs. `[taps - 1, channels]`
        history: Vec<f32>,
        /// As [`Delta::state_len`] says.
        delta: Page,
        /// As [`Delta::chunk_len`] says; empty while no chunk is unfinished.
        chunk: Vec<f32>,
        /// After a step of several tokens the history before it, then the inputs of all of them but the last one.
        undo: Vec<f32>,
    },
    Full {
        /// Keys and values.
        pages: Pages,
    },
}

impl Sequence {
    /// What [`most_drafts`](Self::most_drafts) says at the most.
    pub const MOST_DRAFTS: usize = Delta::STEPS - 1;

    pub(crate) fn new(config: &TextConfig, kv: KvFormat) -> Self {
        let page_len = attention(config, kv).page_len();
        let layer = |kind: &LayerType| match kind {
            LayerType::LinearAttention => LayerState::Linear {
                history: vec![0.0; (config.linear_conv_kernel_dim - 1) * config.linear_conv_dim()],
                delta: Page::zeroed(delta(config).state_len()),
                chunk: Vec::new(),
                undo: Vec::new(),
            },
            LayerType::FullAttention => LayerState::Full {
                pages: Pages::new(page_len),
            },
        };
        Self {
            len: 0,
            next_position: 0,
            pending: 0,
            kv,
            stepped: 0,
            revocable: 0,
            half_way: false,
            adapter: None,
            layers: config.layer_types.iter().map(layer).collect(),
        }
    }

    /// Whether the state has the sizes of that configuration and this format of keys and values.
    pub(crate) fn fits(&self, config: &TextConfig, kv: KvFormat) -> bool {
        let layer = |(kind, layer): (&LayerType, &LayerState)| match (kind, layer) {
            (
                LayerType::LinearAttention,
                LayerState::Linear {
                    history,
                    delta: state,
                    chunk,
                    ..
                },
            ) => {
                let kept = (config.linear_conv_kernel_dim - 1) * config.linear_conv_dim();
                let pending = if self.pending > 0 {
                    delta(config).chunk_len()
                } else {
                    chunk.len()
                };
                history.len() == kept && state.len() == delta(config).state_len() && chunk.len() == pending
            }
            (LayerType::FullAttention, LayerState::Full { pages }) => {
                pages.page_len() == attention(config, kv).page_len()
            }
            _ => false,
        };
        self.kv == kv
            && self.layers.len() == config.layer_types.len()
            && config.layer_types.iter().zip(&self.layers).all(layer)
    }

    /// Tokens seen.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token was seen.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The position of the next generated token: one past the greatest so far.
    pub fn next_position(&self) -> u32 {
        self.next_position
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.clone())
    }

    /// Goes back to `snapshot`, which may come from another sequence of the same model.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let Self {
            len,
            next_position,
            pending,
            kv,
            half_way,
            adapter,
            layers,
            ..
        } = &snapshot.0;
        (self.stepped, self.revocable) = (0, 0);
        self.half_way = *half_way;
        self.adapter.clone_from(adapter);
        (self.len, self.next_position, self.pending, self.kv) = (*len, *next_position, *pending, *kv);
        self.layers.clone_from(layers);
    }

    /// The same sequence under an adapter, or under none: what was computed so far should have been computed with it.
    #[must_use]
    pub fn under(self, adapter: Option<Arc<LoadedAdapter>>) -> Self {
        Self { adapter, ..self }
    }

    /// Most tokens that a step may have after its first one, so that all of those can be taken back.
    pub fn most_drafts(&self) -> usize {
        let kept = DeltaRun::pending_after(DeltaKind::Step { start: self.len }, self.pending, 1);
        // A draft must neither be among those that become part of the recurrent states, nor be the one that does it; nor
        // begin a page of keys and values, so that memory holds all drafts if it holds the first token.
        let to_the_end = (Delta::CHUNK - 2).saturating_sub(self.len % Delta::CHUNK);
        (Self::MOST_DRAFTS - kept).min(to_the_end)
    }

    /// Forgets the last `tokens` tokens, which were the last ones of one step and not its first: the sequence is to the
    /// bit what it would be without them. What is left of that step cannot be taken back any more.
    ///
    /// # Errors
    /// [`ModelError::NotRevocable`] for more than can be forgotten; nothing has changed then.
    pub fn take_back(&mut self, tokens: usize) -> Result<(), ModelError> {
        if tokens > self.revocable {
            return Err(ModelError::NotRevocable {
                tokens,
                most: self.revocable,
            });
        }
        if tokens == 0 {
            return Ok(());
        }
        let (start, left) = (self.len - self.stepped, self.stepped - tokens);
        for layer in &mut self.layers {
            let LayerState::Linear { history, undo, .. } = layer else {
                continue;
            };
            let channels = (undo.len() - history.len()) / (self.stepped - 1);
            let (before, own) = undo.split_at(history.len());
            history.copy_from_slice(before);
            let kept = history.len() / channels.max(1);
            for (token, own) in own.chunks_exact(channels.max(1)).take(left).enumerate() {
                if kept > 0 {
                    history[(start + token) % kept * channels..][..channels].copy_from_slice(own);
                }
            }
            undo.clear();
        }
        self.len -= tokens;
        self.pending -= tokens;
        self.next_position = self.next_position.saturating_sub(tokens as u32);
        (self.stepped, self.revocable) = (0, 0);
        Ok(())
    }

    /// A second sequence with the same past.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// A sequence of `len` tokens for measuring: keys and values are this one's again and again, in memory of
    /// their own, and the recurrent state is this one's. Going on from it costs what going on from `len` computed
    /// tokens does; what it says means nothing.
    ///
    /// `None` unless both lengths are whole pages of 64 tokens, and this one has any.
    #[must_use]
    pub fn repeated(&self, len: usize) -> Option<Self> {
        let page = Attention::PAGE;
        let whole = self.len.is_multiple_of(page) && len.is_multiple_of(page);
        if self.is_empty() || self.pending > 0 || !whole {
            return None;
        }
        let position = i64::from(self.next_position) - self.len as i64 + len as i64;
        let layer = |layer: &LayerState| match layer {
            LayerState::Full { pages } => LayerState::Full {
                pages: pages.repeated(len / page),
            },
            LayerState::Linear { .. } => layer.clone(),
        };
        let layers = self.layers.iter().map(layer).collect();
        let mut repeated = self.fork();
        repeated.len = len;
        repeated.next_position = u32::try_from(position).ok()?;
        repeated.layers = layers;
        Some(repeated)
    }

    /// Takes memory for `tokens` more tokens now, so that feeding them takes none.
    pub fn reserve(&mut self, tokens: usize) {
        let pages_needed = (self.len + tokens).div_ceil(Attention::PAGE);
        for layer in &mut self.layers {
            if let LayerState::Full { pages } = layer {
                pages.reserve(pages_needed);
            }
        }
    }

    /// Bytes of memory, those of shared pages included.
    pub fn memory_bytes(&self) -> usize {
        let elements = |layer: &LayerState| match layer {
            LayerState::Linear {
                history,
                delta,
                chunk,
                undo,
            } => history.len() + delta.len() + chunk.len() + undo.len(),
            LayerState::Full { pages } => pages.elements(),
        };
        self.layers.iter().map(elements).sum::<usize>() * size_of::<f32>()
    }
}

impl Clone for Sequence {
    /// The copy's last step can no longer be taken back.
    fn clone(&self) -> Self {
        Self {
            stepped: 0,
            revocable: 0,
            adapter: self.adapter.clone(),
            layers: self.layers.clone(),
            ..*self
        }
    }
}

impl Clone for LayerState {
    fn clone(&self) -> Self {
        match self {
            Self::Linear {
                history,
                delta,
                chunk,
                ..
            } => Self::Linear {
                history: history.clone(),
                delta: delta.clone(),
                chunk: chunk.clone(),
                undo: Vec::new(),
            },
            Self::Full { pages } => Self::Full { pages: pages.clone() },
        }
    }

    /// Keeps the memory that it has.
    fn clone_from(&mut self, source: &Self) {
        match (self, source) {
            (
                Self::Linear {
                    history,
                    delta,
                    chunk,
                    undo,
                },
                Self::Linear {
                    history: other_history,
                    delta: other_delta,
                    chunk: other_chunk,
                    ..
                },
            ) => {
                undo.clear();
                history.clone_from(other_history);
                delta.clone_from(other_delta);
                chunk.clone_from(other_chunk);
            }
            (Self::Full { pages }, Self::Full { pages: other }) => pages.clone_from(other),
            (this, source) => *this = source.clone(),
        }
    }
}

impl Snapshot {
    /// Tokens seen at that moment.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether no token was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of memory, those of shared pages included.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

/// The sizes of the DeltaNet layers.
pub(crate) fn delta(config: &TextConfig) -> Delta {
    Delta {
        key_heads: config.linear_num_key_heads,
        value_heads: config.linear_num_value_heads,
        key_dim: config.linear_key_head_dim,
        value_dim: config.linear_value_head_dim,
    }
}

/// The sizes of the full-attention layers.
pub(crate) fn attention(config: &TextConfig, kv: KvFormat) -> Attention {
    Attention {
        kv_heads: config.num_key_value_heads,
        group: config.num_attention_heads / config.num_key_value_heads,
        head_dim: config.head_dim,
        format: kv,
    }
}
