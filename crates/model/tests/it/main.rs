//! Tests of the network against goldens of the official implementation.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod batch;
#[cfg(test)]
#[cfg(unix)]
mod experts;
#[cfg(test)]
mod fast;
#[cfg(test)]
mod goldens;
#[cfg(test)]
mod long;
#[cfg(test)]
mod mixers;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod verify;
