//! A browser comes in: a link that works once is exchanged for a cookie.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::{Doors, host, simple};
use crate::dialect::Dialect;
use crate::problem::{Kind, Problem};

/// Takes a link's token and gives a cookie for it. `more`: how to get another link, HTML; `head`: what the page that
/// opens then has in its head besides, HTML.
pub(crate) fn enter(
    doors: &Doors,
    request: &Request,
    more: &str,
    head: impl FnOnce() -> Result<String, getrandom::Error>,
) -> Response {
    let token = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("token="));
    // Whoever only asks for the head has not come in.
    let is_get = request.method() == Method::GET;
    let open = |token: &str| -> Result<Option<(String, String)>, getrandom::Error> {
        match doors.open(token)? {
            Some(cookie) => Ok(Some((cookie, head()?))),
            None => Ok(None),
        }
    };
    let opened = token.filter(|_| is_get).map(open);
    let (cookie, head) = match opened {
        Some(Ok(Some(opened))) => opened,
        Some(Err(error)) => {
            return Dialect::OpenAi.refuse(&Problem::new(Kind::Defect, error.to_string()));
        }
        Some(Ok(None)) | None => {
            let text = format!("This link was used before, or is none of this server's. {more}");
            let mut response = simple("This link does not open anything", &text, "");
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return response;
        }
    };
    // Not a redirect: a browser that came from another site would not send its new cookie along with one.
    // The first is there so that no browser asks for an icon elsewhere.
    let refresh = r#"<link rel="icon" type="image/svg+xml" href="/icon.svg"><meta http-equiv="refresh" content="0; url=/">"#;
    let mut response = simple("Opening", r#"<a href="/">Go on</a>"#, &format!("{head}{refresh}"));
    let name = cookie_name(request.headers());
    let cookie = format!("{name}={cookie}; Path=/; HttpOnly; SameSite=Strict");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Whether the browser that asks came in.
pub(crate) fn has_come_in(doors: &Doors, headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let name = cookie_name(headers);
    let mut values = cookies
        .flat_map(|list| list.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(known, _)| *known == name);
    values.any(|(_, value)| doors.knows(value))
}

/// Cookies know no ports: each server of this machine has a name of its own.
fn cookie_name(headers: &HeaderMap) -> String {
    let port = host(headers).rsplit_once(':').map_or("", |(_, port)| port);
    let digits: String = port.chars().filter(char::is_ascii_digit).collect();
    format!("aurore-{digits}")
}
