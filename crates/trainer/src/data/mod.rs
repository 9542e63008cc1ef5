//! What is learnt from: samples on disk, one read at a time, drawn in an order that a seed decides.

mod draw;
mod episodes;
mod looks;
mod moved;
mod points;
mod readings;
mod synthetic;

use aurore_model::ImagePatches;

use crate::stream::{Look, Target};

pub use draw::Draw;
pub use episodes::Episodes;
pub use moved::Move;
pub use synthetic::Synthetic;

/// One document.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where it came from, for messages.
    pub name: String,
    /// Its tokens.
    pub ids: Vec<u32>,
    /// The pictures behind its image tokens.
    pub images: Vec<ImagePatches>,
    /// How much each token counts as something to be said.
    pub weights: Vec<f32>,
    /// Where the rows of its answers are taught to look, in the order of the rows.
    pub looks: Vec<Look>,
    /// What tokens of its pictures are taught to say by themselves.
    pub readings: Vec<Target>,
}

/// Samples that can be read in any order.
pub trait Samples: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Reads one, with its pictures moved and all points in its texts with them.
    ///
    /// # Errors
    /// When its file is not what it should be; the error names the place.
    fn read(&self, index: usize, by: Move) -> Result<Sample, DataError>;
}

/// Data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system refused.
    #[error("{file}: {source}; hint: check that it exists and can be read")]
    Io {
        /// The file or folder.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder without episodes.
    #[error("{folder}: no episodes; hint: name a file of steps (.jsonl), or a folder that holds some")]
    None {
        /// The folder.
        folder: String,
    },
    /// A line that is no step.
    #[error(
        "{file}, line {line}: {message}; hint: each line is one step as docs/training.md describes it: is this a file of episodes?"
    )]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A picture that cannot be decoded.
    #[error(
        "{file}, line {line}: the picture {picture} cannot be used: {message}; hint: take the line out, or record the episode again"
    )]
    Picture {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// The picture's name.
        picture: String,
        /// What is wrong.
        message: String,
    },
    /// A step that the checkpoint's template or vocabulary cannot express.
    #[error(
        "{file}, line {line}: {message}; hint: the checkpoint's template and tokeniser must fit the episodes"
    )]
    Text {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}
