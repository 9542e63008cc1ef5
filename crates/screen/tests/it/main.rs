//! The browser screen against real Chromium, on pages that record what reaches them.

mod actions;
mod frames;
mod guard;
mod life;
mod pages;
mod support;
mod targets;
