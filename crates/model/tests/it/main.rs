//! Tests of the network against goldens of the official implementation.

#[cfg(test)]
mod batch;
#[cfg(all(test, unix))]
mod experts;
#[cfg(test)]
mod fast;
#[cfg(test)]
mod goldens;
mod long;
mod mixers;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod verify;
