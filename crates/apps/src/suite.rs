//! Which apps belong together.

use serde::{Deserialize, Serialize};

/// Apps that are worked in together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Flights, hotels, a calendar.
    Journey,
    /// Stock, suppliers, shipping.
    SupplyChain,
}

/// One app, on an origin of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum App {
    /// Search, book and cancel flights.
    Flights,
    /// Search, book and cancel hotel rooms.
    Hotels,
    /// A calendar with entries.
    Calendar,
    /// What lies in the warehouse.
    Stock,
    /// Offers of suppliers, and orders.
    Suppliers,
    /// Quotes of carriers, and shipments.
    Shipping,
}

impl Suite {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Journey, Self::SupplyChain];

    /// `journey` or `supply-chain`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Journey => "journey",
            Self::SupplyChain => "supply-chain",
        }
    }

    /// Its apps, in the order of their links.
    pub fn apps(self) -> [App; 3] {
        match self {
            Self::Journey => [App::Flights, App::Hotels, App::Calendar],
            Self::SupplyChain => [App::Stock, App::Suppliers, App::Shipping],
        }
    }
}

impl App {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Flights,
        Self::Hotels,
        Self::Calendar,
        Self::Stock,
        Self::Suppliers,
        Self::Shipping,
    ];

    /// Its name in addresses, files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flights => "flights",
            Self::Hotels => "hotels",
            Self::Calendar => "calendar",
            Self::Stock => "stock",
            Self::Suppliers => "suppliers",
            Self::Shipping => "shipping",
        }
    }
}
