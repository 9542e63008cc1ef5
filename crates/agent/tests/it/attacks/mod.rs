//! Attacks, one file a family. `docs/rules.md` has the table. The brain is a script that does what the attacker
//! wants: what a model makes of a page is not what keeps it from harm.

mod amounts;
mod answers;
mod controls;
mod disguise;
mod focus;
mod orders;
mod stage;
mod swap;
