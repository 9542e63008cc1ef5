//! The trainer from outside: gradients against the official implementation, the forward pass against `aurore-model`.

#[cfg(test)]
mod besides;
#[cfg(test)]
mod common;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod gradients;
#[cfg(test)]
mod lora;
#[cfg(test)]
mod packing;
#[cfg(test)]
mod runs;
