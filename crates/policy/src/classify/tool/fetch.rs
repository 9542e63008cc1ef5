//! Asking a web server.

use super::{Classified, Part, file};
use crate::{Context, Effect, Tier, classify::opening, facts::Place};

pub(super) fn fetching(method: &str, url: &str, body: Option<&str>, context: &Context) -> Part {
    let reads = matches!(method.to_ascii_uppercase().as_str(), "GET" | "HEAD" | "OPTIONS");
    let mut classified = opening(url, context);
    if !reads || body.is_some_and(|body| !body.is_empty()) {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::Send,
            format!("sends data to {}", crate::origin_of(url)),
        ));
    }
    Part::new(classified, vec![Place::leading_to(url)])
}

/// What an argument names, if it is an address or an absolute path.
pub(super) fn named(argument: &str, context: &Context) -> Option<(Classified, Vec<Place>)> {
    let lower = argument.trim().to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with("ftp://") {
        return Some((
            opening(argument.trim(), context),
            vec![Place::leading_to(argument.trim())],
        ));
    }
    let path = argument.trim().strip_prefix("file://").unwrap_or(argument.trim());
    (path.starts_with('/') || path.starts_with("~/")).then(|| {
        let readings = vec![crate::path::absolute(path, "/", &context.home)];
        (file::read(&readings, context), file::places(&readings))
    })
}
