//! Some query rows against pages of bf16, on tiles.
//!
//! As in [`super::walk`], with 128 keys at a time, cut at their multiples. Queries and the softmax's weights are
//! rounded to bf16 as for pair products; a sum takes 32 columns, or keys, after another.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::page::{HeadPage, PAGE};
use super::walk::Sight;
use super::{Attention, KvFormat};
use crate::dense::PANEL;
use crate::pairs::{PairKernel, Pairs};
use crate::simd::Simd;
use crate::tiles::{MacroTile, ROW, ROWS, TileKernel, Tiles};
use crate::{Cpu, Isa};

/// Query rows taken at once: keys and values come from the second-level cache or beyond once for all of them.
pub(super) const TILE: usize = 256;
/// Rows of these whose scores are weighed together.
const PART: usize = 128;
/// Keys whose scores are taken together.
const KEYS: usize = 2 * PAGE;
/// Numbers that a tile multiplies.
const COLUMNS: usize = ROW / 2;
/// Widest head.
const MOST: usize = 256;
/// Rows from one tile along a sum to the next: at a power of two, tiles would share few sets of the first-level cache.
const STRIDE: usize = TILE + 4;
/// The same of a part.
const PART_STRIDE: usize = PART + 4;
/// Scores from row to row, for the same reason.
const SCORES: usize = KEYS + PANEL;
/// Bytes that a cache holds together.
const LINE: usize = 64;

impl Attention {
    /// Whether given tokens attend on tiles: a matter of the processor, the model and the format alone.
    pub(super) fn on_tiles(&self, cpu: &Cpu) -> bool {
        let whole = self.padded().is_multiple_of(COLUMNS) && self.padded() <= MOST;
        self.format == KvFormat::Bf16 && whole && cpu.in_pairs() && cpu.isa.has_tiles()
    }
}

/// At most [`TILE`] query rows of one head against all pages that they see.
pub(super) struct TiledWalk<'a, P> {
    pub(super) attention: &'a Attention,
    pub(super) head: usize,
    pub(super) rows: usize,
    /// `[rows, padded]`
    pub(super) queries: *const f32,
    /// `[rows, padded]`
    pub(super) out: *mut f32,
    pub(super) page: &'a P,
    pub(super) sight: Sight,
    /// One past the last token that anybody at these rows' place could see, whoever is in the call.
    pub(super) end: usize,
}

impl<'p, P: Fn(usize) -> &'p [f32]> TileKernel for TiledWalk<'_, P> {
    #[inline]
    fn run<T: Tiles>(self, isa: Isa, tiles: T) {
        isa.run_pairs(WithPairs { walk: self, tiles });
    }
}

/// Tiles, pairs that are rounded, and vectors for the softmax.
struct WithPairs<'a, P, T> {
    walk: TiledWalk<'a, P>,
    tiles: T,
}

/// What stays in the caches while keys pass by.
#[repr(C, align(64))]
struct Room {
    /// `[padded / 32][STRIDE][32]`
    queries: [[[u16; COLUMNS]; STRIDE]; MOST / COLUMNS],
    /// Of a part's rows. `[rows][SCORES]`
    scores: [[f32; SCORES]; PART],
    /// Of a part's rows. `[KEYS / 32][PART_STRIDE][32]`
    weights: [[[u16; COLUMNS]; PART_STRIDE]; KEYS / COLUMNS],
    /// `[padded / 16][STRIDE][16]`
    sums: [[[f32; PANEL]; STRIDE]; MOST / PANEL],
    /// Greatest score of each row.
    greatest: [f32; TILE],
    /// What earlier sums are multiplied by.
    shrink: [f32; TILE],
    /// Sums of exponentials, in lanes.
    totals: [[f32; PANEL]; TILE],
}

impl<'p, P: Fn(usize) -> &'p [f32], T: Tiles> PairKernel for WithPairs<'_, P, T> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let mut room = MaybeUninit::<Room>::uninit();
        let room = Places::of(room.as_mut_ptr());
        // SAFETY: the walk's maker vouches for queries, out and pages; rows and sizes are at most the room's. What
        // tiles read beyond the rows makes sums that nobody reads.
        unsafe {
            room.greatest
                .cast::<[f32; TILE]>()
                .write([f32::NEG_INFINITY; TILE]);
            // Vectors of rows go beyond the last one.
            room.shrink.cast::<[f32; TILE]>().write([f32::NEG_INFINITY; TILE]);
            room.totals
                .cast::<[f32; TILE * PANEL]>()
                .write([0.0; TILE * PANEL]);
            self.round_queries(d, &room);
            for first in (0..self.walk.end).step_by(KEYS) {
                let keys = (self.walk.end - first).min(KEYS).next_multiple_of(COLUMNS);
                let next = self.next(first + KEYS);
                for row in (0..self.walk.rows).step_by(PART) {
                    let rows = row..self.walk.rows.min(row + PART);
                    self.score(&room, rows.clone(), first, keys);
                    self.weigh(d, &room, rows.clone(), first, keys, next);
                    self.add_values(d, &room, rows, first, keys);
                }
            }
            self.finish(d, &room);
        }
    }
}

/// Where the parts of a room begin.
#[derive(Clone, Copy)]
struct Places {
    queries: *mut u16,
    scores: *mut f32,
    weights: *mut u16,
    sums: *mut f32,
    greatest: *mut f32,
    shrink: *mut f32,
    totals: *mut f32,
}

impl Places {
    fn of(room: *mut Room) -> Self {
        // SAFETY: places inside one allocation, nothing is read.
        unsafe {
            Self {
                queries: (&raw mut (*room).queries).cast(),
                scores: (&raw mut (*room).scores).cast(),
                weights: (&raw mut (*room).weights).cast(),
                sums: (&raw mut (*room).sums).cast(),
                greatest: (&raw mut (*room).greatest).cast(),
                shrink: (&raw mut (*room).shrink).cast(),
                totals: (&raw mut (*room).totals).cast(),
            }
        }
    }
}

impl<'p, P: Fn(usize) -> &'p [f32], T: Tiles> WithPairs<'_, P, T> {
    #[inline(always)]
    unsafe fn round_queries<D: Pairs>(&self, d: D, room: &Places) {
        let padded = self.walk.attention.padded();
        for row in 0..self.walk.rows {
            for column in (0..padded).step_by(PANEL) {
                // SAFETY: the queries have these rows, the room as many.
                unsafe {
                    let to = room
                        .queries
                        .add((column / COLUMNS * STRIDE + row) * COLUMNS + column % COLUMNS);
                    d.round(self.walk.queries.add(row * padded + column), to);
                }
            }
        }
    }

    /// `scores = queries · kᵀ` of `keys` keys from `first` on.
    #[inline(always)]
    unsafe fn score(&self, room: &Places, rows: Range<usize>, first: usize, keys: usize) {
        let padded = self.walk.attention.padded();
        for key in (0..keys).step_by(2 * PANEL) {
            let page = self.page(first + key);
            // SAFETY: the page has these panels, the room these rows.
            unsafe {
                let panel = page.parts::<u16>().0.add(key % PAGE * padded);
                for row in rows.clone().step_by(2 * ROWS) {
                    let sums = room.scores.add((row - rows.start) * SCORES + key);
                    self.tiles.bf16(MacroTile {
                        input: room.queries.add(row * COLUMNS).cast(),
                        input_stride: ROW,
                        input_step: STRIDE * ROW,
                        panels: [[panel.cast(), panel.add(PANEL * padded).cast()]; 2],
                        runs: 1,
                        steps: padded / COLUMNS,
                        sums: [sums.cast(), sums.add(PANEL).cast()],
                        sums_stride: SCORES * size_of::<f32>(),
                        two: rows.end - row > ROWS,
                        add: false,
                    });
                }
            }
        }
    }

    /// The scores become weights, rounded; `shrink` is what the sums before them are worth. Meanwhile the `next` pages are
    /// asked for.
    #[inline(always)]
    unsafe fn weigh<D: Pairs>(
        &self,
        d: D,
        room: &Places,
        rows: Range<usize>,
        first: usize,
        keys: usize,
        next: [*const u8; 2],
    ) {
        let s = d.vectors();
        let to_base_2 = s.splat(std::f32::consts::LOG2_E);
        // SAFETY: the room has these rows and keys.
        unsafe {
            for row in rows.clone() {
                let visible = match self.walk.sight {
                    Sight::All(visible) => visible,
                    Sight::Causal { first_row, group } => (first_row + row) / group + 1,
                };
                let scores = room.scores.add((row - rows.start) * SCORES);
                for key in visible.saturating_sub(first).min(keys)..keys {
                    *scores.add(key) = f32::NEG_INFINITY;
                }
                let mut most = s.splat(*room.greatest.add(row));
                for key in (0..keys).step_by(PANEL) {
                    most = s.max(s.load(scores.add(key)), most);
                }
                // Until the loop below, the new one.
                *room.shrink.add(row) = s.greatest(most);
            }
            for row in rows.clone().step_by(PANEL) {
                let (before, now) = (s.load(room.greatest.add(row)), s.load(room.shrink.add(row)));
                let shrink = d.exp2(s.mul(s.sub(before, now), to_base_2));
                s.store(room.shrink.add(row), shrink);
                s.store(room.greatest.add(row), now);
            }
            for row in rows.clone() {
                let part_row = row - rows.start;
                let scores = room.scores.add(part_row * SCORES);
                let offset = s.splat(*room.greatest.add(row) * -std::f32::consts::LOG2_E);
                let totals = room.totals.add(row * PANEL);
                let mut total = s.mul(s.load(totals), s.splat(*room.shrink.add(row)));
                self.ask(d, next, row);
                let mut to = room.weights.add(part_row * COLUMNS);
                for key in (0..keys).step_by(COLUMNS) {
                    let weight = |key: usize| d.exp2(s.mul_add(s.load(scores.add(key)), to_base_2, offset));
                    let both = [weight(key), weight(key + PANEL)];
                    total = s.add(total, s.add(both[0], both[1]));
                    d.put_two(to, both);
                    to = to.add(PART_STRIDE * COLUMNS);
                }
                s.store(totals, total);
            }
        }
    }

    /// `sums = sums · shrink + weights · v`
    #[inline(always)]
    unsafe fn add_values<D: Pairs>(
        &self,
        d: D,
        room: &Places,
        rows: Range<usize>,
        first: usize,
        keys: usize,
    ) {
        let s = d.vectors();
        let panels = self.walk.attention.padded() / PANEL;
        // SAFETY: as above.
        unsafe {
            if first > 0 {
                for row in rows.clone() {
                    let shrink = *room.shrink.add(row);
                    if shrink != 1.0 {
                        for panel in 0..panels {
                            let at = room.sums.add((panel * STRIDE + row) * PANEL);
                            s.store(at, s.mul(s.load(at), s.splat(shrink)));
                        }
                    }
                }
            }
            // Both pages in one go where both are whole, else one after the other.
            let whole = keys == KEYS;
            let runs = if whole { KEYS / PAGE } else { 1 };
            for key in (0..keys).step_by(PAGE * runs) {
                let values = self.page(first + key).parts::<u16>().1;
                let further = if whole {
                    self.page(first + PAGE).parts::<u16>().1
                } else {
                    values
                };
                for panel in (0..panels).step_by(2) {
                    let at = panel * PAGE * PANEL;
                    let both = |page: *const u16| [page.add(at).cast(), page.add(at + PAGE * PANEL).cast()];
                    for row in rows.clone().step_by(2 * ROWS) {
                        let part_row = row - rows.start;
                        let weights = (key / COLUMNS * PART_STRIDE + part_row) * COLUMNS;
                        let sums = room.sums.add((panel * STRIDE + row) * PANEL);
                        self.tiles.bf16(MacroTile {
                            input: room.weights.add(weights).cast(),
                            input_stride: ROW,
                            input_step: PART_STRIDE * ROW,
                            panels: [both(values), both(further)],
                            runs,
                            steps: (keys - key).min(PAGE) / COLUMNS,
                            sums: [sums.cast(), sums.add(STRIDE * PANEL).cast()],
                            sums_stride: ROW,
                            two: rows.end - row > ROWS,
                            add: first + key > 0,
                        });
                    }
                }
            }
        }
    }

    /// Sums of values divided by those of weights.
    #[inline(always)]
    unsafe fn finish<D: Pairs>(&self, d: D, room: &Places) {
        let s = d.vectors();
        let padded = self.walk.attention.padded();
        for row in 0..self.walk.rows {
            // SAFETY: out has these rows.
            unsafe {
                let scale = s.splat(1.0 / s.sum(s.load(room.totals.add(row * PANEL))));
                for column in (0..padded).step_by(PANEL) {
                    let sums = s.load(room.sums.add((column / PANEL * STRIDE + row) * PANEL));
                    s.store(self.walk.out.add(row * padded + column), s.mul(sums, scale));
                }
            }
        }
    }

    /// Where the pages of the next keys begin.
    #[inline(always)]
    fn next(&self, first: usize) -> [*const u8; 2] {
        let page = |key: usize| self.page(key.min(self.walk.end - 1)).parts::<u8>().0;
        [page(first), page(first + PAGE)]
    }

    /// Asks for a row's share of the next keys and values: several heads' lie between one page's and the next's, so
    /// the processor does not ask by itself.
    #[inline(always)]
    fn ask<D: Pairs>(&self, d: D, next: [*const u8; 2], row: usize) {
        let bytes = 2 * PAGE * self.walk.attention.padded() * size_of::<u16>();
        let share = (bytes / self.walk.rows).next_multiple_of(LINE);
        for page in next {
            for at in (row * share..bytes.min((row + 1) * share)).step_by(LINE) {
                d.vectors().prefetch_later(page.wrapping_add(at));
            }
        }
    }

    /// The page of a key.
    #[inline(always)]
    fn page(&self, key: usize) -> HeadPage {
        HeadPage::new(self.walk.attention, (self.walk.page)(key / PAGE), self.walk.head)
    }
}
