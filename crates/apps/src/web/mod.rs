//! How the apps answer over HTTP: routes, forms, pages, and pages that say what is wrong with a request.

mod fields;
mod server;
mod visit;

pub(crate) use fields::Fields;
pub(crate) use server::{Listening, Stage};
pub(crate) use visit::{Answer, Refusal, Visit};

/// How a route is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Looks.
    Get,
    /// Changes something.
    Post,
}

/// A place of an app and who answers there.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) answer: fn(&Visit<'_>) -> Result<Answer, Refusal>,
}

/// A route that looks.
pub(crate) const fn get(path: &'static str, answer: fn(&Visit<'_>) -> Result<Answer, Refusal>) -> Route {
    Route {
        method: Method::Get,
        path,
        answer,
    }
}

/// A route that changes something.
pub(crate) const fn post(path: &'static str, answer: fn(&Visit<'_>) -> Result<Answer, Refusal>) -> Route {
    Route {
        method: Method::Post,
        path,
        answer,
    }
}
