//! Whole workflows over the bundled apps: who works on them, how they come out, and how they are recorded.

mod choice;
mod episode;
mod expert;
mod work;

pub use choice::{SuiteChoice, families};
pub use episode::{Episode, page};
pub use expert::ExpertBrain;
pub use work::{Verdict, Workshop};
