//! The page: files that are in the program, and links that open it.

use axum::Router;
use axum::extract::{Request, State as Extract};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::State;
use crate::dialect::{Dialect, json_response};
use crate::page::{ICON, entrance, escape, file, file_of, host};
use crate::problem::{Kind, Problem};

const PAGE: &str = include_str!("page/index.html");

/// Name, kind and content of what belongs to the page.
const FILES: &[(&str, &str, &str)] = &[
    ("/icon.svg", "image/svg+xml", ICON),
    ("/watch.css", CSS, include_str!("page/watch.css")),
    ("/watch/api.js", JS, include_str!("page/api.js")),
    ("/watch/arm.js", JS, include_str!("page/arm.js")),
    ("/watch/beforehand.js", JS, include_str!("page/beforehand.js")),
    ("/watch/card.js", JS, include_str!("page/card.js")),
    ("/watch/enter.js", JS, include_str!("page/enter.js")),
    ("/watch/hands.js", JS, include_str!("page/hands.js")),
    ("/watch/main.js", JS, include_str!("page/main.js")),
    ("/watch/now.js", JS, include_str!("page/now.js")),
    ("/watch/reply.js", JS, include_str!("page/reply.js")),
    ("/watch/screen.js", JS, include_str!("page/screen.js")),
    ("/watch/state.js", JS, include_str!("page/state.js")),
    ("/watch/text.js", JS, include_str!("page/text.js")),
    ("/watch/timeline.js", JS, include_str!("page/timeline.js")),
];
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

pub(super) fn router() -> Router<State> {
    let page = Router::new().route("/", get(index));
    FILES.iter().fold(page, |router, &(name, kind, text)| {
        router.route(name, get(move || async move { file(kind, text) }))
    })
}

async fn index() -> Response {
    // What hides in a text is listed in one place, and made visible by the page with it.
    let hidden: Vec<String> = aurore_agent::HIDDEN
        .iter()
        .map(|range| format!("{:x}-{:x}", *range.start() as u32, *range.end() as u32))
        .collect();
    let page = PAGE
        .replace("{{hidden}}", &escape(&hidden.join(" ")))
        .replace("{{version}}", env!("CARGO_PKG_VERSION"));
    file_of("text/html; charset=utf-8", page)
}

/// Takes a link's token and gives a cookie for it, with which everything can be seen, and a secret for whatever does
/// more. Browsers send a cookie to every port of a machine; what a page has stored no other port's page can read.
pub(super) async fn enter(Extract(state): Extract<State>, request: Request) -> Response {
    entrance::enter(
        &state.doors,
        &request,
        "Whoever is in can make another one.",
        || {
            let hand = state.hands.admit()?;
            Ok(format!(
                "<meta name=\"aurore-hand\" content=\"{hand}\"><script src=\"/watch/enter.js\"></script>"
            ))
        },
    )
}

/// A link for one more browser.
pub(super) async fn new_link(Extract(state): Extract<State>, headers: HeaderMap) -> Response {
    match state.doors.link() {
        Ok(path) => json_response(&json!({"url": format!("http://{}{path}", host(&headers))})),
        Err(error) => Dialect::OpenAi.refuse(&Problem::new(Kind::Defect, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_page_is_inline_or_from_elsewhere() {
        for forbidden in ["style=", "onclick", "<style", "http://", "https://", "<script>"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        for (name, kind, text) in FILES {
            if !kind.starts_with("text/") {
                continue;
            }
            for forbidden in [
                "url(",
                "@import",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
            ] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
}
