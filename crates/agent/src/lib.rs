//! From a goal to deeds: the loop, approvals, budgets, the journal, replay and the report.
//!
//! A [`Run`] takes a [`Brain`] that decides, a [`Screen`](aurore_screen::Screen) that looks and acts, the
//! [`Rules`](aurore_policy::Rules) that judge, an [`Approver`] that answers questions and a [`Journal`] that
//! holds every decision, synced to disk, before it is carried out.

#![forbid(unsafe_code)]

mod approver;
mod brain;
mod clock;
mod crop;
mod error;
mod journal;
mod opinion;
mod plan;
mod replay;
mod report;
mod run;
mod talk;
mod watch;
mod words;

pub use approver::{
    Answer, Approver, CountingApprover, DenyAll, HIDDEN, ProgramApprover, Question, Scope, TerminalApprover,
    UpFront, UpFrontItem, reveal,
};
pub use aurore_chat::step::{Item as PlanItem, State as PlanState};
pub use brain::{
    Brain, BrainError, Decision, Listener, Memory, NetworkBrain, NetworkOptions, Observation, Past,
    RemoteBrain, RemoteOptions, ScriptedBrain,
};
pub use error::{AgentError, JournalError};
pub use journal::{
    Approval, DecisionRecord, EndRecord, Event, HandRecord, HandResultRecord, Journal, JournalOptions,
    OrderRecord, Record, ResultRecord, RunId, RunSummary, StartRecord, UpFrontRecord, Verification,
    WindowRecord,
};
pub use opinion::{NetworkOpinion, ProgramOpinion};
pub use plan::{Note, Plan, SubGoal};
pub use replay::RecordedBrain;
pub use report::{ReportOptions, html};
pub use run::{
    Budgets, CONCEALED, Check, End, EndKind, Files, GoalState, Judged, Keeper, Parts, Run, RunOptions,
    SecondOpinion, StepOutcome, StepReport,
};
pub use watch::{
    AnswerRefused, Asked, AskedUpFront, ByHand, Decided, Entry, HandRefused, Happening, Hub, Lesson, Look,
    Mode, Order, OrderRefused, WatchApprover,
};
pub use words::describe_action;
