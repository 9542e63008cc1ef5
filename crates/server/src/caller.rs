//! Who asks, beside every request.
//!
//! What a request takes is counted deep inside, where tokens are read and written, in every dialect. So that none can
//! forget to hand its caller on, the caller goes with the task: [`within`] sets it, and [`current`] finds it, on the
//! threads of [`crate::work::apart`] too.

use std::sync::Arc;
use std::time::Instant;

use crate::keys::{Holder, Limiter, Scope};
use crate::log::RequestId;

/// Who asks, and what of.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) scopes: Vec<Scope>,
    /// A browser that came over a link: it may see the page and nothing else.
    pub(crate) is_browser: bool,
    /// Whose what it makes is: a key's id, or nobody's in particular.
    owner: Arc<str>,
    limiter: Option<Arc<Limiter>>,
    /// The name of what it asks now.
    request: Arc<str>,
}

impl Caller {
    /// The same, with a request of this name.
    pub(crate) fn asking(self, request: Option<&RequestId>) -> Self {
        Self {
            request: request.map_or_else(|| "".into(), |id| Arc::clone(&id.0)),
            ..self
        }
    }

    /// Whoever asks where no key is asked for.
    pub(crate) fn anybody() -> Self {
        Self {
            scopes: Scope::ALL.to_vec(),
            is_browser: false,
            owner: "".into(),
            limiter: None,
            request: "".into(),
        }
    }

    /// A browser that came over a link.
    pub(crate) fn browser() -> Self {
        Self {
            scopes: Vec::new(),
            is_browser: true,
            owner: "".into(),
            limiter: None,
            request: "".into(),
        }
    }

    /// Somebody who may do nothing that asks who it is.
    pub(crate) fn stranger() -> Self {
        Self {
            scopes: Vec::new(),
            is_browser: false,
            owner: "".into(),
            limiter: None,
            request: "".into(),
        }
    }

    /// What it sees of what is kept: its own, or everything if it may manage.
    fn sight(&self) -> Sight {
        if self.scopes.contains(&Scope::Manage) {
            Sight::All
        } else {
            Sight::Own(self.owner.to_string())
        }
    }

    pub(crate) fn limiter(&self) -> Option<&Limiter> {
        self.limiter.as_deref()
    }

    /// What counts the tokens that it takes.
    pub(crate) fn meter(&self) -> Meter {
        Meter(self.limiter.clone())
    }
}

impl From<Holder> for Caller {
    fn from(holder: Holder) -> Self {
        Self {
            scopes: holder.scopes,
            is_browser: false,
            owner: holder.owner,
            limiter: holder.limiter,
            request: "".into(),
        }
    }
}

/// Which of the things that are kept for callers somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All of them.
    All,
    /// Those of this owner.
    Own(String),
}

impl Sight {
    /// Whose alone, if not everybody's.
    pub(crate) fn owner(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Own(owner) => Some(owner),
        }
    }

    /// Whether something of this owner is seen.
    pub(crate) fn shows(&self, owner: &str) -> bool {
        self.owner().is_none_or(|own| own == owner)
    }
}

/// Counts somebody's tokens against their limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Option<Arc<Limiter>>);

impl Meter {
    /// Tokens were read or written.
    pub(crate) fn spend(&self, tokens: usize) {
        if let Some(limiter) = &self.0 {
            limiter.spend(tokens, Instant::now());
        }
    }
}

tokio::task_local! {
    static CALLER: Caller;
}

/// Does something in a caller's name.
pub(crate) async fn within<T>(caller: Caller, work: impl Future<Output = T>) -> T {
    CALLER.scope(caller, work).await
}

/// The same, on a thread of its own.
pub(crate) fn within_thread<T>(caller: Option<Caller>, work: impl FnOnce() -> T) -> T {
    match caller {
        Some(caller) => CALLER.sync_scope(caller, work),
        None => work(),
    }
}

/// In whose name this is done; nobody's for what the server does by itself.
pub(crate) fn current() -> Option<Caller> {
    CALLER.try_with(Clone::clone).ok()
}

/// Whose what the current caller makes is.
pub(crate) fn owner() -> String {
    current()
        .map(|caller| caller.owner.to_string())
        .unwrap_or_default()
}

/// What the current caller sees of what is kept.
pub(crate) fn sight() -> Sight {
    current().map_or_else(|| Sight::Own(String::new()), |caller| caller.sight())
}

/// The name of the request that this is done for.
pub(crate) fn request() -> Arc<str> {
    current().map_or_else(|| "".into(), |caller| caller.request)
}

/// What counts the current caller's tokens.
pub(crate) fn meter() -> Meter {
    current().map(|caller| caller.meter()).unwrap_or_default()
}
