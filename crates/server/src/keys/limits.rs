//! How much a key may be used: requests and tokens a minute.
//!
//! Each is a bucket that holds a minute's worth and fills evenly. A request takes one from its bucket. Tokens are known
//! only when they are read or written, so a request is let in while there is at least one, and what it takes may leave
//! the bucket in debt, which later requests wait out.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limits of one key, and how much is left.
#[derive(Debug)]
pub(crate) struct Limiter {
    requests: Option<Mutex<Bucket>>,
    tokens: Option<Mutex<Bucket>>,
}

/// Why a request must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// `requests` or `tokens`.
    pub(crate) what: &'static str,
    /// How many of them a minute may have.
    pub(crate) limit: u32,
    /// For how long.
    pub(crate) wait: Duration,
}

#[derive(Debug)]
struct Bucket {
    limit: u32,
    /// What is left; negative is a debt.
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(limit: NonZeroU32, now: Instant) -> Self {
        Self {
            limit: limit.get(),
            level: f64::from(limit.get()),
            at: now,
        }
    }

    fn rate(&self) -> f64 {
        f64::from(self.limit) / 60.0
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.rate()).min(f64::from(self.limit));
    }

    /// How long until there is one.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        // What was filled in many steps may lack the last bit.
        let lacks = 1.0 - 1e-6 - self.level;
        (lacks > 0.0).then(|| Duration::from_secs_f64(lacks / self.rate()))
    }
}

impl Limiter {
    /// Nothing, when there is no limit.
    pub(crate) fn new(
        requests: Option<NonZeroU32>,
        tokens: Option<NonZeroU32>,
        now: Instant,
    ) -> Option<Self> {
        let bucket = |limit: NonZeroU32| Mutex::new(Bucket::new(limit, now));
        (requests.is_some() || tokens.is_some()).then(|| Self {
            requests: requests.map(bucket),
            tokens: tokens.map(bucket),
        })
    }

    /// Takes a request, if it may come.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Refused> {
        let wait = |what, bucket: &Option<Mutex<Bucket>>| {
            let mut bucket = bucket.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
            let limit = bucket.limit;
            bucket.wait(now).map(|wait| Refused { what, limit, wait })
        };
        let refused = wait("tokens", &self.tokens).or_else(|| wait("requests", &self.requests));
        if let Some(refused) = refused {
            return Err(refused);
        }
        spend(self.requests.as_ref(), 1, now);
        Ok(())
    }

    /// Takes tokens that were read or written.
    pub(crate) fn spend(&self, tokens: usize, now: Instant) {
        spend(self.tokens.as_ref(), tokens, now);
    }
}

fn spend(bucket: Option<&Mutex<Bucket>>, count: usize, now: Instant) {
    if let Some(bucket) = bucket {
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(now);
        bucket.level -= count as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u32, tokens: u32, now: Instant) -> Limiter {
        Limiter::new(NonZeroU32::new(requests), NonZeroU32::new(tokens), now).unwrap()
    }

    #[test]
    fn a_minute_has_so_many_requests() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let limiter = limiter(3, 0, start);
        for _ in 0..3 {
            assert_eq!(limiter.admit(start), Ok(()));
        }
        let refused = limiter.admit(start).unwrap_err();
        assert_eq!(
            (refused.what, refused.limit, refused.wait.as_secs()),
            ("requests", 3, 19)
        );
        assert!(limiter.admit(later(19)).is_err());
        assert_eq!(limiter.admit(later(20)), Ok(()));
        assert!(limiter.admit(later(20)).is_err());
        // However long it rests, a minute's worth is all it has.
        for _ in 0..3 {
            assert_eq!(limiter.admit(later(10_000)), Ok(()));
        }
        assert!(limiter.admit(later(10_000)).is_err());
    }

    #[test]
    fn tokens_are_paid_back() {
        let start = Instant::now();
        let limiter = limiter(0, 60, start);
        assert_eq!(limiter.admit(start), Ok(()));
        limiter.spend(90, start);
        let refused = limiter.admit(start).unwrap_err();
        assert_eq!((refused.what, refused.wait.as_secs()), ("tokens", 30));
        assert!(limiter.admit(start + Duration::from_secs(30)).is_err());
        assert_eq!(limiter.admit(start + Duration::from_secs(31)), Ok(()));
        assert!(Limiter::new(None, None, start).is_none());
    }
}
