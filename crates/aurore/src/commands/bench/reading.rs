//! What a run read of experts that are not in memory.

use std::fmt;

use aurore_model::{ExpertStats, Model};
use serde_json::{Value, json};

use super::figures::round;

/// Figures of some passes.
pub(super) struct Reading {
    /// For experts, places that are read to included.
    memory_bytes: u64,
    /// Share of all experts that memory is kept for.
    kept: f64,
    /// Share of uses that found the expert in memory.
    hits: f64,
    /// Share that found it under way, read ahead.
    ahead: f64,
    bytes_per_token: f64,
    /// Seconds a token in which nothing was computed.
    waited_per_token: f64,
}

impl Reading {
    /// Since `before`, over so many tokens; `None` when all experts are in memory.
    pub(super) fn since(before: Option<ExpertStats>, model: &Model, tokens: usize) -> Option<Self> {
        let (before, now) = (before?, model.expert_stats()?);
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let uses = now.uses - before.uses;
        let tokens = tokens.max(1) as f64;
        Some(Self {
            memory_bytes: now.memory_bytes,
            kept: share(now.kept as u64, now.experts as u64),
            hits: share(now.hits - before.hits, uses),
            ahead: share(now.ahead - before.ahead, uses),
            bytes_per_token: (now.bytes_read - before.bytes_read) as f64 / tokens,
            waited_per_token: now.waited.saturating_sub(before.waited).as_secs_f64() / tokens,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "memory_bytes": self.memory_bytes,
            "kept": round(self.kept),
            "hits": round(self.hits),
            "read_ahead": round(self.ahead),
            "bytes_read_per_token": round(self.bytes_per_token),
            "seconds_waited_per_token": round(self.waited_per_token),
        })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "experts: {:.0}% kept, {:.0}% of uses found there, {:.0}% under way; a token {:.2} MB read, {:.2} ms waited",
            100.0 * self.kept,
            100.0 * self.hits,
            100.0 * self.ahead,
            self.bytes_per_token / 1e6,
            1e3 * self.waited_per_token,
        )
    }
}

/// FNV-1a over the bits.
pub(super) fn fingerprint(logits: &[f32]) -> u64 {
    let bytes = logits.iter().flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
