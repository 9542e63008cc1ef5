//! Samples side by side in one sequence: what a pass through the network is given.

use std::ops::Range;

use aurore_checkpoint::Config;
use aurore_model::ImagePatches;
use aurore_model::positions::prompt_positions;

/// A token that the network is taught to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The row that predicts it: the token before it.
    pub row: usize,
    /// The token.
    pub id: u32,
    /// How much it counts; 1 ordinarily.
    pub weight: f32,
}

/// Where the first head of every attention layer is taught to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The row that looks.
    pub row: usize,
    /// The row that it should look at, in the same document and not later.
    pub at: usize,
}

/// Documents one after the other. State and attention begin anew with each.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    ids: Vec<u32>,
    positions: Vec<[u32; 3]>,
    documents: Vec<Range<usize>>,
    images: Vec<ImagePatches>,
    targets: Vec<Target>,
    /// In the order of their rows.
    looks: Vec<Look>,
    /// What rows are to say before the first layer.
    readings: Vec<Target>,
    /// Per document: its name for messages, and where its pictures, targets, looks and readings begin.
    names: Vec<String>,
    starts: Vec<[usize; 4]>,
}

/// A document that does not fit the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// It has no tokens.
    #[error("a document without tokens")]
    Empty,
    /// A token beyond the vocabulary.
    #[error("token {id} at place {place} is beyond the vocabulary of {vocabulary}")]
    Token {
        /// Where it stands.
        place: usize,
        /// The token.
        id: u32,
        /// Rows of the embedding.
        vocabulary: usize,
    },
    /// A target that no token predicts.
    #[error("the target at place {place} is not inside the document, or is its first token")]
    Target {
        /// Where it should stand.
        place: usize,
    },
    /// A look at what comes later, or out of order.
    #[error(
        "row {row} cannot look at row {at}: both must be inside the document, the later one first, in order of rows"
    )]
    Look {
        /// The row that looks.
        row: usize,
        /// What it should look at.
        at: usize,
    },
    /// A reading of a row that is not there, or of no token.
    #[error(
        "row {row} cannot be read as token {id}: the document has {rows} rows, the vocabulary {vocabulary} tokens"
    )]
    Reading {
        /// The row.
        row: usize,
        /// The token.
        id: u32,
        /// Rows of the document.
        rows: usize,
        /// Rows of the embedding.
        vocabulary: usize,
    },
    /// Pictures and placeholders differ.
    #[error("{placeholders} image tokens in the text, but pictures for {features}")]
    Placeholders {
        /// In the text.
        placeholders: usize,
        /// Of the pictures.
        features: usize,
    },
    /// A picture that does not fit the tower.
    #[error("picture {index}: {problem}")]
    Picture {
        /// Which one.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl Stream {
    /// Adds a document: its tokens, the pictures behind its image tokens, and how much each token counts as something
    /// to be said (0 for what is only read).
    ///
    /// # Errors
    /// When tokens, pictures and weights do not fit one another and `config`.
    pub fn push(
        &mut self,
        config: &Config,
        ids: &[u32],
        images: Vec<ImagePatches>,
        weights: &[f32],
    ) -> Result<(), StreamError> {
        self.push_named(config, "", ids, images, weights)
    }

    /// The same with a name for messages.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_named(
        &mut self,
        config: &Config,
        name: &str,
        ids: &[u32],
        images: Vec<ImagePatches>,
        weights: &[f32],
    ) -> Result<(), StreamError> {
        check(config, ids, &images)?;
        let wrong = |(place, weight): (usize, &f32)| *weight != 0.0 && (place == 0 || place >= ids.len());
        if let Some(place) = weights.iter().enumerate().position(wrong) {
            return Err(StreamError::Target { place });
        }
        self.names.push(name.to_owned());
        self.starts.push(self.ends());
        let start = self.ids.len();
        for (place, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            self.targets.push(Target {
                row: start + place - 1,
                id: ids[place],
                weight: *weight,
            });
        }
        let merge = config
            .vision
            .as_ref()
            .map_or(1, |vision| vision.spatial_merge_size);
        let (positions, _) = prompt_positions(ids, &images, config.image_token_id, merge);
        self.ids.extend_from_slice(ids);
        self.positions.extend(positions);
        self.documents.push(start..self.ids.len());
        self.images.extend(images);
        Ok(())
    }

    /// Teaches rows of the last document where to look; rows and what they look at are counted from its first token.
    ///
    /// # Errors
    /// When one is not in the document, looks ahead, or comes before the one before it.
    pub fn look(&mut self, looks: &[Look]) -> Result<(), StreamError> {
        let document = self.documents.last().cloned().unwrap_or(0..0);
        let mut least = 0;
        for look in looks {
            if look.row >= document.len() || look.at > look.row || look.row < least {
                let Look { row, at } = *look;
                return Err(StreamError::Look { row, at });
            }
            least = look.row;
            self.looks.push(Look {
                row: document.start + look.row,
                at: document.start + look.at,
            });
        }
        Ok(())
    }

    /// Teaches rows of the last document, counted from its first token, what they should say before the first layer.
    ///
    /// # Errors
    /// When a row is not in the document, or a token not in the vocabulary.
    pub fn read(&mut self, config: &Config, readings: &[Target]) -> Result<(), StreamError> {
        let document = self.documents.last().cloned().unwrap_or(0..0);
        for reading in readings {
            if reading.row >= document.len() || reading.id as usize >= config.text.vocab_size {
                return Err(StreamError::Reading {
                    row: reading.row,
                    id: reading.id,
                    rows: document.len(),
                    vocabulary: config.text.vocab_size,
                });
            }
            self.readings.push(Target {
                row: document.start + reading.row,
                ..*reading
            });
        }
        Ok(())
    }

    /// Where the next document's parts begin.
    fn ends(&self) -> [usize; 4] {
        [
            self.images.len(),
            self.targets.len(),
            self.looks.len(),
            self.readings.len(),
        ]
    }

    /// The tokens of all documents.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Time, height and width of every token.
    pub fn positions(&self) -> &[[u32; 3]] {
        &self.positions
    }

    /// Where the documents stand.
    pub fn documents(&self) -> &[Range<usize>] {
        &self.documents
    }

    /// The pictures of all documents, in the order of their tokens.
    pub fn images(&self) -> &[ImagePatches] {
        &self.images
    }

    /// What is to be said.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Where rows are taught to look, in the order of the rows.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// What rows are to say before the first layer.
    pub fn readings(&self) -> &[Target] {
        &self.readings
    }

    /// Sum of the weights of [`readings`](Self::readings).
    pub(crate) fn reading_weight(&self) -> f64 {
        self.readings.iter().map(|target| f64::from(target.weight)).sum()
    }

    /// Sum of the weights of [`looking`](Self::looking).
    pub(crate) fn looking_weight(&self) -> f64 {
        self.looking().iter().map(|target| f64::from(target.weight)).sum()
    }

    /// What is to be said by rows that are taught where to look.
    pub(crate) fn looking(&self) -> Vec<Target> {
        let looks = |row: &usize| self.looks.binary_search_by_key(row, |look| look.row).is_ok();
        let targets = self.targets.iter().filter(|target| looks(&target.row));
        targets.copied().collect()
    }

    /// The documents' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// One of the documents by itself.
    pub(crate) fn alone(&self, number: usize) -> Self {
        let document = self.documents[number].clone();
        let [image, target, look, reading] = self.starts[number];
        let ends = self.starts.get(number + 1).copied();
        let [image_end, target_end, look_end, reading_end] = ends.unwrap_or_else(|| self.ends());
        let moved = |target: &Target| Target {
            row: target.row - document.start,
            ..*target
        };
        let looked = |look: &Look| Look {
            row: look.row - document.start,
            at: look.at - document.start,
        };
        Self {
            ids: self.ids[document.clone()].to_vec(),
            positions: self.positions[document.clone()].to_vec(),
            images: self.images[image..image_end].to_vec(),
            targets: self.targets[target..target_end].iter().map(moved).collect(),
            looks: self.looks[look..look_end].iter().map(looked).collect(),
            readings: self.readings[reading..reading_end].iter().map(moved).collect(),
            names: vec![self.names[number].clone()],
            starts: vec![[0; 4]],
            documents: std::iter::once(0..document.len()).collect(),
        }
    }

    /// Sum of the targets' weights.
    pub fn weight(&self) -> f64 {
        self.targets.iter().map(|target| f64::from(target.weight)).sum()
    }
}

fn check(config: &Config, ids: &[u32], images: &[ImagePatches]) -> Result<(), StreamError> {
    if ids.is_empty() {
        return Err(StreamError::Empty);
    }
    let vocabulary = config.text.vocab_size;
    if let Some((place, id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= vocabulary) {
        return Err(StreamError::Token {
            place,
            id: *id,
            vocabulary,
        });
    }
    let mut features = 0;
    for (index, image) in images.iter().enumerate() {
        let Some(vision) = &config.vision else {
            let problem = "the network has no vision tower".to_owned();
            return Err(StreamError::Picture { index, problem });
        };
        image.check(index, vision).map_err(|error| StreamError::Picture {
            index,
            problem: error.to_string(),
        })?;
        features += image.token_count(vision);
    }
    let placeholders = ids.iter().filter(|id| **id == config.image_token_id).count();
    if placeholders == features {
        Ok(())
    } else {
        Err(StreamError::Placeholders {
            placeholders,
            features,
        })
    }
}
