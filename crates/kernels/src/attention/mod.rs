//! Softmax attention over paged keys and values, and what comes before and after it.
//!
//! A page holds 64 tokens' keys and values of one layer, in panels that the products read as they
//! are. Scores are taken page by page with an online softmax (Milakov and Gimelshein, arXiv
//! 1805.02867): the cuts lie at multiples of 64 of the sequence, and a tile of queries never crosses
//! one, so a query meets the same pages in the same order whatever other queries are in the call.

mod heads;
mod page;
mod paired;
mod step;
mod tiled;
mod walk;

pub use heads::{HeadNorm, Heads, Rotation};
pub use page::KvFormat;

use self::page::PAGE;
use self::tiled::TiledWalk;
use self::walk::{Ending, Sight, TILE, Walk};
use crate::Cpu;
use crate::dense::PANEL;
use crate::pool::Share;

/// Sizes of an attention layer. Query head h uses key head `h / group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Key and value heads.
    pub kv_heads: usize,
    /// Query heads per key head.
    pub group: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// How keys and values are kept.
    pub format: KvFormat,
}

/// Which tokens the queries of a call see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Each those up to its own.
    Past,
    /// All of them the first so many of the sequence.
    First(usize),
}

impl Attention {
    /// `head_dim` rounded up to whole panels.
    pub fn padded(&self) -> usize {
        self.head_dim.next_multiple_of(PANEL)
    }

    /// Elements of queries and outputs of `tokens` tokens, `[kv_heads, tokens, group, padded]`.
    pub fn queries_len(&self, tokens: usize) -> usize {
        self.kv_heads * tokens * self.group * self.padded()
    }
}

impl Cpu {
    /// `softmax(q kᵀ) v` for `tokens` tokens, the first of which is token `start` of the sequence.
    ///
    /// - `queries`, scaled, and `out`: [`Attention::queries_len`] elements
    /// - `page(i)`: tokens `64 i..64 i + 64`, [`Attention::page_len`] words
    ///
    /// # Panics
    /// When sizes do not fit together.
    pub fn attention<'p>(
        &self,
        attention: Attention,
        queries: &[f32],
        tokens: usize,
        start: usize,
        sees: Sees,
        page: impl Fn(usize) -> &'p [f32] + Sync,
        out: &mut [f32],
    ) {
        let (kv_heads, group, padded) = (attention.kv_heads, attention.group, attention.padded());
        assert!(queries.len() == attention.queries_len(tokens) && out.len() == queries.len());
        if queries.is_empty() {
            return;
        }
        let pairs = attention.in_pairs(self).then_some(self.isa);
        let on_tiles = attention.on_tiles(self);
        let tile_rows = if on_tiles { tiled::TILE } else { TILE };
        // Tiles of one head: rows (token, member), cut where the token's page changes, or where it does not matter
        // to what they see, after a tile's tokens.
        let together = match sees {
            Sees::First(_) if on_tiles => PAGE.max(tile_rows / group / PAGE * PAGE),
            _ => PAGE,
        };
        let page_rows = together * group;
        let per_page = page_rows.div_ceil(tile_rows);
        let first_page = start / together;
        let pages_spanned = (start + tokens).div_ceil(together) - first_page;
        let tiles = pages_spanned * per_page;
        let out = Share(out.as_mut_ptr());
        let task = |index: usize| {
            // The last tiles have the most pages to read, so they come first.
            let (head, tile) = (index / tiles, tiles - 1 - index % tiles);
            let token_page = first_page + tile / per_page;
            // Rows counted from token 0 of the sequence.
            let whole = token_page * page_rows + tile % per_page * tile_rows;
            let whole_end = (whole + tile_rows).min((token_page + 1) * page_rows);
            let from = whole.max(start * group);
            let to = whole_end.min((start + tokens) * group);
            if from >= to {
                return;
            }
            let place = (head * tokens * group + from - start * group) * padded;
            let (sight, end) = match sees {
                Sees::Past => {
                    let first_row = from;
                    (Sight::Causal { first_row, group }, (whole_end - 1) / group + 1)
                }
                Sees::First(seen) => (Sight::All(seen), seen),
            };
            // SAFETY: rows `from..to` of this head lie in `queries` and `out`, and no other task has these rows.
            let (queries, out) = unsafe { (queries.as_ptr().add(place), out.get().add(place)) };
            if on_tiles {
                self.isa.run_tiles(TiledWalk {
                    attention: &attention,
                    head,
                    rows: to - from,
                    queries,
                    out,
                    page: &page,
                    sight,
                    end,
                });
                return;
            }
            self.isa.run(Walk {
                attention: &attention,
                head,
                rows: to - from,
                queries,
                out,
                pages: 0..end.div_ceil(PAGE),
                page: &page,
                sight,
                end,
                ending: Ending::Divide,
                pairs,
            });
        };
        let keys = match sees {
            Sees::Past => start + tokens,
            Sees::First(seen) => seen,
        };
        if kv_heads * tokens * group * keys * padded < self.share_from {
            (0..kv_heads * tiles).for_each(task);
        } else {
            self.pool.run(kv_heads * tiles, task);
        }
    }
}

#[cfg(test)]
#[path = "../attention_tests.rs"]
mod tests;
