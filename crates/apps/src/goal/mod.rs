//! Goals: families of them, each with a world, what is to be different in the end, and the way there.

mod journey;

use crate::check::Wanted;
use crate::expert::Deed;
use crate::world::World;
use crate::{App, AppsError, Language, Look, Suite};

/// A kind of goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Book the cheapest direct flight.
    Flight,
}

impl Family {
    /// All of them, suite by suite.
    pub const ALL: [Self; 1] = [Self::Flight];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flight => "flight",
        }
    }

    /// The family of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The suite that it belongs to.
    pub fn suite(self) -> Suite {
        match self {
            Self::Flight => Suite::Journey,
        }
    }
}

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
