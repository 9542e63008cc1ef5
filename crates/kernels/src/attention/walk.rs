//! Some query rows against some pages, with an online softmax.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::page::{HeadPage, PAGE};
use super::paired::{MOST, PairProduct, Round};
use super::{Attention, KvFormat};
use crate::Isa;
use crate::dense::{From, PANEL, Panels, Rows, Sums, product};
use crate::math::exp_below;
use crate::simd::{Kernel, MAX_LANES, Simd};

/// Query rows taken at once.
pub(crate) const TILE: usize = 64;

/// Which tokens a row sees.
#[derive(Clone, Copy)]
pub(crate) enum Sight {
    /// The first `n` of the sequence.
    All(usize),
    /// Those up to its own: row r is of token `(first_row + r) / group`.
    Causal { first_row: usize, group: usize },
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// They are divided by the sum of exponentials.
    Divide,
    /// They stay, and each row's greatest score and sum of exponentials go here. `[rows, 2]`
    Keep(*mut f32),
}

/// At most [`TILE`] query rows of one head against pages.
pub(crate) struct Walk<'a, P> {
    pub(crate) attention: &'a Attention,
    pub(crate) head: usize,
    pub(crate) rows: usize,
    /// `[rows, padded]`
    pub(crate) queries: *const f32,
    /// `[rows, padded]`
    pub(crate) out: *mut f32,
    pub(crate) pages: Range<usize>,
    pub(crate) page: &'a P,
    pub(crate) sight: Sight,
    /// One past the last token that anybody at these rows' place could see, whoever is in the call.
    pub(crate) end: usize,
    pub(crate) ending: Ending,
    /// Whose pair products are used, if any are ([`Attention::in_pairs`]).
    pub(crate) pairs: Option<Isa>,
}

impl<'p, P: Fn(usize) -> &'p [f32]> Kernel for Walk<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let padded = self.attention.padded();
        // Of a page that is not full, what is behind its last keys is rounded too, and then not read: so all of it is
        // something, but of these rows alone, because a step has few.
        let mut scores = MaybeUninit::<[f32; TILE * PAGE]>::uninit();
        let scores = scores.as_mut_ptr().cast::<f32>();
        // SAFETY: at most TILE rows.
        unsafe { scores.write_bytes(0, self.rows.min(TILE) * PAGE) };
        let mut greatest = [f32::NEG_INFINITY; TILE];
        let mut shrink = [0.0; TILE];
        let mut sums = [0.0; TILE * MAX_LANES];
        // The queries, then the weights of a page, rounded.
        let mut queries = MaybeUninit::<[[u16; 2]; TILE * MOST]>::uninit();
        let mut weights = MaybeUninit::<[[u16; 2]; TILE * PAGE / 2]>::uninit();
        let (queries, weights) = (
            queries.as_mut_ptr().cast::<[u16; 2]>(),
            weights.as_mut_ptr().cast::<[u16; 2]>(),
        );
        if let Some(isa) = self.pairs {
            // There are so many queries, and the buffer holds as many of at most `2 · MOST`.
            isa.run_pairs(Round {
                from: self.queries,
                to: queries.cast(),
                count: self.rows * padded,
            });
        }
        for number in self.pages.clone() {
            let page = HeadPage::new(self.attention, (self.page)(number), self.head);
            let first_key = number * PAGE;
            // Whole panels of keys; those that nobody here sees are left out.
            let keys = (self.end - first_key).min(PAGE).next_multiple_of(PANEL);
            // SAFETY: queries and out have `rows` rows, at most TILE; the page has these panels.
            unsafe {
                match self.pairs {
                    Some(isa) => isa.run_pairs(self.pair_scores(isa, page, keys, queries, scores)),
                    None => self.score(s, page, keys, scores),
                }
                for row in 0..self.rows {
                    let visible = match self.sight {
                        Sight::All(visible) => visible,
                        Sight::Causal { first_row, group } => (first_row + row) / group + 1,
                    };
                    let softmax = Weights {
                        scores: scores.add(row * PAGE),
                        keys,
                        seen: visible.saturating_sub(first_key).min(keys),
                        scales: page.scales(),
                    };
                    let sums = sums.as_mut_ptr().add(row * S::LANES);
                    softmax.take(s, &mut greatest[row], &mut shrink[row], sums);
                }
                let from = if number == self.pages.start {
                    From::Zero
                } else {
                    From::Scaled(shrink.as_ptr())
                };
                match self.pairs {
                    Some(isa) => {
                        isa.run_pairs(Round {
                            from: scores,
                            to: weights.cast(),
                            count: self.rows * PAGE,
                        });
                        let next = self.keys_behind(number).unwrap_or(page).parts::<u16>().0;
                        isa.run_pairs(self.pair_values(isa, page, keys, weights, from, next.cast()));
                    }
                    None => self.add_values(s, page, keys, scores, from),
                }
            }
        }
        for row in 0..self.rows {
            // SAFETY: as above; `Keep` has two numbers per row.
            unsafe {
                let sum = s.sum(s.load(sums.as_ptr().add(row * S::LANES)));
                match self.ending {
                    Ending::Keep(to) => {
                        *to.add(2 * row) = greatest[row];
                        *to.add(2 * row + 1) = sum;
                    }
                    Ending::Divide => {
                        let scale = s.splat(1.0 / sum);
                        for i in (0..padded).step_by(S::LANES) {
                            let at = self.out.add(row * padded + i);
                            s.store(at, s.mul(s.load(at), scale));
                        }
                    }
                }
            }
        }
    }
}

impl<'p, P: Fn(usize) -> &'p [f32]> Walk<'_, P> {
    /// The page behind page `number`, if it is walked too.
    #[inline(always)]
    fn keys_behind(&self, number: usize) -> Option<HeadPage> {
        let behind = number + 1;
        let there = self.pages.contains(&behind);
        there.then(|| HeadPage::new(self.attention, (self.page)(behind), self.head))
    }
}

impl<P> Walk<'_, P> {
    /// As [`score`](Self::score), of rounded queries.
    #[inline(always)]
    fn pair_scores(
        &self,
        isa: Isa,
        page: HeadPage,
        keys: usize,
        queries: *const [u16; 2],
        scores: *mut f32,
    ) -> PairProduct {
        let pairs = self.attention.padded() / 2;
        PairProduct {
            rows: self.rows,
            pairs,
            panels: keys / PANEL,
            left: queries,
            left_stride: pairs,
            right: page.parts::<u16>().0.cast(),
            panel_stride: pairs,
            from: From::Zero,
            sums: Sums {
                start: scores,
                row_stride: PAGE,
                panel_stride: PANEL,
            },
            one_stream: isa.reads_one_stream(),
            next: page.parts::<u16>().1.cast(),
        }
    }

    /// As [`add_values`](Self::add_values), of rounded weights.
    #[inline(always)]
    fn pair_values(
        &self,
        isa: Isa,
        page: HeadPage,
        keys: usize,
        weights: *const [u16; 2],
        from: From,
        next: *const [u16; 2],
    ) -> PairProduct {
        let padded = self.attention.padded();
        PairProduct {
            rows: self.rows,
            pairs: keys / 2,
            panels: padded / PANEL,
            left: weights,
            left_stride: PAGE / 2,
            right: page.parts::<u16>().1.cast(),
            panel_stride: PAGE / 2,
            from,
            sums: Sums {
                start: self.out,
                row_stride: padded,
                panel_stride: PANEL,
            },
            one_stream: isa.reads_one_stream(),
            next,
        }
    }

    /// `scores = queries · kᵀ`, `[rows, 64]`
    #[inline(always)]
    unsafe fn score<S: Simd>(&self, s: S, page: HeadPage, keys: usize, scores: *mut f32) {
        let padded = self.attention.padded();
        let left = Rows {
            start: self.queries,
            row_stride: padded,
            k_stride: 1,
        };
        let sums = Sums {
            start: scores,
            row_stride: PAGE,
            panel_stride: PANEL,
        };
        macro_rules! product {
            ($element:ty) => {{
                let right = Panels {
                    start: page.parts::<$element>().0,
                    panel_stride: padded * PANEL,
                };
                // SAFETY: the caller's.
                unsafe {
                    product(
                        s,
                        self.rows,
                        padded,
                        keys / PANEL,
                        left,
                        right,
                        From::Zero,
                        sums,
                    )
                }
            }};
        }
        match self.attention.format {
            KvFormat::F32 => product!(f32),
            KvFormat::Bf16 => product!(u16),
            KvFormat::Int8 => product!(i8),
        }
    }

    /// `out = out · shrink + weights · v`
    #[inline(always)]
    unsafe fn add_values<S: Simd>(&self, s: S, page: HeadPage, keys: usize, weights: *const f32, from: From) {
        let padded = self.attention.padded();
        let left = Rows {
            start: weights,
            row_stride: PAGE,
            k_stride: 1,
        };
        let sums = Sums {
            start: self.out,
            row_stride: padded,
            panel_stride: PANEL,
        };
        macro_rules! product {
            ($element:ty) => {{
                let right = Panels {
                    start: page.parts::<$element>().1,
                    panel_stride: PAGE * PANEL,
                };
                // SAFETY: the caller's.
                unsafe { product(s, self.rows, keys, padded / PANEL, left, right, from, sums) }
            }};
        }
        match self.attention.format {
            KvFormat::F32 => product!(f32),
            KvFormat::Bf16 => product!(u16),
            KvFormat::Int8 => product!(i8),
        }
    }
}

/// A row of scores, whose exponentials become the weights of values.
struct Weights {
    /// `[keys]`, a multiple of 16
    scores: *mut f32,
    keys: usize,
    /// Scores that count.
    seen: usize,
    /// Of an int8 page.
    scales: Option<(*const f32, *const f32)>,
}

impl Weights {
    /// # Safety
    /// The scores are there, and `sums` has LANES elements.
    #[inline(always)]
    unsafe fn take<S: Simd>(self, s: S, greatest: &mut f32, shrink: &mut f32, sums: *mut f32) {
        let Self {
            scores,
            keys,
            seen,
            scales,
        } = self;
        // SAFETY: the caller's.
        unsafe {
            if let Some((key_scales, _)) = scales {
                for j in (0..keys).step_by(S::LANES) {
                    let score = s.mul(s.load(scores.add(j)), s.load(key_scales.add(j)));
                    s.store(scores.add(j), score);
                }
            }
            for j in seen..keys {
                *scores.add(j) = f32::NEG_INFINITY;
            }
            let mut most = s.splat(*greatest);
            for j in (0..keys).step_by(S::LANES) {
                most = s.max(s.load(scores.add(j)), most);
            }
            let now = s.greatest(most);
            *shrink = if now == *greatest {
                1.0
            } else {
                s.to_array(exp_below(s, s.splat(*greatest - now)))[0]
            };
            *greatest = now;
            let (offset, mut sum) = (s.splat(now), s.mul(s.load(sums), s.splat(*shrink)));
            for j in (0..keys).step_by(S::LANES) {
                let mut weight = exp_below(s, s.sub(s.load(scores.add(j)), offset));
                sum = s.add(sum, weight);
                if let Some((_, value_scales)) = scales {
                    weight = s.mul(weight, s.load(value_scales.add(j)));
                }
                s.store(scores.add(j), weight);
            }
            s.store(sums, sum);
        }
    }
}
