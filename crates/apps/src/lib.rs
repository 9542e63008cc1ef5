//! Small web apps to work in: flights, hotels and a calendar; stock, suppliers and shipping.
//!
//! A [`Site`] serves the apps of a [`Suite`], each on an origin of its own on the loopback address, with its
//! state in an SQLite database. A [`Goal`] is made from a family and a seed, and brings its own world: the same
//! seed gives the same pages, the same words and the same answer. [`Site::differences`] reads the databases and
//! names whatever is not exactly as the goal wants it. An [`Expert`] knows the pages' markup and reaches every
//! goal by clicking, typing, scrolling and pressing keys.

#![forbid(unsafe_code)]

mod check;
mod error;
mod expert;
mod goal;
mod language;
mod look;
mod served;
mod site;
mod suite;
mod text;
mod web;
mod world;

pub use check::Difference;
pub use error::AppsError;
pub use expert::{Expert, Lost, Move, SELECTOR};
pub use goal::{Family, Goal};
pub use language::Language;
pub use look::Look;
pub use site::Site;
pub use suite::{App, Suite};
