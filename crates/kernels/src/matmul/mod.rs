//! Matrix products `out = input · Wᵀ`, for one matrix or for groups of rows with a matrix each.

mod float;
mod inputs;
mod integer;
pub(crate) mod paired;
mod tiled;

use std::ops::Range;

use self::float::Float;
use self::inputs::{Inputs, Pairs, quantised};
use self::integer::{Integer, Weights};
use self::paired::{Paired, RoundedRows, SINGLY_FROM, TinyStarts};
use self::tiled::{TiledInteger, TiledPairs};
use crate::later::Later;
use crate::matrix::{Elements, Matrix, PANEL};
use crate::pool::Share;
use crate::quant::Rows;
use crate::{Cpu, Isa};

/// Rows of the input that belong to one matrix of several: an expert's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Index of the matrix.
    pub matrix: usize,
    /// First row.
    pub start: usize,
    /// One past the last row.
    pub end: usize,
}

impl Cpu {
    /// `out [rows, W.rows] = input [rows, W.columns] · Wᵀ`.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together.
    pub fn matmul(&self, matrix: &Matrix, input: &[f32], out: &mut [f32]) {
        let rows = input.len() / matrix.columns().max(1);
        let group = Group {
            matrix: 0,
            start: 0,
            end: rows,
        };
        self.multiply(std::slice::from_ref(matrix), &[group], None, input, out, false);
    }

    /// `out [rows, W.rows] += input [rows, W.columns] · Wᵀ`: each sum starts from what is there.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together.
    pub fn matmul_add(&self, matrix: &Matrix, input: &[f32], out: &mut [f32]) {
        let rows = input.len() / matrix.columns().max(1);
        let group = Group {
            matrix: 0,
            start: 0,
            end: rows,
        };
        self.multiply(std::slice::from_ref(matrix), &[group], None, input, out, true);
    }

    /// The same for groups of rows, each with its own one of `matrices`, all of one shape. Row i of
    /// `out` is made of row `index[i]` of `input`, or of row i without an index.
    /// Rows of no group are left as they are.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together or groups overlap.
    pub fn matmul_grouped(
        &self,
        matrices: &[Matrix],
        groups: &[Group],
        index: Option<&[u32]>,
        input: &[f32],
        out: &mut [f32],
    ) {
        self.multiply(matrices, groups, index, input, out, false);
    }

    /// As [`matmul_grouped`](Self::matmul_grouped), each sum starting from what is there.
    ///
    /// # Panics
    /// As there.
    pub fn matmul_grouped_add(
        &self,
        matrices: &[Matrix],
        groups: &[Group],
        index: Option<&[u32]>,
        input: &[f32],
        out: &mut [f32],
    ) {
        self.multiply(matrices, groups, index, input, out, true);
    }

    /// [`matmul`](Self::matmul) for some of W's rows: those of `wanted` and their neighbours in a
    /// panel of 16. The rest of `out` is left as it is.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together, or there is no such row.
    pub fn matmul_some(&self, matrix: &Matrix, wanted: &[u32], input: &[f32], out: &mut [f32]) {
        let (n, k) = (matrix.rows(), matrix.columns());
        let rows = input.len() / k.max(1);
        assert!(
            input.len() == rows * k && out.len() == rows * n,
            "[{rows}, {k}] to [{rows}, {n}]"
        );
        let mut workspace = self.take_activations();
        let mut panels = std::mem::take(&mut workspace.panels);
        panels.clear();
        for row in wanted {
            assert!((*row as usize) < n, "a row of {n}");
            let panel = row / PANEL as u32;
            if panels.last() != Some(&panel) {
                panels.push(panel);
            }
        }
        panels.sort_unstable();
        panels.dedup();
        let mut pairs = std::mem::take(&mut workspace.pairs);
        let inputs = Inputs {
            float: input.as_ptr(),
            rounded: quantised(matrix).then(|| (workspace.quantise(self, input, k, true), 0)),
            paired: self
                .paired(matrix)
                .then(|| self.round_pairs(std::slice::from_ref(matrix), input, k, &mut pairs)),
            later: &self.later,
        };
        let per_task = panels.len().div_ceil(self.pool.threads() * 8).max(4);
        let out = Share(out.as_mut_ptr());
        let task = |index: usize| {
            let from = index * per_task;
            for panel in &panels[from..panels.len().min(from + per_task)] {
                let panel = *panel as usize;
                // SAFETY: sizes are checked above; a panel comes once.
                unsafe {
                    let piece = Piece {
                        rows,
                        n,
                        k,
                        panels: panel..panel + 1,
                        out: out.get(),
                        accumulate: false,
                    };
                    piece.compute(self.isa, matrix, inputs);
                }
            }
        };
        let tasks = panels.len().div_ceil(per_task);
        if rows == 0 || rows * panels.len() * PANEL * k < self.share_from {
            (0..if rows == 0 { 0 } else { tasks }).for_each(task);
        } else {
            self.pool.run(tasks, task);
        }
        workspace.panels = panels;
        workspace.pairs = pairs;
        self.give_activations(workspace);
    }

    fn multiply(
        &self,
        matrices: &[Matrix],
        groups: &[Group],
        index: Option<&[u32]>,
        input: &[f32],
        out: &mut [f32],
        accumulate: bool,
    ) {
        let Some(first) = matrices.first() else { return };
        let (n, k) = (first.rows(), first.columns());
        let shape = |group: &Group| (matrices[group.matrix].rows(), matrices[group.matrix].columns());
        assert!(
            groups.iter().all(|group| shape(group) == (n, k)),
            "matrices of one shape"
        );
        let inputs = input.len() / k.max(1);
        let rows = index.map_or(inputs, <[u32]>::len);
        assert!(
            input.len() == inputs * k && out.len() == rows * n,
            "[{inputs}, {k}] to [{rows}, {n}]"
        );
        assert!(index.is_none_or(|index| index.iter().all(|row| (*row as usize) < inputs)));
        let mut workspace = self.take_activations();
        let mut chunks = std::mem::take(&mut workspace.chunks);
        chunks.clear();
        // As many as there can be, so that other groups of as many rows take no more memory.
        chunks.reserve(groups.len().max(matrices.len()) + rows / integer::ROW_BLOCK.min(float::ROW_BLOCK));
        // What is read or computed, whichever is more.
        let (mut after, mut total, mut bytes) = (0, 0, 0);
        let (mut float, mut integer, mut paired) = (false, false, false);
        for group in groups {
            assert!(
                after <= group.start && group.start <= group.end && group.end <= rows,
                "groups in order"
            );
            after = group.end;
            let matrix = &matrices[group.matrix];
            let block = if quantised(matrix) {
                integer = true;
                if self.isa.has_tiles() {
                    tiled::ROW_BLOCK
                } else {
                    integer::ROW_BLOCK
                }
            } else {
                float = true;
                paired |= self.paired(matrix);
                if self.paired(matrix) && self.isa.has_tiles() {
                    tiled::ROW_BLOCK
                } else {
                    float::ROW_BLOCK
                }
            };
            for start in (group.start..group.end).step_by(block) {
                let end = group.end.min(start + block);
                chunks.push(Group { start, end, ..*group });
                total += end - start;
                bytes += matrix.bytes();
            }
        }
        if total == 0 || n == 0 {
            workspace.chunks = chunks;
            return self.give_activations(workspace);
        }
        let rounded = integer.then(|| {
            let few = |chunk: &Group| !tiled::take(self.isa, chunk.end - chunk.start);
            let rounded = workspace.quantise(self, input, k, chunks.iter().any(few));
            match index {
                None => rounded,
                Some(index) => workspace.reorder(self, rounded, index),
            }
        });
        let mut gathered = std::mem::take(&mut workspace.gathered);
        let input = match index {
            Some(index) if float => {
                if gathered.len() < rows * k {
                    gathered.resize(rows * k, 0.0);
                }
                self.gather_rows(input, index, k, &mut gathered[..rows * k]);
                &gathered
            }
            _ => input,
        };
        let mut pairs = std::mem::take(&mut workspace.pairs);
        let paired = paired.then(|| self.round_pairs(matrices, input, k, &mut pairs));
        // Rows of an index are in the groups' order only where they were gathered for floating point,
        // which is what calibration runs on.
        if float || index.is_none() {
            for group in groups {
                if let Some(watch) = &matrices[group.matrix].watch {
                    watch.add(self, &input[group.start * k..group.end * k]);
                }
            }
        }
        // A task is some panels for some rows of a group.
        let panels = n.div_ceil(PANEL);
        let wanted = (self.pool.threads() * 8).div_ceil(chunks.len());
        let panels_per_task = panels.div_ceil(wanted).next_multiple_of(4).min(64);
        let panel_tasks = panels.div_ceil(panels_per_task);
        let out = Share(out.as_mut_ptr());
        let task = |index: usize| {
            let (chunk, panel_task) = (chunks[index / panel_tasks], index % panel_tasks);
            let first_panel = panel_task * panels_per_task;
            let (start, end) = (chunk.start, chunk.end);
            let last_panel = panels.min(first_panel + panels_per_task);
            // SAFETY: sizes are checked above; tasks write disjoint rows or panels of `out`.
            unsafe {
                let piece = Piece {
                    rows: end - start,
                    n,
                    k,
                    panels: first_panel..last_panel,
                    out: out.get().add(start * n),
                    accumulate,
                };
                let matrix = &matrices[chunk.matrix];
                let inputs = Inputs {
                    // Only float matrices read it.
                    float: input.as_ptr().wrapping_add(start * k),
                    rounded: rounded.map(|rows| (rows, start)),
                    paired: paired
                        .filter(|_| self.paired(matrix))
                        .map(|rows| rows.from(start, k)),
                    later: &self.later,
                };
                piece.compute(self.isa, matrix, inputs);
            }
        };
        let tasks = panel_tasks * chunks.len();
        if (total * n * k).max(bytes) < self.share_from {
            (0..tasks).for_each(task);
        } else {
            self.pool.run(tasks, task);
        }
        workspace.chunks = chunks;
        workspace.gathered = gathered;
        workspace.pairs = pairs;
        self.give_activations(workspace);
    }
}

/// Some rows times some panels of a matrix.
#[derive(Clone)]
struct Piece {
    rows: usize,
    n: usize,
    k: usize,
    panels: Range<usize>,
    /// `[rows, n]`
    out: *mut f32,
    accumulate: bool,
}

impl Piece {
    /// # Safety
    /// The pointers must be valid for their sizes, and nobody else uses those panels of `out`.
    unsafe fn compute(self, isa: Isa, matrix: &Matrix, inputs: Inputs<'_>) {
        let input = inputs.float;
        match (&matrix.elements, inputs.rounded) {
            (Elements::Bf16(buffer), _) => match inputs.paired {
                // SAFETY: the caller's.
                Some(Pairs::Rows(rows)) => match unsafe { self.singles(isa, rows) } {
                    Some(input) => isa.run(Float {
                        piece: self,
                        input,
                        weights: buffer.as_slice(),
                        turned: true,
                    }),
                    None => isa.run_pairs(Paired {
                        piece: self,
                        input: rows.pairs,
                        weights: buffer.as_slice(),
                        one_stream: isa.reads_one_stream(),
                    }),
                },
                Some(Pairs::Tiles(input)) => isa.run_tiles(TiledPairs {
                    piece: self,
                    input,
                    weights: buffer.as_slice(),
                }),
                None => isa.run(Float {
                    piece: self,
                    input,
                    weights: buffer.as_slice(),
                    turned: false,
                }),
            },
            (Elements::F32(buffer), _) => isa.run(Float {
                piece: self,
                input,
                weights: buffer.as_slice(),
                turned: false,
            }),
            (Elements::Q8 { values, scales }, Some((input, first))) => {
                let weights = Weights::Q8 {
                    values: values.as_slice(),
                    scales: scales.as_slice(),
                };
                self.multiply_integers(isa, input, first, weights, inputs.later);
            }
            (Elements::Q4 { nibbles, scales }, Some((input, first))) => {
                let weights = Weights::Q4 {
                    nibbles: nibbles.as_slice(),
                    scales: scales.as_slice(),
                };
                self.multiply_integers(isa, input, first, weights, inputs.later);
            }
            // `multiply` rounds the input for every quantised matrix.
            (Elements::Q8 { .. } | Elements::Q4 { .. }, None) => {}
        }
    }

    /// The rows for columns that are added one by one, where that is faster and gives the bits of pairs.
    ///
    /// # Safety
    /// As for [`compute`](Self::compute).
    unsafe fn singles(&self, isa: Isa, rows: RoundedRows) -> Option<*const f32> {
        let singles = rows.singles.filter(|_| self.rows >= SINGLY_FROM)?;
        let width = self.n.min(self.panels.end * PANEL) - self.panels.start * PANEL;
        let starts = |row: usize| {
            // SAFETY: the caller's.
            let there = unsafe { self.out.add(row * self.n + self.panels.start * PANEL) };
            // SAFETY: as above; nobody writes there meanwhile.
            unsafe { std::slice::from_raw_parts(there, width) }
        };
        // SAFETY: as above.
        let serve = unsafe { singles.serve(self.rows) }
            && !(self.accumulate && (0..self.rows).any(|row| isa.run(TinyStarts(starts(row)))));
        serve.then_some(singles.start)
    }

    /// What a panel's sums start from.
    ///
    /// # Safety
    /// The rows must be the piece's.
    #[inline(always)]
    pub(super) unsafe fn read(&self, panel: usize, row: usize, sums: &mut [f32]) {
        let Piece {
            n, out, accumulate, ..
        } = *self;
        if !accumulate {
            sums.fill(0.0);
            return;
        }
        let columns = PANEL.min(n - panel * PANEL);
        for (r, sums) in sums.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let from = out.add((row + r) * n + panel * PANEL);
                from.copy_to_nonoverlapping(sums.as_mut_ptr(), columns);
            }
        }
    }

    /// Puts a panel's sums where they belong.
    ///
    /// # Safety
    /// The rows must be the piece's.
    #[inline(always)]
    pub(super) unsafe fn write(&self, panel: usize, row: usize, sums: &[f32]) {
        let Piece { n, out, .. } = *self;
        let columns = PANEL.min(n - panel * PANEL);
        for (r, sums) in sums.as_chunks::<PANEL>().0.iter().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let to = out.add((row + r) * n + panel * PANEL);
                if columns == PANEL {
                    sums.as_ptr().copy_to_nonoverlapping(to, PANEL);
                } else {
                    sums.as_ptr().copy_to_nonoverlapping(to, columns);
                }
            }
        }
    }

    /// As [`read`](Self::read) for some panels, of which `sums` has `size` numbers each. Row by row: the output's
    /// rows lie far apart, often a page of memory or more.
    ///
    /// # Safety
    /// The rows must be the piece's, and `sums` has as many.
    #[inline(always)]
    pub(super) unsafe fn read_all(
        &self,
        panels: Range<usize>,
        row: usize,
        rows: usize,
        sums: *mut f32,
        size: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            if self.accumulate {
                self.each_row::<false>(panels, row, rows, sums, size);
            } else {
                sums.write_bytes(0, panels.len() * size);
            }
        }
    }

    /// As [`write`](Self::write), of the same.
    ///
    /// # Safety
    /// The rows must be the piece's, and `sums` has as many.
    #[inline(always)]
    pub(super) unsafe fn write_all(
        &self,
        panels: Range<usize>,
        row: usize,
        rows: usize,
        sums: *mut f32,
        size: usize,
    ) {
        // SAFETY: the caller's.
        unsafe { self.each_row::<true>(panels, row, rows, sums, size) }
    }

    /// Copies each row of the panels, from `sums` to `out` or back.
    ///
    /// # Safety
    /// The rows must be the piece's, and `sums` has as many.
    #[inline(always)]
    unsafe fn each_row<const WRITE: bool>(
        &self,
        panels: Range<usize>,
        row: usize,
        rows: usize,
        sums: *mut f32,
        size: usize,
    ) {
        // Loops, no closures: they are not always inlined.
        let mut r = 0;
        while r < rows {
            let mut panel = panels.start;
            while panel < panels.end {
                let count = PANEL.min(self.n - panel * PANEL);
                // SAFETY: the caller's.
                unsafe {
                    let there = self.out.add((row + r) * self.n + panel * PANEL);
                    let here = sums.add((panel - panels.start) * size + r * PANEL);
                    if WRITE {
                        copy(here, there, count);
                    } else {
                        copy(there, here, count);
                    }
                }
                panel += 1;
            }
            r += 1;
        }
    }

    /// Tiles or vectors: the results are the same bits.
    fn multiply_integers(self, isa: Isa, input: Rows, first: usize, weights: Weights<'_>, later: &Later) {
        let on_tiles = tiled::take(isa, self.rows);
        let product = Integer {
            piece: self,
            input,
            first,
            weights,
            later,
            one_stream: isa.reads_one_stream(),
        };
        if on_tiles {
            isa.run_tiles(TiledInteger(product));
        } else {
            isa.run_dot(product);
        }
    }
}

/// Up to 16 numbers, which is a vector where it is 16.
///
/// # Safety
/// Both have so many.
#[inline(always)]
unsafe fn copy(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's.
    unsafe {
        if count == PANEL {
            let whole = from.cast::<[f32; PANEL]>().read_unaligned();
            to.cast::<[f32; PANEL]>().write_unaligned(whole);
        } else {
            from.copy_to_nonoverlapping(to, count);
        }
    }
}

#[cfg(test)]
mod tests;
