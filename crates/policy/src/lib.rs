//! Rules, consequence tiers and verdicts for an agent's actions.
//!
//! [`judge()`] is pure and total: the same [`Request`] under the same [`Rules`] always gets the same
//! [`Verdict`], which names its rule, its reason and its tier. Nothing here reads a file, a clock or a
//! screen. Whoever carries an action out takes an [`Approved`] action, and only this crate builds one:
//!
//! ```
//! use aurore_action::{Action, Point, Button};
//! use aurore_policy::{judge, Context, Outcome, Principal, Request, Rules};
//!
//! let action = Action::Click { button: Button::Left, count: 1, at: Point::new(3, 4), modifiers: vec![] };
//! let context = Context { origin: "https://a.example".into(), known_origins: vec!["https://a.example".into()], ..Context::default() };
//! let principal = Principal::model("nano");
//! let request = Request { principal: &principal, action: &action, target: None, also: &[], context: &context };
//! match judge(&request, &Rules::builtin()).into_outcome() {
//!     Outcome::Allowed(approved) => assert_eq!(approved.action(), &action),
//!     Outcome::Ask(ask) => drop(ask.answered_yes("the person at the terminal")),
//!     Outcome::Denied(denial) => assert!(!denial.to_string().is_empty()),
//! }
//! ```

#![forbid(unsafe_code)]

mod allowance;
mod approved;
mod classify;
mod effect;
mod explain;
mod facts;
mod fold;
mod hands;
mod judge;
mod origin;
mod path;
mod request;
mod rules;
mod scope;
mod shell;
mod tier;
mod upfront;
mod verdict;

pub use allowance::Allowance;
pub use approved::{Approved, Authority, Binding, BoundTarget, Crop};
pub use effect::Effect;
pub use explain::explain;
pub use facts::{Facts, Place};
pub use hands::{judge_hands, permit_hands};
pub use judge::{facts, judge, judge_facts, judge_tool, tool_facts};
pub use origin::of_url as origin_of;
pub use request::{Argument, Budget, Context, Principal, Request, Tainted, ToolRequest};
pub use rules::{Rule, Rules, RulesError};
pub use scope::{ScopeRule, scopes_for, scopes_for_tool};
pub use tier::Tier;
pub use upfront::{Beforehand, called_for};
pub use verdict::{Ask, Decision, Denial, Layer, Opinion, Outcome, RuleRef, Verdict, VerdictRecord};
