//! What computes: an instruction set and a thread pool.

use std::sync::Mutex;

use crate::later::Later;
use crate::quant::Activations;
use crate::{Isa, Pool};

/// Every kernel of this crate is a method of it.
pub struct Cpu {
    /// The instruction set.
    pub isa: Isa,
    /// The threads.
    pub pool: Pool,
    /// What is multiplied by bf16 (weights, keys, values) is not rounded to bf16 itself, even where the processor
    /// could then multiply two columns at once.
    pub exact_inputs: bool,
    /// Operations from which on threads share the work.
    pub(crate) share_from: usize,
    /// Buffers of products that are over: they grow once and are used again.
    activations: Mutex<Vec<Activations>>,
    /// What is read after the next products.
    pub(crate) later: Later,
}

impl Cpu {
    /// `isa` (when `None`, the one that `AURORE_ISA` names, else the best one) with `threads` threads (0: one per available processor).
    pub fn new(isa: Option<Isa>, threads: usize) -> Self {
        Self {
            isa: isa.unwrap_or_else(|| Isa::chosen().unwrap_or_else(|_| Isa::best())),
            pool: Pool::new(threads),
            exact_inputs: false,
            share_from: SHARE_FROM,
            activations: Mutex::default(),
            later: Later::default(),
        }
    }

    /// Whether what is multiplied by bf16 is rounded to bf16 too.
    pub fn in_pairs(&self) -> bool {
        self.isa.has_pairs() && !self.exact_inputs
    }

    /// A buffer for rounded inputs.
    pub(crate) fn take_activations(&self) -> Activations {
        self.activations
            .lock()
            .ok()
            .and_then(|mut free| free.pop())
            .unwrap_or_default()
    }

    /// Gives it back for the next product.
    pub(crate) fn give_activations(&self, buffer: Activations) {
        if let Ok(mut free) = self.activations.lock() {
            free.push(buffer);
        }
    }

    /// `pool.pieces`, but on the calling thread alone when there is too little to share.
    pub(crate) fn pieces<T: Send>(
        &self,
        data: &mut [T],
        size: usize,
        operations: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        if operations < self.share_from {
            data.chunks_mut(size.max(1))
                .enumerate()
                .for_each(|(index, piece)| task(index, piece));
        } else {
            self.pool.pieces(data, size, task);
        }
    }
}

/// Multiply-adds, or about as costly operations: some 30 µs of one thread. Waking another costs a few
/// microseconds, and beside a busy browser it may be put aside with a piece in hand for milliseconds.
const SHARE_FROM: usize = 1 << 20;
