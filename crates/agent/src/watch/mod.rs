//! A run that can be watched and held from elsewhere.
//!
//! The run publishes what happens to a [`Hub`] and looks there before it decides and before it acts: whether somebody
//! wants it paused, wants the screen in their own hands, or has answered its question. Whoever shows the run (a page, a
//! program over HTTP) reads the hub's log and gives it answers and orders; how they got here is not known in this crate.

mod approver;
mod entry;
mod hands;
mod hub;
mod lesson;
mod order;
mod question;

pub use approver::WatchApprover;
pub use entry::{Asked, AskedUpFront, Decided, Entry, Happening, Lesson, Look};
pub(crate) use hands::Hand;
pub use hands::{ByHand, HandRefused};
pub use hub::Hub;
pub use order::{Mode, Order, OrderRefused};
pub use question::AnswerRefused;

#[cfg(test)]
mod tests;
