//! Goals: families of them, each with a world, what is to be different in the end, and the way there.

mod draft;
mod family;
mod journey;
mod supply;

use crate::check::Wanted;
use crate::expert::Deed;
use crate::world::World;
use crate::{App, AppsError, Language, Look};

pub use family::Family;

/// One goal with its world.
#[derive(Debug, Clone)]
pub struct Goal {
    /// Its kind.
    pub family: Family,
    /// Which one of its kind.
    pub seed: u64,
    /// The person's words.
    pub text: String,
    /// The app whose first page is open at the start.
    pub start: App,
    /// Consequences that the goal calls for and that are asked about right before (tier 3): bookings, orders,
    /// cancellations.
    pub effects: u32,
    pub(crate) world: World,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) plan: Vec<Deed>,
}

impl Goal {
    /// The goal of a family and a seed, the same each time.
    ///
    /// # Errors
    /// When the words in `apps/` are not complete.
    pub fn new(family: Family, seed: u64) -> Result<Self, AppsError> {
        match family {
            Family::Flight => journey::flight(seed),
            Family::Hotel => journey::hotel(seed),
            Family::Entry => journey::entry(seed),
            Family::Trip => journey::trip(seed),
            Family::OtherHotel => journey::other_hotel(seed),
            Family::FreeDay => journey::free_day(seed),
            Family::Count => supply::count(seed),
            Family::Reorder => supply::reorder(seed),
            Family::Ship => supply::ship(seed),
            Family::Receive => supply::receive(seed),
            Family::OtherSupplier => supply::other_supplier(seed),
            Family::Day => supply::day(seed),
        }
    }

    /// The language of the goal and of every page.
    pub fn language(&self) -> Language {
        self.world.look.language
    }

    /// How its pages look.
    pub fn look(&self) -> Look {
        self.world.look
    }
}

fn no_answer() -> AppsError {
    AppsError::Asset {
        file: "the worlds",
        message: "a world has no answer to its goal".to_owned(),
    }
}
