//! A layer's work, cut into heads that threads take.

use super::chunk::Prefill;
use super::conv::Inputs;
use super::state::{CHUNK, Delta, Kept, MAX_DIM};
use super::step::{self, Step};
use super::tiled::TiledHead;
use crate::Cpu;
use crate::math::softplus;
use crate::norm::squares;
use crate::pool::Share;
use crate::simd::{Kernel, Simd};

/// Numbers of a cache line.
const LINE: usize = 16;
/// Added to a sum of squares before its root, as the official implementation does.
const L2_EPS: f32 = 1e-6;

/// A DeltaNet layer without its two projections.
#[derive(Clone, Copy, Debug)]
pub struct GatedDelta<'a> {
    /// Sizes.
    pub sizes: Delta,
    /// Taps of the convolution; the last one multiplies the current token.
    pub taps: usize,
    /// `[taps, channels]`
    pub conv: &'a [f32],
    /// `-exp(A_log)`. `[value_heads]`
    pub decay: &'a [f32],
    /// `[value_heads]`
    pub dt_bias: &'a [f32],
    /// The gated norm's weight. `[value_dim]`
    pub norm: &'a [f32],
    /// Added to the gated norm's mean square.
    pub eps: f32,
    /// Distance between rows of the projection.
    pub stride: usize,
}

/// Tokens of one sequence.
#[derive(Debug)]
pub struct DeltaRun<'a> {
    /// The first token's row in the projection and the output.
    pub row: usize,
    /// How many.
    pub tokens: usize,
    /// How they are computed.
    pub kind: DeltaKind,
    /// Tokens of the unfinished chunk before these.
    pub pending: usize,
    /// Convolution inputs of the tokens before, zeros at first. `[taps - 1, channels]`; the token at place p of
    /// the sequence has row p mod (taps - 1), so that a new one takes the place of the oldest.
    pub history: &'a mut [f32],
    /// [`Delta::state_len`] elements
    pub state: &'a mut [f32],
    /// [`Delta::chunk_len`] elements; none are needed for given tokens when no chunk is unfinished before and after.
    pub chunk: &'a mut [f32],
}

/// Rounding differs between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaKind {
    /// In chunks. The first token is this one of the sequence: chunks end where its multiples of 64 do.
    Prefill {
        /// Place in the sequence.
        start: usize,
    },
    /// Token by token. The first token is this one of the sequence. A chunk of more than a few tokens that is
    /// unfinished becomes part of the state before.
    Step {
        /// Place in the sequence.
        start: usize,
    },
    /// No tokens: an unfinished chunk becomes part of the state.
    Settle,
}

impl DeltaKind {
    /// Place of the first token in the sequence; of no meaning where there is none.
    fn start(self) -> usize {
        match self {
            Self::Prefill { start } | Self::Step { start } => start,
            Self::Settle => 0,
        }
    }
}

impl DeltaRun<'_> {
    /// Tokens of the unfinished chunk after a run of `tokens`.
    pub fn pending_after(kind: DeltaKind, pending: usize, tokens: usize) -> usize {
        match kind {
            DeltaKind::Prefill { start } => {
                let end = start + tokens;
                if end / CHUNK == start / CHUNK {
                    pending + tokens
                } else {
                    end % CHUNK
                }
            }
            DeltaKind::Step { start } => (start..start + tokens).fold(pending, step::pending_after),
            DeltaKind::Settle => 0,
        }
    }
}

/// Runs that go to the threads together.
const RUNS: usize = 32;
/// Heads of a step that a thread takes together at most.
const TOGETHER: usize = 4;

/// One run, without borrows: threads work on disjoint heads of it.
#[derive(Clone, Copy)]
pub(super) struct Work {
    row: usize,
    pub(super) tokens: usize,
    kind: DeltaKind,
    pub(super) pending: usize,
    history: Share<f32>,
    state: Share<f32>,
    chunk: Share<f32>,
}

impl Cpu {
    /// Everything between a DeltaNet layer's projections, for tokens of any number of sequences.
    ///
    /// - `projected`: rows `[queries | keys | values | z | b | a]`, the first three before their
    ///   convolution; a row may be followed by anything up to the layer's stride
    /// - `out`: rows `[value_heads · value_dim]`
    ///
    /// # Panics
    /// When sizes do not fit together, more than 64 tokens would be pending, or a head is wider than
    /// [`Delta::MAX_DIM`].
    pub fn gated_delta<'a>(
        &self,
        layer: &GatedDelta<'_>,
        projected: &[f32],
        runs: impl IntoIterator<Item = DeltaRun<'a>>,
        out: &mut [f32],
    ) {
        let rows = layer.check(projected, out);
        let out = Share(out.as_mut_ptr());
        let mut runs = runs.into_iter();
        let nothing = Share(std::ptr::null_mut());
        let empty = Work {
            row: 0,
            tokens: 0,
            kind: DeltaKind::Settle,
            pending: 0,
            history: nothing,
            state: nothing,
            chunk: nothing,
        };
        loop {
            let mut works = [empty; RUNS];
            let mut count = 0;
            let mut tokens = 0;
            for (work, run) in works.iter_mut().zip(&mut runs) {
                *work = layer.work(run, rows);
                tokens += work.tokens;
                count += 1;
            }
            self.delta_works(layer, projected, &works[..count], tokens, out);
            if count < RUNS {
                return;
            }
        }
    }

    fn delta_works(
        &self,
        layer: &GatedDelta<'_>,
        projected: &[f32],
        works: &[Work],
        tokens: usize,
        out: Share<f32>,
    ) {
        let sizes = layer.sizes;
        let heads = sizes.value_heads;
        // Steps read memory, which goes faster from one state to the next; prefill computes.
        let steps = works
            .iter()
            .all(|work| matches!(work.kind, DeltaKind::Step { .. }));
        let together = works.len() * heads / (4 * self.pool.threads());
        let together = if steps { together.clamp(1, TOGETHER) } else { 1 };
        let parts = heads.div_ceil(together);
        let task = |index: usize| {
            let (work, first) = (works[index / parts], index % parts * together);
            let end = heads.min(first + together);
            for head in first..end {
                let task = HeadTask {
                    layer,
                    projected,
                    work,
                    head,
                    next_head: head + 1 < end,
                    out,
                };
                match work.kind {
                    DeltaKind::Prefill { start } if sizes.on_tiles(self) => {
                        self.isa.run_tiles(TiledHead { task, start });
                    }
                    _ => self.isa.run(task),
                }
            }
        };
        let operations = 4 * tokens * heads * sizes.head_len();
        let keep = |index: usize| layer.keep_history(projected, &works[index]);
        if operations < self.share_from {
            (0..works.len() * parts).for_each(task);
            (0..works.len()).for_each(keep);
        } else {
            self.pool.run(works.len() * parts, task);
            self.pool.run(works.len(), keep);
        }
    }
}

impl GatedDelta<'_> {
    /// Rows of projection and output.
    fn check(&self, projected: &[f32], out: &[f32]) -> usize {
        let Delta {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        } = self.sizes;
        assert!(
            key_heads > 0 && value_heads.is_multiple_of(key_heads) && value_dim > 0,
            "heads"
        );
        assert!(
            key_dim <= MAX_DIM && self.sizes.padded() <= MAX_DIM,
            "heads of up to {MAX_DIM}"
        );
        assert!(self.taps > 0 && self.conv.len() == self.taps * self.sizes.channels());
        assert!(self.decay.len() == value_heads && self.dt_bias.len() == value_heads);
        assert_eq!(self.norm.len(), value_dim);
        let rows = out.len() / (value_heads * value_dim);
        let used = self.sizes.channels() + value_heads * (value_dim + 2);
        assert!(self.stride >= used && (rows == 0 || projected.len() >= (rows - 1) * self.stride + used));
        rows
    }

    fn work(&self, run: DeltaRun<'_>, rows: usize) -> Work {
        let DeltaRun {
            row,
            tokens,
            kind,
            pending,
            history,
            state,
            chunk,
        } = run;
        assert!(row + tokens <= rows, "a run's rows");
        let left = DeltaRun::pending_after(kind, pending, tokens);
        assert!(pending < CHUNK && left < CHUNK, "a chunk has {CHUNK} tokens");
        match kind {
            DeltaKind::Prefill { start } | DeltaKind::Step { start } => {
                assert!(pending <= start % CHUNK, "a chunk has {CHUNK} tokens");
            }
            DeltaKind::Settle => assert_eq!(tokens, 0, "tokens of a run without any"),
        }
        assert_eq!(history.len(), (self.taps - 1) * self.sizes.channels());
        assert_eq!(state.len(), self.sizes.state_len());
        let writes = matches!(kind, DeltaKind::Step { .. }) && tokens > 0;
        assert!(chunk.len() == self.sizes.chunk_len() || !(writes || pending > 0 || left > 0));
        Work {
            row,
            tokens,
            kind,
            pending,
            history: Share(history.as_mut_ptr()),
            state: Share(state.as_mut_ptr()),
            chunk: Share(chunk.as_mut_ptr()),
        }
    }

    /// The run's last inputs take the places of the oldest in the history.
    fn keep_history(&self, projected: &[f32], work: &Work) {
        let (channels, kept) = (self.sizes.channels(), self.taps - 1);
        let (DeltaKind::Prefill { start } | DeltaKind::Step { start }) = work.kind else {
            return;
        };
        // SAFETY: `work` made this of a slice of that length, still borrowed, and all tasks are over.
        let history = unsafe { std::slice::from_raw_parts_mut(work.history.get(), kept * channels) };
        for token in work.tokens.saturating_sub(kept)..work.tokens {
            let from = (work.row + token) * self.stride;
            let to = (start + token) % kept * channels;
            history[to..to + channels].copy_from_slice(&projected[from..from + channels]);
        }
    }
}

/// One head of one run.
pub(super) struct HeadTask<'a> {
    layer: &'a GatedDelta<'a>,
    projected: &'a [f32],
    pub(super) work: Work,
    head: usize,
    /// Whether the same thread takes the next head.
    next_head: bool,
    /// All rows.
    out: Share<f32>,
}

impl<'a> HeadTask<'a> {
    /// The head's memory, its inputs and outputs.
    ///
    /// # Safety
    /// [`GatedDelta::work`] has checked the work, and no other task has this head of this run.
    #[inline(always)]
    pub(super) unsafe fn head(&self) -> Prefill<'a> {
        let Self {
            layer,
            projected,
            work,
            head,
            out,
            ..
        } = *self;
        let sizes = layer.sizes;
        let value = sizes.value_heads * sizes.value_dim;
        // SAFETY: the caller's.
        unsafe {
            let inputs = Inputs {
                channels: sizes.channels(),
                taps: layer.taps,
                history: work.history.get(),
                start: work.kind.start(),
                rows: projected.as_ptr().add(work.row * layer.stride),
                stride: layer.stride,
            };
            let io = HeadIo {
                layer,
                head,
                inputs,
                out: out.get().add(work.row * value + head * sizes.value_dim),
            };
            let state = work.state.get().add(head * sizes.head_len());
            let chunk = Kept {
                start: work.chunk.get().wrapping_add(head * sizes.head_chunk_len()),
                key_dim: sizes.key_dim,
                padded: sizes.padded(),
            };
            Prefill { io, state, chunk }
        }
    }
}

impl Kernel for HeadTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let work = self.work;
        // SAFETY: `GatedDelta::work` checked that the run's rows and memory have these sizes; no other
        // task has this head of this run.
        unsafe {
            let prefill = self.head();
            match work.kind {
                DeltaKind::Prefill { start } => prefill.run(s, start, work.pending, work.tokens),
                DeltaKind::Step { start } => {
                    Step(prefill).run(s, start, work.pending, work.tokens, self.next_head);
                }
                DeltaKind::Settle if work.pending > 0 => prefill.fold(s, work.pending),
                DeltaKind::Settle => {}
            }
        }
    }
}

/// Where a head's inputs come from and where its output goes.
#[derive(Clone, Copy)]
pub(crate) struct HeadIo<'a> {
    pub(crate) layer: &'a GatedDelta<'a>,
    pub(crate) head: usize,
    inputs: Inputs,
    /// This head's output of the run's first token.
    out: *mut f32,
}

impl HeadIo<'_> {
    /// Query, key (`[key_dim]`) and value (`[padded]`) of a token.
    ///
    /// # Safety
    /// The token is one of the run, and the buffers have that many elements.
    #[inline(always)]
    pub(crate) unsafe fn read<S: Simd>(
        &self,
        s: S,
        token: usize,
        query: *mut f32,
        key: *mut f32,
        value: *mut f32,
    ) {
        let sizes = self.layer.sizes;
        let (key_dim, value_dim) = (sizes.key_dim, sizes.value_dim);
        let key_head = self.head / (sizes.value_heads / sizes.key_heads);
        let keys = sizes.key_heads * key_dim;
        let weight = self.layer.conv.as_ptr();
        // SAFETY: the caller's.
        unsafe {
            let at = key_head * key_dim;
            super::conv::convolve(s, &self.inputs, weight, token, at, key_dim, query);
            super::conv::convolve(s, &self.inputs, weight, token, keys + at, key_dim, key);
            let at = 2 * keys + self.head * value_dim;
            super::conv::convolve(s, &self.inputs, weight, token, at, value_dim, value);
            value.add(value_dim).write_bytes(0, sizes.padded() - value_dim);
            unit(s, query, key_dim, (key_dim as f32).sqrt().recip());
            unit(s, key, key_dim, 1.0);
        }
    }

    /// Asks for a token's queries, keys, values and z: a row's parts are too short and rows too far apart for the
    /// processor to see what comes next.
    #[inline(always)]
    pub(crate) fn ask<S: Simd>(&self, s: S, token: usize) {
        let sizes = self.layer.sizes;
        let keys = sizes.key_heads * sizes.key_dim;
        let own = self.head / (sizes.value_heads / sizes.key_heads) * sizes.key_dim;
        let values = 2 * keys + self.head * sizes.value_dim;
        let row = self.inputs.rows.wrapping_add(token * self.inputs.stride);
        let parts = [
            (own, sizes.key_dim),
            (keys + own, sizes.key_dim),
            (values, sizes.value_dim),
            (sizes.channels() + self.head * sizes.value_dim, sizes.value_dim),
        ];
        for (start, width) in parts {
            for line in (0..width).step_by(LINE) {
                s.prefetch(row.wrapping_add(start + line));
            }
        }
    }

    /// g and β of a token.
    ///
    /// # Safety
    /// The token is one of the run.
    #[inline(always)]
    pub(crate) unsafe fn gates(&self, token: usize) -> (f32, f32) {
        let sizes = self.layer.sizes;
        let at = sizes.channels() + sizes.value_heads * sizes.value_dim + self.head;
        // SAFETY: the caller's; rows have b and a of each head behind z.
        let (b, a) = unsafe {
            let row = self.inputs.rows.add(token * self.inputs.stride + at);
            (*row, *row.add(sizes.value_heads))
        };
        let beta = 1.0 / (1.0 + (-b).exp());
        let g = self.layer.decay[self.head] * softplus(a + self.layer.dt_bias[self.head]);
        (g, beta)
    }

    /// Writes a token's output: `o / √(mean(o²) + eps) · weight · silu(z)`.
    ///
    /// # Safety
    /// The token is one of the run; `o` has `value_dim` elements.
    #[inline(always)]
    pub(crate) unsafe fn write<S: Simd>(&self, s: S, token: usize, o: *const f32) {
        let sizes = self.layer.sizes;
        let (dim, value) = (sizes.value_dim, sizes.value_heads * sizes.value_dim);
        // SAFETY: the caller's; z of this head stands behind the convolution's inputs.
        unsafe {
            let z = self
                .inputs
                .rows
                .add(token * self.inputs.stride + sizes.channels() + self.head * dim);
            let to = self.out.add(token * value);
            let o = std::slice::from_raw_parts(o, dim);
            let scale = 1.0 / (squares(s, o, 0.0) / dim as f32 + self.layer.eps).sqrt();
            let scale = s.splat(scale);
            let mut i = 0;
            while i < dim {
                let n = S::LANES.min(dim - i);
                let x = s.mul(s.load_part(o.as_ptr().add(i), n), scale);
                let x = s.mul(x, s.load_part(self.layer.norm.as_ptr().add(i), n));
                let gate = crate::math::silu(s, s.load_part(z.add(i), n));
                s.store_part(to.add(i), s.mul(x, gate), n);
                i += S::LANES;
            }
        }
    }
}

/// `x ← factor · x / √(Σ x² + eps)`
///
/// # Safety
/// `x` has `len` elements.
#[inline(always)]
unsafe fn unit<S: Simd>(s: S, x: *mut f32, len: usize, factor: f32) {
    // SAFETY: the caller's.
    unsafe {
        let sum = squares(s, std::slice::from_raw_parts(x, len), 0.0);
        let scale = s.splat(factor / (sum + L2_EPS).sqrt());
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            s.store_part(x.add(i), s.mul(s.load_part(x.add(i), n), scale), n);
            i += S::LANES;
        }
    }
}
