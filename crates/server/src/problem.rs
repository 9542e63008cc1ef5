//! What is wrong with a request, in words that every dialect can carry.

use aurore_chat::ChatError;
use aurore_engine::EngineError;
use axum::http::StatusCode;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request means nothing, or cannot be done.
    Invalid,
    /// No key, or an unknown one.
    Key,
    /// Not from here.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is, but not with this method.
    Method,
    /// Not in this state of things.
    Conflict,
    /// Not in time.
    Timeout,
    /// Larger than what is read.
    TooLarge,
    /// Too many at once.
    Busy,
    /// The server is ending.
    Ending,
    /// Something that was to be kept could not be.
    Storage,
    /// The server's own fault.
    Defect,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// What is wrong and what to do about it.
    pub(crate) message: String,
    /// The field of the request, as a path.
    pub(crate) param: Option<String>,
    /// A name that programs can compare.
    pub(crate) code: Option<&'static str>,
    /// Seconds after which it may go better, where that is known.
    pub(crate) retry: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry: None,
        }
    }

    /// A field of the request that cannot be used.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()).filter(|param: &String| !param.is_empty()),
            ..Self::new(Kind::Invalid, message)
        }
    }

    #[must_use]
    pub(crate) fn coded(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The same about a field of another name.
    #[must_use]
    pub(crate) fn renamed(self, from: &str, to: &str) -> Self {
        let param = self
            .param
            .map(|param| if param == from { to.to_owned() } else { param });
        Self { param, ..self }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Key => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
            Kind::Ending => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Storage => StatusCode::INSUFFICIENT_STORAGE,
            Kind::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        let invalid = |param: &str| Self::invalid(param, message.clone());
        match error {
            EngineError::Sampling { field, .. } => invalid(field),
            EngineError::PromptTooLong { .. } => invalid("messages").coded("context_length_exceeded"),
            EngineError::Model(aurore_engine::ModelError::Memory { .. }) => {
                invalid("messages").coded("memory_exceeded")
            }
            EngineError::Grammar(_) | EngineError::GrammarStuck { .. } => invalid("response_format"),
            EngineError::Busy { .. } => Self::new(Kind::Busy, message).coded("queue_full"),
            EngineError::Draining => Self::new(Kind::Ending, message).coded("shutting_down"),
            EngineError::NotFinite { .. }
            | EngineError::Gone
            | EngineError::Defect(_)
            | EngineError::Thread(_)
            | EngineError::Vocabulary { .. }
            | EngineError::UnusableVocabulary(_) => Self::new(Kind::Defect, message),
            EngineError::EmptyPrompt
            | EngineError::Positions { .. }
            | EngineError::TokenOutOfRange { .. }
            | EngineError::Model(_) => invalid("messages"),
        }
    }
}

impl From<ChatError> for Problem {
    fn from(error: ChatError) -> Self {
        let message = error.to_string();
        match error {
            ChatError::Engine(error) => error.into(),
            ChatError::MissingFile { .. }
            | ChatError::BadFile { .. }
            | ChatError::MissingToken { .. }
            | ChatError::Checkpoint(_) => Self::new(Kind::Defect, message),
            ChatError::Template { .. }
            | ChatError::Placeholders { .. }
            | ChatError::NoVision
            | ChatError::Image(_)
            | ChatError::Tokenizer { .. } => Self::invalid("messages", message),
        }
    }
}
