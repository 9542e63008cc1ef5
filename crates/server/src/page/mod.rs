//! The page at `/`: what is served, an example per client, and live figures.
//!
//! A browser cannot send a key by itself, so it comes over a link that works once and leaves it with a cookie. The cookie
//! opens this page and its figures, nothing else: a page that somehow got hold of it could neither ask the model nor
//! read what others asked.

mod doors;
pub(crate) mod entrance;
mod figures;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use crate::app::App;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};

pub(crate) use doors::Doors;

/// Where a link leads.
pub(crate) const ENTRANCE: &str = "/open";

const PAGE: &str = include_str!("index.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
pub(crate) const ICON: &str = include_str!("icon.svg");

/// Nothing comes from elsewhere, nothing is framed, nothing is sent elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(page))
        .route(
            "/page.css",
            get(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/page.js",
            get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route("/icon.svg", get(|| async { file("image/svg+xml", ICON) }))
        .route("/figures", get(figures::figures))
}

/// Whether a browser with a good cookie asks.
pub(crate) fn is_open_to(served: &App, request: &Request) -> bool {
    request.method() == Method::GET && entrance::has_come_in(&served.doors, request.headers())
}

/// Whether somebody opens the page in a browser.
pub(crate) fn is_for_people(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok()).unwrap_or_default();
    request.method() == Method::GET && request.uri().path() == "/" && accepts.contains("text/html")
}

/// What a browser without a cookie is shown.
pub(crate) fn locked(problem: &Problem) -> Response {
    let text = "This page opens with the link that the server printed when it was started. Each link works once; \
                <code>POST /links</code> with a key that may manage gives another one.";
    let mut response = simple("Closed", text, "");
    *response.status_mut() = problem.status();
    response
}

/// Takes a link's token and gives a cookie for it.
pub(crate) async fn enter(State(served): State<App>, request: Request) -> Response {
    let more = "<code>POST /links</code> with a key that may manage gives another one.";
    entrance::enter(&served.doors, &request, more, || Ok(String::new()))
}

/// A link for one more browser.
pub(crate) async fn new_link(State(served): State<App>, headers: HeaderMap) -> Response {
    match served.doors.link() {
        Ok(path) => json_response(&json!({"url": format!("http://{}{path}", host(&headers))})),
        Err(error) => Dialect::OpenAi.refuse(&Problem::new(Kind::Defect, error.to_string())),
    }
}

async fn page(State(served): State<App>, headers: HeaderMap) -> Response {
    let model = &served.options.name;
    let context = served.scheduler.engine().context();
    let aliases = match served.options.aliases.join(", ") {
        aliases if aliases.is_empty() => String::new(),
        aliases => format!(" (also {aliases})"),
    };
    let mut page = PAGE.to_owned();
    for (name, value) in [
        ("{{model}}", model.as_str()),
        ("{{aliases}}", &aliases),
        ("{{context}}", &context.to_string()),
        ("{{base}}", &format!("http://{}", host(&headers))),
        ("{{version}}", env!("CARGO_PKG_VERSION")),
    ] {
        page = page.replace(name, &escape(value));
    }
    file_of("text/html; charset=utf-8", page)
}

/// The server as the client calls it, which the guard has looked at.
pub(crate) fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    host.unwrap_or("127.0.0.1")
}

pub(crate) fn simple(title: &str, text: &str, head: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light \
         dark\"><meta name=\"viewport\" content=\"width=device-width\">{head}<title>{title} – \
         Aurore</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    );
    file_of("text/html; charset=utf-8", page)
}

pub(crate) fn file(kind: &'static str, text: &'static str) -> Response {
    file_of(kind, text)
}

pub(crate) fn file_of(kind: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_page_is_inline_or_from_elsewhere() {
        for forbidden in ["style=", "onclick", "<style", "http://", "https://", "<script>"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        assert_eq!(escape("a<b>\"c'&"), "a&lt;b&gt;&quot;c&#39;&amp;");
    }
}
