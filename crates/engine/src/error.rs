//! What can go wrong while generating.

use aurore_model::ModelError;
use thiserror::Error;

/// Why nothing, or nothing more, was generated.
#[derive(Debug, Error)]
pub enum EngineError {
    /// There is nothing to continue.
    #[error("the prompt is empty: give at least one token")]
    EmptyPrompt,
    /// The prompt leaves no room for an answer.
    #[error(
        "the prompt has {tokens} tokens, but the context holds {context} and at least one must stay free for the \
         answer: shorten the conversation, drop older images or choose smaller ones"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Positions that the network was built for.
        context: usize,
    },
    /// Ids and positions do not belong together.
    #[error("the prompt has {ids} token ids but {positions} positions: they must be as many")]
    Positions {
        /// Token ids.
        ids: usize,
        /// Positions.
        positions: usize,
    },
    /// A token id that the network has no embedding for.
    #[error("token id {id} at index {index} is outside the vocabulary of {vocabulary} entries")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Where it stands in the prompt.
        index: usize,
        /// Entries of the vocabulary.
        vocabulary: usize,
    },
    /// Tokeniser and network disagree about the vocabulary.
    #[error(
        "the tokeniser knows {tokens} tokens but the network only {network}: tokenizer.json and config.json are of \
         different checkpoints"
    )]
    Vocabulary {
        /// Tokens of the tokeniser.
        tokens: usize,
        /// Rows of the network's head.
        network: usize,
    },
    /// The vocabulary cannot serve.
    #[error("unusable vocabulary: {0}")]
    UnusableVocabulary(String),
    /// A sampling parameter that means nothing.
    #[error("{field} is {value}: it must be {expected}")]
    Sampling {
        /// The parameter's name.
        field: &'static str,
        /// What was given.
        value: f64,
        /// What is meaningful.
        expected: &'static str,
    },
    /// The grammar cannot be compiled.
    #[error("the grammar is not usable: {0}")]
    Grammar(String),
    /// The grammar cannot go on, or is too expensive to follow.
    #[error("the grammar stopped the generation after {tokens} tokens: {reason}")]
    GrammarStuck {
        /// Tokens generated so far.
        tokens: usize,
        /// The matcher's words.
        reason: String,
    },
    /// The network's arithmetic gave something that is not a number.
    #[error(
        "the network gave no finite logit after {tokens} tokens: the checkpoint is damaged or of another architecture"
    )]
    NotFinite {
        /// Tokens generated so far.
        tokens: usize,
    },
    /// Too many requests wait.
    #[error("{waiting} requests wait already: try again when some of them were answered")]
    Busy {
        /// Requests that may wait.
        waiting: usize,
    },
    /// No more requests are taken.
    #[error("the program is ending and takes no more requests")]
    Draining,
    /// The network refused what was checked before.
    #[error("a defect of the engine: {0}")]
    Defect(String),
    /// The thread that computes is gone.
    #[error("the engine stopped because of a defect: restart the program")]
    Gone,
    /// The system refused a thread.
    #[error("the system refused a thread for the engine: {0}")]
    Thread(String),
    /// The network refused.
    #[error(transparent)]
    Model(#[from] ModelError),
}
