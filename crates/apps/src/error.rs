//! What can keep the apps from being served.

use thiserror::Error;

/// An error of the apps, and never of who visits them: visitors get a page that says what is wrong.
#[derive(Debug, Error)]
pub enum AppsError {
    /// No port of the loopback address could be opened.
    #[error("cannot serve {app} on the loopback address: {source}\nhint: is the loopback interface up?")]
    Listen {
        /// Which app.
        app: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The database of an app does not do what it is told.
    #[error("the database of {app} failed: {source}")]
    Database {
        /// Which app.
        app: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// A file of `apps/` is not as it should be.
    #[error("apps/{file}: {message}")]
    Asset {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A goal is asked about that the site was not set up for.
    #[error("the site shows no world: begin a goal first")]
    NoWorld,
}
