//! What a scheduler may take.

use crate::{DiskLimits, Engine, EngineError};
use aurore_model::{ModelError, Sequence, Snapshot};

/// Limits of a scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may wait.
    pub queue: usize,
    /// Answers that are under way together.
    pub batch: usize,
    /// Bytes of all sequences and of the prefix cache, which takes what sequences leave.
    pub memory: u64,
    /// Tokens of prompts in a pass while answers are being written.
    pub piece: usize,
    /// Drafts that a step of an answer may check at most; 0 for none. Answers are the same, only sooner.
    pub drafts: usize,
    /// Prompts that wait to be read in idle time; the oldest is forgotten first.
    pub warm: usize,
    /// Whether what was read is kept.
    pub cache: bool,
    /// Where what was read is kept beyond memory and process, if anywhere.
    pub disk: Option<DiskLimits>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 64,
            batch: 16,
            memory: 2 << 30,
            piece: 128,
            drafts: Sequence::MOST_DRAFTS,
            warm: 16,
            cache: true,
            disk: None,
        }
    }
}

impl Limits {
    /// The longest sequence that memory holds when there is no other.
    pub(crate) fn most_tokens(&self, engine: &Engine) -> usize {
        let plan = engine.model().memory_plan();
        let pages = self.memory.saturating_sub(plan.state());
        let page = plan.kv_per_token.saturating_mul(Snapshot::EVERY as u64).max(1);
        usize::try_from(pages / page * Snapshot::EVERY as u64).unwrap_or(usize::MAX)
    }

    /// Bytes to set aside for a sequence of so many tokens.
    pub(crate) fn reserve(&self, engine: &Engine, tokens: usize) -> Result<u64, EngineError> {
        let needed = engine.model().memory_plan().sequence(tokens as u64);
        if needed > self.memory {
            return Err(EngineError::Model(ModelError::Memory {
                tokens,
                needed,
                limit: self.memory,
            }));
        }
        Ok(needed)
    }
}
