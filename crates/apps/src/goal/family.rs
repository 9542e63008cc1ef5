//! The families of goals.

use crate::Suite;

/// A kind of goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Book the cheapest direct flight.
    Flight,
    /// Reserve the hotel that fits.
    Hotel,
    /// Put an entry into the calendar.
    Entry,
    /// A flight, a hotel, and both in the calendar.
    Trip,
    /// Cancel a hotel and reserve another.
    OtherHotel,
    /// Fly on the one free day of a week, and put it into the calendar.
    FreeDay,
    /// Correct the count of an article.
    Count,
    /// Order what is short.
    Reorder,
    /// Book the shipment of a parcel.
    Ship,
    /// Receive an order that was delivered.
    Receive,
    /// Cancel an order and place it with a cheaper supplier.
    OtherSupplier,
    /// A day's work: a count, an order and a shipment.
    Day,
}

impl Family {
    /// All of them, suite by suite.
    pub const ALL: [Self; 12] = [
        Self::Flight,
        Self::Hotel,
        Self::Entry,
        Self::Trip,
        Self::OtherHotel,
        Self::FreeDay,
        Self::Count,
        Self::Reorder,
        Self::Ship,
        Self::Receive,
        Self::OtherSupplier,
        Self::Day,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flight => "flight",
            Self::Hotel => "hotel",
            Self::Entry => "entry",
            Self::Trip => "trip",
            Self::OtherHotel => "other-hotel",
            Self::FreeDay => "free-day",
            Self::Count => "count",
            Self::Reorder => "reorder",
            Self::Ship => "ship",
            Self::Receive => "receive",
            Self::OtherSupplier => "other-supplier",
            Self::Day => "day",
        }
    }

    /// The family of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The suite that it belongs to.
    pub fn suite(self) -> Suite {
        match self {
            Self::Flight | Self::Hotel | Self::Entry | Self::Trip | Self::OtherHotel | Self::FreeDay => {
                Suite::Journey
            }
            Self::Count | Self::Reorder | Self::Ship | Self::Receive | Self::OtherSupplier | Self::Day => {
                Suite::SupplyChain
            }
        }
    }
}
