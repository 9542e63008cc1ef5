//! The slow, clear forward pass.
