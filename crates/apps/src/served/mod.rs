//! The apps: what their databases hold, their pages, and which rows count when a goal is checked.

mod flights;

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
        App::Flights => flights::ROUTES.to_vec(),
        _ => Vec::new(),
    }
}

/// What counts of an app.
pub(crate) fn facts(app: App) -> &'static [Facts] {
    match app {
        App::Flights => flights::FACTS,
        _ => &[],
    }
}

/// Puts an app's part of a world into its database.
pub(crate) fn fill(app: App, db: &Connection, world: &World) -> rusqlite::Result<()> {
    match app {
        App::Flights => flights::fill(db, world),
        _ => Ok(()),
    }
}
