//! The apps from outside: over HTTP, and by what their checkers say.

#[cfg(test)]
mod checkers;
#[cfg(test)]
mod client;
#[cfg(test)]
mod pages;
