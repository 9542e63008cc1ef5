//! One pass over many sequences: what goes in, and which rows are whose.
//!
//! Rows of all segments go through norms and matrix products together; what belongs to a sequence
//! (convolution, delta rule, attention) is done span by span. A row's result never depends on its
//! neighbours, so a batch changes the speed and not a bit.

use std::sync::Arc;

use aurore_checkpoint::{Config, Ffn, TextConfig};
use aurore_kernels::{Delta, KvFormat};

use crate::adapter::LayerAdditions;
use crate::{LoadedAdapter, ModelError, Sequence, TokenId};

/// Given tokens that go through the layers together.
///
/// More would be no faster, and the buffers between layers grow with them. Sparse experts see a part of the tokens each,
/// and are read for few of them if a pass is short.
pub(crate) fn pass_tokens(config: &TextConfig) -> usize {
    match config.ffn {
        Ffn::Dense { .. } => 256,
        Ffn::Moe { .. } => 512,
    }
}

/// One sequence's part of a batch.
#[derive(Debug)]
pub struct Segment<'a> {
    /// What the tokens are added to.
    pub sequence: &'a mut Sequence,
    /// What is added.
    pub tokens: Tokens<'a>,
    /// Whose logits are computed.
    pub want: Want,
    /// Which numbers of those logits matter: fewer cost less than the whole head.
    pub among: Among<'a>,
}

/// Which of a row's logits are needed. The rest of it is negative infinity, or exact too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Among<'a> {
    /// All.
    #[default]
    All,
    /// These tokens'.
    Only(&'a [TokenId]),
    /// The greatest, and what equals the least of them.
    Greatest {
        /// How many.
        count: usize,
        /// Of the tokens below this one.
        below: usize,
    },
}

/// Tokens of a segment. Rounding differs between the two kinds, so a token's kind is a matter of
/// what it is, never of what else runs.
#[derive(Clone, Copy, Debug)]
pub enum Tokens<'a> {
    /// A piece of a prompt, of any size: it may end anywhere, inside an image too.
    Given {
        /// The tokens, image placeholders expanded to one token per feature.
        ids: &'a [TokenId],
        /// Position of each token: time, height, width.
        positions: &'a [[u32; 3]],
        /// What stands behind the image placeholders among `ids`, in order:
        /// `[placeholders, hidden_size]`, rows of [`crate::ImageFeatures`].
        features: &'a [f32],
    },
    /// Tokens that were generated, at the sequence's next positions in all three streams: each is computed as if those
    /// before it had been fed alone. Those after the first may be drafts, which [`Sequence::take_back`] forgets.
    Generated(&'a [TokenId]),
}

/// Which positions' logits are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// None: only the state matters.
    None,
    /// The last token's.
    Last,
    /// Every token's.
    All,
    /// None, but every token's row after the last norm, which logits are made of.
    Hidden,
}

/// How tokens are fed: given ones through chunks, generated ones through the recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Prefill,
    Step,
}

/// Rows of a pass that belong to one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Which segment of the batch.
    pub(crate) segment: usize,
    pub(crate) kind: Kind,
    /// The first row.
    pub(crate) row: usize,
    /// Number of rows.
    pub(crate) tokens: usize,
    /// The first token's place in the segment.
    pub(crate) from: usize,
    /// The first token's place in the sequence.
    pub(crate) start: usize,
    /// Tokens that the sequence's unfinished chunk has before this pass.
    pub(crate) pending: usize,
}

/// One pass through the layers: the rows of its spans, those of given tokens first.
pub(crate) struct Pass<'p, 's> {
    pub(crate) segments: &'p mut [Segment<'s>],
    pub(crate) spans: &'p [Span],
    /// What all of them are computed with beside the weights.
    pub(crate) adapter: Option<&'p LoadedAdapter>,
}

impl Pass<'_, '_> {
    /// What is added in a layer.
    pub(crate) fn additions(&self, layer: usize) -> Option<&LayerAdditions> {
        self.adapter?.layer(layer)
    }

    /// Rows of all spans.
    pub(crate) fn rows(&self) -> usize {
        self.spans.last().map_or(0, |span| span.row + span.tokens)
    }
}

/// How far a segment has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// Its next token.
    pub(crate) token: usize,
    /// Its next image feature.
    pub(crate) feature: usize,
    /// The row that it puts aside next.
    pub(crate) wanted: usize,
}

impl Segment<'_> {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        match self.tokens {
            Tokens::Given { ids, .. } | Tokens::Generated(ids) => ids.len(),
        }
    }

    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows of logits.
    pub fn wanted(&self) -> usize {
        match self.want {
            Want::None | Want::Hidden => 0,
            Want::Last => self.len().min(1),
            Want::All => self.len(),
        }
    }

    /// Number of rows after the last norm.
    pub fn hidden(&self) -> usize {
        match self.want {
            Want::Hidden => self.len(),
            Want::None | Want::Last | Want::All => 0,
        }
    }

    /// Number of rows that are put aside for one or the other.
    pub(crate) fn kept(&self) -> usize {
        self.wanted() + self.hidden()
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.tokens {
            Tokens::Given { .. } => Kind::Prefill,
            Tokens::Generated(_) => Kind::Step,
        }
    }

    /// That the tokens are a network's, and that the sequence is one of it and has room.
    pub(crate) fn check(&self, config: &Config, kv: KvFormat) -> Result<(), ModelError> {
        match self.tokens {
            Tokens::Given {
                ids,
                positions,
                features,
            } => {
                check_tokens(ids, positions, config)?;
                let placeholders = match config.vision {
                    Some(_) => ids.iter().filter(|id| **id == config.image_token_id).count(),
                    None => 0,
                };
                let hidden = config.text.hidden_size;
                if features.len() != placeholders * hidden {
                    return Err(ModelError::Placeholders {
                        placeholders,
                        features: features.len().div_ceil(hidden),
                    });
                }
            }
            Tokens::Generated(ids) => {
                let vocab_size = config.text.vocab_size;
                if let Some(index) = ids.iter().position(|id| *id as usize >= vocab_size) {
                    return Err(ModelError::UnknownToken {
                        index: self.sequence.len + index,
                        id: ids[index],
                        vocab_size,
                    });
                }
            }
        }
        let vocab_size = config.text.vocab_size;
        let among = match self.among {
            Among::Only(ids) => ids,
            Among::All | Among::Greatest { .. } => &[],
        };
        if let Some(id) = among.iter().find(|id| **id as usize >= vocab_size) {
            return Err(ModelError::UnknownToken {
                index: self.sequence.len,
                id: *id,
                vocab_size,
            });
        }
        let limit = config.text.max_position_embeddings;
        let tokens = self.sequence.len.saturating_add(self.len());
        if tokens > limit {
            return Err(ModelError::TooLong { tokens, limit });
        }
        if self.sequence.half_way {
            return Err(ModelError::HalfWay);
        }
        let adapter = self.sequence.adapter.as_ref();
        if adapter.is_some_and(|adapter| !adapter.fits(&config.text)) {
            return Err(ModelError::Config(
                "the sequence's adapter was loaded for another model (use load_adapter)".to_owned(),
            ));
        }
        if self.sequence.fits(&config.text, kv) {
            return Ok(());
        }
        Err(ModelError::Config(
            "the sequence was made by another model (use new_sequence)".to_owned(),
        ))
    }
}

/// That all ids are in the vocabulary and each has a position.
pub(crate) fn check_tokens(
    ids: &[TokenId],
    positions: &[[u32; 3]],
    config: &Config,
) -> Result<(), ModelError> {
    if ids.len() != positions.len() {
        return Err(ModelError::Positions {
            tokens: ids.len(),
            positions: positions.len(),
        });
    }
    let vocab_size = config.text.vocab_size;
    match ids.iter().position(|id| *id as usize >= vocab_size) {
        None => Ok(()),
        Some(index) => Err(ModelError::UnknownToken {
            index,
            id: ids[index],
            vocab_size,
        }),
    }
}

/// Sets every cursor to its segment's start, and returns the number of rows to put aside.
pub(crate) fn start(batch: &[Segment<'_>], cursors: &mut Vec<Cursor>) -> usize {
    cursors.clear();
    let mut kept = 0;
    for segment in batch {
        cursors.push(Cursor {
            wanted: kept,
            ..Cursor::default()
        });
        kept += segment.kept();
    }
    kept
}

/// The spans of the next pass, of at most `most` tokens of each kind; none when all is done. Given tokens come first. All
/// are those of sequences under one adapter, or under none, which is given back: others have passes of their own.
pub(crate) fn next_pass(
    batch: &[Segment<'_>],
    cursors: &[Cursor],
    most: usize,
    spans: &mut Vec<Span>,
) -> Option<Arc<LoadedAdapter>> {
    spans.clear();
    let mut left = batch.iter().zip(cursors);
    let (first, _) = left.find(|(segment, cursor)| segment.len() > cursor.token)?;
    let adapter = first.sequence.adapter.clone();
    let own = adapter.as_ref().map(Arc::as_ptr);
    let mut row = 0;
    for kind in [Kind::Prefill, Kind::Step] {
        let mut room = most;
        for (index, (segment, cursor)) in batch.iter().zip(cursors).enumerate() {
            let left = segment.len() - cursor.token;
            let others = segment.sequence.adapter.as_ref().map(Arc::as_ptr) != own;
            if segment.kind() != kind || left == 0 || room == 0 || others {
                continue;
            }
            let start = segment.sequence.len;
            let mut tokens = left.min(room);
            if tokens < left {
                match kind {
                    // Only what one pass has fed can be taken back.
                    Kind::Step if room < most => continue,
                    Kind::Step => {}
                    Kind::Prefill => {
                        // Whole chunks of the sequence, if the room has any.
                        let over = (start + tokens) % Delta::CHUNK;
                        tokens -= if over < tokens { over } else { 0 };
                    }
                }
            }
            spans.push(Span {
                segment: index,
                kind,
                row,
                tokens,
                from: cursor.token,
                start,
                pending: segment.sequence.pending,
            });
            room -= tokens;
            row += tokens;
        }
    }
    adapter
}
