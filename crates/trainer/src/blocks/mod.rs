//! The network's blocks: one file each, with `forward`, what it keeps, and `backward`.
//!
//! T: tokens of a stream, H: hidden size, other letters where they are used. `dx` is the gradient of the loss with
//! respect to `x`; gradients of parameters are added to those of the pass.

pub(crate) mod attention;
pub(crate) mod balance;
pub(crate) mod convolution;
pub(crate) mod delta_rule;
pub(crate) mod deltanet;
pub(crate) mod embedding;
pub(crate) mod gated_norm;
pub(crate) mod head;
pub(crate) mod layer_norm;
pub(crate) mod moe;
pub(crate) mod rms_norm;
pub(crate) mod rotary;
pub(crate) mod softmax_attention;
pub(crate) mod swiglu;
pub(crate) mod vision;

#[cfg(test)]
mod differences;
