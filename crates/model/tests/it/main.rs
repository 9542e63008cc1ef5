//! Tests of the network against goldens of the official implementation.

mod goldens;
mod reference;
