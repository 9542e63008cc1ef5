//! Small products of operands that lie in the caches: what attention and the delta rule are made of.
//!
//! The right-hand side stands in panels of 16 columns, `[panels][k][16]`, so that a panel is one
//! stream; bf16 has pairs of k together, `[panels][k / 2][16][2]`. Every output element is one chain
//! of multiply-adds over k from 0 up, whatever other rows and columns are computed beside it.

use crate::simd::{Kernel, MAX_LANES, Simd};

/// Columns of a panel.
pub(crate) const PANEL: usize = 16;

/// Rows up to which the right-hand side comes from memory: the keys and values of a step.
const FEW: usize = 4;
/// How far ahead of its use it is then asked for, in bytes: two panels of keys further.
const AHEAD: usize = 16 << 10;

/// Element type of the right-hand side.
pub(crate) trait Element: Copy {
    /// Numbers k that lie together for each column.
    const TOGETHER: usize;

    /// `LANES` columns at `TOGETHER` numbers k; one that is missing repeats the first.
    ///
    /// # Safety
    /// `from` must be valid for reading that many elements.
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2];
}

impl Element for f32 {
    const TOGETHER: usize = 1;

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2] {
        // SAFETY: the caller's.
        [unsafe { s.load(from) }; 2]
    }
}

/// bf16 bits.
impl Element for u16 {
    const TOGETHER: usize = 2;

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe { s.load_interleaved(from) }
    }
}

impl Element for i8 {
    const TOGETHER: usize = 1;

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2] {
        // SAFETY: the caller's.
        [unsafe { s.load_i8(from) }; 2]
    }
}

/// Rows that are read: element (row, k) lies at `row · row_stride + k · k_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) start: *const f32,
    pub(crate) row_stride: usize,
    pub(crate) k_stride: usize,
}

/// Panels that are read, each `panel_stride` elements from the next.
#[derive(Clone, Copy)]
pub(crate) struct Panels<E> {
    pub(crate) start: *const E,
    pub(crate) panel_stride: usize,
}

/// Where sums go: columns of panel p of a row start at `row · row_stride + p · panel_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    pub(crate) start: *mut f32,
    pub(crate) row_stride: usize,
    pub(crate) panel_stride: usize,
}

/// What the sums start from.
#[derive(Clone, Copy)]
pub(crate) enum From {
    /// Nothing.
    Zero,
    /// What is there.
    There,
    /// What is there, times a factor per row.
    Scaled(*const f32),
    /// What is there, times one factor.
    ScaledAll(f32),
}

/// Rows taken at once.
const ROWS: usize = 6;

/// `sums (+)= rows · panels`, `k` a multiple of [`Element::TOGETHER`].
///
/// # Safety
/// All operands must be valid for these numbers of rows, panels and k (factors for the rows); nobody
/// else writes the sums.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd, E: Element>(
    s: S,
    rows: usize,
    k: usize,
    panels: usize,
    left: Rows,
    right: Panels<E>,
    from: From,
    sums: Sums,
) {
    if rows == 0 || k == 0 && matches!(from, From::There) {
        return;
    }
    s.outlined(Product {
        rows,
        k,
        panels,
        left,
        right,
        from,
        sums,
    });
}

/// The arguments of [`product`], whose caller vouches for them.
struct Product<E> {
    rows: usize,
    k: usize,
    panels: usize,
    left: Rows,
    right: Panels<E>,
    from: From,
    sums: Sums,
}

impl<E: Element> Kernel for Product<E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            rows,
            k,
            panels,
            left,
            right,
            from,
            sums,
        } = self;
        // SAFETY: `product`'s caller.
        unsafe { product_here(s, rows, k, panels, left, right, from, sums) }
    }
}

#[inline(always)]
unsafe fn product_here<S: Simd, E: Element>(
    s: S,
    rows: usize,
    k: usize,
    panels: usize,
    left: Rows,
    right: Panels<E>,
    from: From,
    sums: Sums,
) {
    let mut panel = 0;
    // SAFETY: the caller's, for rows and panels below these numbers.
    unsafe {
        if rows <= 2 {
            // Few rows: more panels at once, so that there are enough independent chains.
            while panel + 4 <= panels {
                let (right, sums) = (right.panel(panel), sums.panel(panel));
                match (rows, S::LANES < MAX_LANES) {
                    (1, true) => block::<S, E, 1, 8>(s, k, left, right, from, sums),
                    (1, false) => block::<S, E, 1, 4>(s, k, left, right, from, sums),
                    (_, true) => {
                        block::<S, E, 2, 4>(s, k, left, right, from, sums);
                        block::<S, E, 2, 4>(s, k, left, right.panel(2), from, sums.panel(2));
                    }
                    (_, false) => block::<S, E, 2, 4>(s, k, left, right, from, sums),
                }
                panel += 4;
            }
        }
        // Two vectors of columns at once.
        let wide = (2 * S::LANES / PANEL).max(1);
        while panel < panels {
            let (right, sums) = (right.panel(panel), sums.panel(panel));
            if wide == 1 || panel + wide <= panels {
                all_rows::<S, E, 2>(s, rows, k, left, right, from, sums);
            } else {
                // A last vector of columns: seldom, so row after row will do.
                for row in 0..rows {
                    let (left, sums) = (left.row(row), sums.row(row));
                    block::<S, E, 1, 1>(s, k, left, right, from.row(row), sums);
                }
            }
            panel += wide;
        }
    }
}

/// All rows, `COLUMNS` vectors of columns.
#[inline(always)]
unsafe fn all_rows<S: Simd, E: Element, const COLUMNS: usize>(
    s: S,
    rows: usize,
    k: usize,
    left: Rows,
    right: Panels<E>,
    from: From,
    sums: Sums,
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: the caller's, from `row` on.
        unsafe {
            let (left, from, sums) = (left.row(row), from.row(row), sums.row(row));
            match rows - row {
                1 => block::<S, E, 1, COLUMNS>(s, k, left, right, from, sums),
                2 => block::<S, E, 2, COLUMNS>(s, k, left, right, from, sums),
                3 => block::<S, E, 3, COLUMNS>(s, k, left, right, from, sums),
                4 => block::<S, E, 4, COLUMNS>(s, k, left, right, from, sums),
                5 => block::<S, E, 5, COLUMNS>(s, k, left, right, from, sums),
                _ => block::<S, E, ROWS, COLUMNS>(s, k, left, right, from, sums),
            }
        }
        row += ROWS;
    }
}

/// `R` rows times `C` vectors of columns.
#[inline(always)]
unsafe fn block<S: Simd, E: Element, const R: usize, const C: usize>(
    s: S,
    k: usize,
    left: Rows,
    right: Panels<E>,
    from: From,
    sums: Sums,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut chains = [[s.splat(0.0); C]; R];
        for r in 0..R {
            for c in 0..C {
                let at = sums.vector::<S>(r, c);
                chains[r][c] = match from {
                    From::Zero => s.splat(0.0),
                    From::There => s.load(at),
                    From::Scaled(factors) => s.mul(s.load(at), s.splat(*factors.add(r))),
                    From::ScaledAll(factor) => s.mul(s.load(at), s.splat(factor)),
                };
            }
        }
        let mut columns = [right.start; C];
        for c in 0..C {
            let lane = c * S::LANES;
            columns[c] = right
                .start
                .add(lane / PANEL * right.panel_stride + lane % PANEL * E::TOGETHER);
        }
        let mut i = 0;
        while i < k {
            let mut loaded = [[s.splat(0.0); 2]; C];
            for c in 0..C {
                let at = columns[c].add(i * PANEL);
                if R <= FEW {
                    s.prefetch(at.wrapping_byte_add(AHEAD));
                }
                loaded[c] = E::load(s, at);
            }
            for together in 0..E::TOGETHER {
                for r in 0..R {
                    let x = s.splat(
                        *left
                            .start
                            .add(r * left.row_stride + (i + together) * left.k_stride),
                    );
                    for c in 0..C {
                        chains[r][c] = s.mul_add(x, loaded[c][together], chains[r][c]);
                    }
                }
            }
            i += E::TOGETHER;
        }
        for r in 0..R {
            for c in 0..C {
                s.store(sums.vector::<S>(r, c), chains[r][c]);
            }
        }
    }
}

impl Rows {
    /// From row `row` on.
    #[inline(always)]
    fn row(self, row: usize) -> Self {
        let start = self.start.wrapping_add(row * self.row_stride);
        Self { start, ..self }
    }
}

impl From {
    /// From row `row` on.
    #[inline(always)]
    fn row(self, row: usize) -> Self {
        match self {
            Self::Scaled(factors) => Self::Scaled(factors.wrapping_add(row)),
            other => other,
        }
    }
}

impl<E> Panels<E> {
    /// From panel `panel` on.
    #[inline(always)]
    pub(crate) fn panel(self, panel: usize) -> Self {
        let start = self.start.wrapping_add(panel * self.panel_stride);
        Self { start, ..self }
    }
}

impl Sums {
    /// From panel `panel` on.
    #[inline(always)]
    fn panel(self, panel: usize) -> Self {
        let start = self.start.wrapping_add(panel * self.panel_stride);
        Self { start, ..self }
    }

    /// From row `row` on.
    #[inline(always)]
    fn row(self, row: usize) -> Self {
        let start = self.start.wrapping_add(row * self.row_stride);
        Self { start, ..self }
    }

    /// Vector `c` of row `row`.
    #[inline(always)]
    fn vector<S: Simd>(self, row: usize, c: usize) -> *mut f32 {
        let lane = c * S::LANES;
        let at = row * self.row_stride + lane / PANEL * self.panel_stride + lane % PANEL;
        self.start.wrapping_add(at)
    }
}

#[cfg(test)]
#[path = "dense_tests.rs"]
mod tests;
