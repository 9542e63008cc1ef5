//! Who is let in: the right `Host`, no foreign `Origin`, a key, and one that this route is open to.
//!
//! A page in a browser on this machine can send requests to a loopback server. It cannot forge these headers: a name of
//! its own that it made to lead here (DNS rebinding) stands in `Host`, its own address in `Origin`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::{App, now};
use crate::caller::{self, Caller};
use crate::dialect::Dialect;
use crate::keys::{Refused, Scope};
use crate::page;
use crate::problem::{Kind, Problem};

/// Names of this machine for itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a route is open to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Keys with this scope.
    Scope(Scope),
    /// Keys that may ask, and see their own of what is kept, or that may manage, and see all of it.
    Kept,
    /// Keys that may manage, and browsers that came over a link.
    Page,
}

/// Lets a request through, or answers why not.
pub(crate) async fn guard(State(served): State<App>, mut request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let origin = match check_host(&served.options.hosts, &request)
        .and_then(|()| check_origin(&served.options.origins, request.headers()))
    {
        Ok(origin) => origin,
        Err(problem) => return dialect.refuse(&problem),
    };
    let mut response = if origin.is_some() && request.method() == Method::OPTIONS {
        // A browser asks whether it may ask, without a key.
        may_ask()
    } else {
        match find_caller(&served, &request) {
            Ok(caller) => {
                let caller = caller.asking(request.extensions().get());
                request.extensions_mut().insert(caller.clone());
                caller::within(caller, next.run(request)).await
            }
            Err(problem) if page::is_for_people(&request) => page::locked(&problem),
            Err(problem) => dialect.refuse(&problem),
        }
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// The answer to a preflight from an allowed page.
fn may_ask() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*, authorization"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// # Errors
/// When a request is for a name that is neither this machine's own nor one of `hosts`.
pub(crate) fn check_host(hosts: &[String], request: &Request) -> Result<(), Problem> {
    let host = text(request.headers(), header::HOST).or_else(|| request.uri().host());
    let name = host.map(without_port).unwrap_or_default();
    let known = |known: &str| known.eq_ignore_ascii_case(name);
    if LOOPBACK.into_iter().any(known) || hosts.iter().any(|host| known(host)) {
        return Ok(());
    }
    let message = format!(
        "this server does not answer to the name {name:?}: ask localhost, or start it with --allow-host {name}"
    );
    Err(Problem::new(Kind::Forbidden, message).coded("unknown_host"))
}

/// `name:port` without the port; brackets of IPv6 stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// The origin to answer to, if it is another's that is allowed.
///
/// # Errors
/// When a page of another origin asks that is not one of `origins`.
pub(crate) fn check_origin(origins: &[String], headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
    let Some(value) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    let origin = value.to_str().unwrap_or_default();
    let own = text(headers, header::HOST).is_some_and(|host| {
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    });
    if own {
        return Ok(None);
    }
    if origins.iter().any(|known| known == origin) {
        return Ok(Some(value.clone()));
    }
    let message = format!(
        "pages of {origin:?} may not ask this server: start it with --allow-origin {origin} if they should"
    );
    Err(Problem::new(Kind::Forbidden, message).coded("unknown_origin"))
}

/// Lets a request through to a route, or answers why its caller may not.
pub(crate) async fn admit(State(need): State<Need>, request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let caller = request.extensions().get::<Caller>();
    // Nobody comes here who did not pass the guard.
    let Some(caller) = caller else {
        return dialect.refuse(&Problem::new(Kind::Defect, "this route is not guarded"));
    };
    match check_scope(need, caller).and_then(|()| check_limit(need, caller)) {
        Ok(()) => next.run(request).await,
        Err(problem) => dialect.refuse(&problem),
    }
}

fn check_scope(need: Need, caller: &Caller) -> Result<(), Problem> {
    let scope = match need {
        Need::Page if caller.is_browser => return Ok(()),
        Need::Page => Scope::Manage,
        Need::Kept if caller.scopes.contains(&Scope::Manage) => return Ok(()),
        Need::Kept => Scope::Infer,
        Need::Scope(scope) => scope,
    };
    if caller.scopes.contains(&scope) {
        return Ok(());
    }
    let message = if caller.is_browser {
        "a browser that came over a link sees the page alone: use a key here".to_owned()
    } else {
        format!(
            "this key may be used for {}, but not for {}: make one with `aurore keys make NAME --scope {}`",
            Scope::list(&caller.scopes),
            scope.name(),
            scope.name()
        )
    };
    Err(Problem::new(Kind::Forbidden, message).coded("insufficient_scope"))
}

/// Questions to models are counted; looking at the server is not.
fn check_limit(need: Need, caller: &Caller) -> Result<(), Problem> {
    let Some(limiter) = caller
        .limiter()
        .filter(|_| matches!(need, Need::Kept | Need::Scope(Scope::Infer)))
    else {
        return Ok(());
    };
    limiter.admit(std::time::Instant::now()).map_err(|refused| {
        let Refused { what, limit, wait } = refused;
        let seconds = wait.as_secs() + 1;
        let message =
            format!("this key has {limit} {what} a minute, and none left now: try again in {seconds} s");
        Problem {
            retry: Some(seconds),
            ..Problem::new(Kind::Busy, message).coded("rate_limit_exceeded")
        }
    })
}

/// The key that a request brings.
pub(crate) fn sent_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = text(headers, header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()))
}

fn find_caller(served: &App, request: &Request) -> Result<Caller, Problem> {
    let keys = &served.options.keys;
    if keys.is_open() {
        return Ok(Caller::anybody());
    }
    let message = match sent_key(request.headers()) {
        Some(key) => match keys.find(key, now()) {
            Some(holder) => return Ok(holder.into()),
            None => {
                "this key is not known here, or was revoked, or has ended: `aurore keys list` shows those that are"
            }
        },
        None if page::is_open_to(served, request) => return Ok(Caller::browser()),
        // Its link is a key of its own.
        None if request.uri().path() == page::ENTRANCE => return Ok(Caller::stranger()),
        None => "a key is needed: send the header `Authorization: Bearer KEY`, or `x-api-key: KEY`",
    };
    Err(Problem::new(Kind::Key, message).coded("invalid_api_key"))
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn ports_are_no_part_of_names() {
        for (host, name) in [
            ("localhost:8080", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a.b:", "a.b"),
            (":80", ":80"),
        ] {
            assert_eq!(without_port(host), name, "{host}");
        }
    }
}
