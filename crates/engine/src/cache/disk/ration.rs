//! How much is written in an hour, for a disk wears with what is written to it.

use std::time::Instant;

/// Bytes that may be written: an hour's worth at once, refilled evenly.
#[derive(Debug)]
pub(super) struct Ration {
    /// Bytes; no limit if absent.
    hourly: Option<u64>,
    left: f64,
    /// When it was filled last.
    at: Instant,
}

const HOUR: f64 = 3600.0;

impl Ration {
    pub(super) fn new(hourly: Option<u64>, now: Instant) -> Self {
        Self {
            hourly,
            left: hourly.unwrap_or_default() as f64,
            at: now,
        }
    }

    /// Whether something may be written now. What is larger than what is left is owed.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let Some(hourly) = self.hourly else { return true };
        let hourly = hourly as f64;
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since / HOUR * hourly).min(hourly);
        self.at = now.max(self.at);
        self.left > 0.0
    }

    /// So much was written.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.left -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_hour_has_so_many_bytes() {
        let start = Instant::now();
        let after = |minutes: u64| start + Duration::from_mins(minutes);
        let mut ration = Ration::new(Some(6000), start);
        assert!(ration.allows(start));
        ration.spend(7000);
        // A thousand are owed, and a hundred come a minute.
        assert!(!ration.allows(start) && !ration.allows(after(10)));
        assert!(ration.allows(after(11)));
        ration.spend(100);
        assert!(!ration.allows(after(11)));
        // A clock that goes back gives nothing, and a long time no more than an hour's worth.
        assert!(!ration.allows(start) && !ration.allows(after(11)));
        assert!(ration.allows(after(10_000)));
        ration.spend(6000);
        assert!(!ration.allows(after(10_000)));
        let mut none = Ration::new(None, start);
        none.spend(usize::MAX);
        assert!(none.allows(start));
        assert!(!Ration::new(Some(0), start).allows(after(500)));
    }
}
