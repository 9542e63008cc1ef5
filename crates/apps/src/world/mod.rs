//! The content of a world: what lies in the databases when a goal begins.

pub(crate) mod dice;
mod journey;
mod names;
mod supply;

use jiff::civil::{Date, date};
use rand_chacha::ChaCha8Rng;

use crate::Look;

pub(crate) use journey::{Entry, Flight, Hotel, Journey, NEAR};
pub(crate) use supply::{Article, Offer, Order, Service, Supply};

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
    Supply(Supply),
}

impl World {
    pub(crate) fn journey(&self) -> Option<&Journey> {
        match &self.content {
            Content::Journey(journey) => Some(journey),
            Content::Supply(_) => None,
        }
    }

    pub(crate) fn supply(&self) -> Option<&Supply> {
        match &self.content {
            Content::Supply(supply) => Some(supply),
            Content::Journey(_) => None,
        }
    }
}

/// A day that worlds may begin on: never the clock's.
pub(crate) fn some_day(rng: &mut ChaCha8Rng) -> Date {
    later(date(2027, 1, 4), i64::from(dice::between(rng, 0, 330)))
}

/// A day some days later (or earlier).
pub(crate) fn later(day: Date, days: i64) -> Date {
    day.checked_add(jiff::Span::new().days(days)).unwrap_or(day)
}
