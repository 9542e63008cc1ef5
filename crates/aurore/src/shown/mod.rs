//! What a person shows through the watch page, as training data (docs/episodes.md).
//!
//! The run is the agent's own, with the screen in the person's hands from the beginning: what they do is judged, journaled
//! and bound to the frame that they saw, as everything is that is done by hand. The steps are read out of the journal.

mod acts;
mod glimpses;
mod person;
mod purposes;
mod steps;
mod words;

pub use glimpses::Glimpses;
pub use person::PersonBrain;
pub use purposes::{ModelPurposes, Purposes};
pub use steps::steps;
