//! The loop: frame, decision, verdict, approval, journal, input, settle, frame.

mod ask;
mod budget;
mod end;
mod hands;
mod hold;
mod looping;
mod options;
mod report;
mod state;
mod step;
mod taint;
mod write;

pub use budget::Budgets;
pub use end::{End, EndKind};
use looping::{Advice, Course};
pub use options::{Check, GoalState, RunOptions};
pub use report::{StepOutcome, StepReport};
pub use state::Run;
use taint::Untrusted;

#[cfg(test)]
mod tests;
