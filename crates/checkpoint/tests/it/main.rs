//! Tests of reading checkpoints, most of them with files that lie.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod config;
#[cfg(test)]
mod export;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod safetensors_file;
