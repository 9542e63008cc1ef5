//! Whole workflows over the bundled apps: who works on them, and how they come out.

mod expert;
mod work;

pub use expert::ExpertBrain;
pub use work::{Verdict, Workshop};
