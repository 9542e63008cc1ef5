//! The loop: frame, decision, verdict, approval, journal, input, settle, frame.

mod ask;
mod budget;
mod carry;
mod conclude;
mod earlier;
mod end;
mod facing;
mod guard;
mod hands;
mod hold;
mod looping;
mod options;
mod planning;
mod private;
mod recovery;
mod report;
mod state;
mod step;
mod taint;
mod timing;
mod unknown;
mod upfront;
mod write;

pub use budget::Budgets;
pub use end::{End, EndKind};
pub use guard::{Judged, Keeper, SecondOpinion};
use looping::{Advice, Course};
pub use options::{Check, Files, GoalState, RunOptions};
pub use private::CONCEALED;
pub use report::{StepOutcome, StepReport};
pub use state::Run;
use taint::Untrusted;
pub use timing::Parts;
use timing::Watch;
use unknown::Unknown;

#[cfg(test)]
mod tests;
