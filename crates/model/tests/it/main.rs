//! Tests of the network against goldens of the official implementation.

mod fast;
mod goldens;
mod reference;
