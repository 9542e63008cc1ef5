//! The apps: what their databases hold, their pages, and which rows count when a goal is checked.

mod booking;
mod calendar;
mod flights;
mod hotels;
mod shipping;
mod stock;
mod suppliers;

use rusqlite::Connection;

use crate::App;
use crate::web::Route;
use crate::world::World;

/// Rows of an app that count when a goal is checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What one is: `booking`, `entry`, …
    pub(crate) kind: &'static str,
    /// Names of the columns. The first names the thing.
    pub(crate) columns: &'static [&'static str],
    /// Gives them, as text.
    pub(crate) sql: &'static str,
}

/// Where an app answers.
pub(crate) fn routes(app: App) -> Vec<Route> {
    match app {
        App::Flights => flights::ROUTES,
        App::Hotels => hotels::ROUTES,
        App::Calendar => calendar::ROUTES,
        App::Stock => stock::ROUTES,
        App::Suppliers => suppliers::ROUTES,
        App::Shipping => shipping::ROUTES,
    }
    .to_vec()
}

/// What counts of an app.
pub(crate) fn facts(app: App) -> &'static [Facts] {
    match app {
        App::Flights => flights::FACTS,
        App::Hotels => hotels::FACTS,
        App::Calendar => calendar::FACTS,
        App::Stock => stock::FACTS,
        App::Suppliers => suppliers::FACTS,
        App::Shipping => shipping::FACTS,
    }
}

/// Puts an app's part of a world into its database.
pub(crate) fn fill(app: App, db: &Connection, world: &World) -> rusqlite::Result<()> {
    db.execute_batch(match app {
        App::Flights => flights::SCHEMA,
        App::Hotels => hotels::SCHEMA,
        App::Calendar => calendar::SCHEMA,
        App::Stock => stock::SCHEMA,
        App::Suppliers => suppliers::SCHEMA,
        App::Shipping => shipping::SCHEMA,
    })?;
    if let Some(journey) = world.journey() {
        match app {
            App::Flights => flights::fill(db, journey)?,
            App::Hotels => hotels::fill(db, journey)?,
            App::Calendar => calendar::fill(db, journey)?,
            _ => {}
        }
    }
    if let Some(supply) = world.supply() {
        match app {
            App::Stock => stock::fill(db, supply)?,
            App::Suppliers => suppliers::fill(db, supply)?,
            App::Shipping => shipping::fill(db, supply)?,
            _ => {}
        }
    }
    Ok(())
}

/// Cents as euros: `12.30 €`.
pub(crate) fn euros(cents: i64) -> String {
    format!("{}.{:02} €", cents / 100, cents % 100)
}
