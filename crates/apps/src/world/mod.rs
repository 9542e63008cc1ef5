//! The content of a world: what lies in the databases when a goal begins.

pub(crate) mod dice;
mod journey;
mod names;

use jiff::civil::{Date, date};
use rand_chacha::ChaCha8Rng;

use crate::Look;

pub(crate) use journey::{Flight, Journey};

/// A world before anything was done in it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) look: Look,
    pub(crate) today: Date,
    pub(crate) content: Content,
}

/// What a suite's apps hold.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Journey(Journey),
}

/// A day that worlds may begin on: never the clock's.
pub(crate) fn some_day(rng: &mut ChaCha8Rng) -> Date {
    let first = date(2027, 1, 4);
    let later = dice::between(rng, 0, 330);
    first
        .checked_add(jiff::Span::new().days(i64::from(later)))
        .unwrap_or(first)
}

/// A day some days later (or earlier).
pub(crate) fn later(day: Date, days: i64) -> Date {
    day.checked_add(jiff::Span::new().days(days)).unwrap_or(day)
}
