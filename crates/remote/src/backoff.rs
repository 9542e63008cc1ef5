//! How often a server is asked again, and after which pause.

use std::time::Duration;

/// How patient a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts altogether, at least 1.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause, also where the server asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for Patience {
    /// Seven attempts within about a minute: a server that restarts with its weights in the page cache is back by then.
    fn default() -> Self {
        Self {
            attempts: 7,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// The pause after so many failed attempts; `None` if there is no further one. `wished` is what the server asked for.
    pub(crate) fn pause(&self, failed: u32, wished: Option<Duration>) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = self
            .first_pause
            .saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
        Some(doubled.max(wished.unwrap_or_default()).min(self.longest_pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_heed_the_server() {
        let patience = Patience::default();
        let pauses: Vec<u64> = (1..9)
            .map_while(|failed| patience.pause(failed, None))
            .map(|pause| pause.as_millis() as u64)
            .collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000]);
        let seconds = |wished| {
            patience
                .pause(1, Some(Duration::from_secs(wished)))
                .unwrap()
                .as_secs()
        };
        assert_eq!((seconds(3), seconds(900)), (3, 30));
        let endless = Patience {
            attempts: u32::MAX,
            ..patience
        };
        assert_eq!(endless.pause(4000, None), Some(patience.longest_pause));
    }
}
