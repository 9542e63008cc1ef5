//! The browser screen against real Chromium, on pages that record what reaches them.

#[cfg(test)]
mod actions;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod hands;
#[cfg(test)]
mod life;
#[cfg(test)]
mod outline;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod targets;
