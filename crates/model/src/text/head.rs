//! From the last rows to logits: no more of the head is read than what is asked for needs.

use std::sync::atomic::{AtomicU32, Ordering};

use aurore_kernels::{Cpu, Format, Matrix, Shortlist};

use crate::batch::Among;
use crate::scratch::{Scratch, part};
use crate::{Logits, Segment, TokenId};

/// The shortlist of a smaller head would save less than it takes to look at it: it may be in the cache.
const SHORTLIST_FROM: usize = 64 << 20;
/// Tokens for which the shortlist is not asked again after it was long: what comes next is seldom otherwise.
const PAUSE: u32 = 16;

/// What the greatest logits of a head of that format and size are found with, in bytes: nothing for most.
pub(crate) fn shortlist_bytes(format: Format, rows: usize, columns: usize) -> Option<usize> {
    let bytes = rows.checked_mul(columns)?.checked_mul(size_of::<u16>())?;
    // A copy in 8 bits is no smaller than what is in 8 bits, and says too little if it is smaller.
    if format != Format::Bf16 || bytes < SHORTLIST_FROM {
        return None;
    }
    Shortlist::planned(rows, columns)
}

/// The output head.
pub(super) struct Head {
    /// `[vocab, hidden]`
    pub(super) matrix: Matrix,
    shortlist: Option<Shortlist>,
    /// Tokens until the shortlist is asked again.
    pause: AtomicU32,
}

/// What becomes of a segment's rows.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// They are given as they are.
    Hidden,
    /// Some of the head's rows.
    Some(&'a [TokenId]),
    /// The greatest so many, of the first so many.
    Greatest([usize; 2]),
    Whole,
}

impl Head {
    /// `shortlist`: whether one in bf16 has one, whatever its size.
    pub(super) fn new(cpu: &Cpu, matrix: Matrix, shortlist: Option<bool>) -> Self {
        let usual = || shortlist_bytes(matrix.format(), matrix.rows(), matrix.columns()).is_some();
        let wanted = shortlist.unwrap_or_else(usual);
        let shortlist = wanted.then(|| Shortlist::new(cpu, &matrix)).flatten();
        Self {
            matrix,
            shortlist,
            pause: AtomicU32::new(0),
        }
    }

    /// Bytes of the weights.
    pub(super) fn bytes(&self) -> usize {
        self.matrix.bytes() + self.shortlist.as_ref().map_or(0, Shortlist::bytes)
    }

    /// Bytes that are read for the likeliest token.
    pub(super) fn bytes_per_token(&self) -> usize {
        self.shortlist
            .as_ref()
            .map_or_else(|| self.matrix.bytes(), Shortlist::bytes)
    }

    /// Of normed rows, in the order of segments: logits, `[wanted, vocab]`, which `out` has the room for, and the rows
    /// themselves, `[hidden rows, hidden]`. Rows are `scratch.normed`.
    pub(super) fn logits(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        segments: &[Segment<'_>],
        rows: usize,
        out: &mut Logits,
    ) {
        let (hidden, vocab) = (self.matrix.columns(), self.matrix.rows());
        out.hidden.clear();
        let greatest = self.asks_the_shortlist(segments);
        let normed = &scratch.normed[..rows * hidden];
        let wholes = segments.iter().map(|segment| match self.way(segment, greatest) {
            Way::Whole => segment.wanted(),
            _ => 0,
        });
        let whole = wholes.sum::<usize>();
        if whole == rows {
            cpu.matmul(&self.matrix, normed, &mut out.values);
            return;
        }
        // Whole rows in one product, then each to its place.
        let wanted = part(&mut scratch.wanted, whole * hidden);
        let (mut row, mut place) = (0, 0);
        for segment in segments {
            let count = segment.kept();
            let normed = &normed[row * hidden..][..count * hidden];
            match self.way(segment, greatest) {
                Way::Hidden => out.hidden.extend_from_slice(normed),
                Way::Whole => {
                    wanted[place * hidden..][..count * hidden].copy_from_slice(normed);
                    place += count;
                }
                Way::Some(_) | Way::Greatest(_) => {}
            }
            row += count;
        }
        let room = match &self.shortlist {
            Some(shortlist) if greatest => shortlist.room(),
            _ => whole * vocab,
        };
        let logits = part(&mut scratch.projected, room);
        if whole > 0 {
            cpu.matmul(&self.matrix, wanted, &mut logits[..whole * vocab]);
        }
        let (mut row, mut from, mut to) = (0, 0, 0);
        for segment in segments {
            let count = segment.wanted();
            let normed = &normed[row * hidden..][..count * hidden];
            let out = &mut out.values[to * vocab..][..count * vocab];
            match self.way(segment, greatest) {
                Way::Hidden => {}
                Way::Some(ids) => {
                    out.fill(f32::NEG_INFINITY);
                    cpu.matmul_some(&self.matrix, ids, normed, out);
                }
                Way::Greatest(which) => self.greatest(cpu, which, normed, logits, &mut scratch.ids, out),
                Way::Whole => {
                    out.copy_from_slice(&logits[from * vocab..][..count * vocab]);
                    from += count;
                }
            }
            to += count;
            row += segment.kept();
        }
    }

    fn way<'a>(&self, segment: &'a Segment<'_>, greatest: bool) -> Way<'a> {
        if segment.hidden() > 0 {
            return Way::Hidden;
        }
        // Half of the panels, read here and there, cost about as much as all of them.
        let few = self.matrix.rows().div_ceil(16) / 2;
        match segment.among {
            Among::Only(ids) if ids.len() < few => Way::Some(ids),
            Among::Greatest { count, below } if greatest && segment.wanted() > 0 => {
                Way::Greatest([count, below])
            }
            Among::All | Among::Only(_) | Among::Greatest { .. } => Way::Whole,
        }
    }

    /// Whether the greatest logits are looked for with the shortlist: for a single row. It is half as large as the head,
    /// which is read once for any number of rows.
    fn asks_the_shortlist(&self, segments: &[Segment<'_>]) -> bool {
        if self.shortlist.is_none() {
            return false;
        }
        let (mut greatest, mut whole) = (0, 0);
        for segment in segments {
            if let Way::Greatest(_) = self.way(segment, true) {
                greatest += segment.wanted();
            } else if let Way::Whole = self.way(segment, true) {
                whole += segment.wanted();
            }
        }
        if greatest != 1 || whole != 0 {
            return false;
        }
        let less = |pause: u32| pause.checked_sub(1);
        self.pause
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_err()
    }

    fn greatest(
        &self,
        cpu: &Cpu,
        which: [usize; 2],
        normed: &[f32],
        rough: &mut [f32],
        ids: &mut Vec<TokenId>,
        out: &mut [f32],
    ) {
        let Some(shortlist) = &self.shortlist else {
            return cpu.matmul(&self.matrix, normed, out);
        };
        let is_short = cpu.matmul_greatest(&self.matrix, shortlist, which, normed, rough, ids, out);
        if !is_short {
            self.pause.store(PAUSE, Ordering::Relaxed);
        }
    }
}
