//! The program from outside: what it prints, what it returns, what it leaves behind.

mod checkpoints;
mod demo;
mod errors;
mod help;
mod program;
mod rules;
