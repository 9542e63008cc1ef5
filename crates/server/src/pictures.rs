//! Pictures that come inside a request.

use aurore_chat::DecodedImage;
use aurore_chat::image::{Limits, decode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::problem::Problem;

/// A picture from a `data:` address. What was fetched for the request has become one.
pub(crate) fn from_url(url: &str, param: &str) -> Result<DecodedImage, Problem> {
    let Some(rest) = url.strip_prefix("data:") else {
        let scheme: String = url.chars().take_while(|letter| *letter != ':').take(12).collect();
        let message = format!(
            "this server fetches nothing ({scheme:?}): send the picture itself as data:image/png;base64,…, or start the \
             server with --fetch-images HOST"
        );
        return Err(Problem::invalid(param, message));
    };
    match rest.split_once(',') {
        Some((kind, data)) if kind.to_ascii_lowercase().ends_with(";base64") => from_base64(data, param),
        _ => Err(Problem::invalid(
            param,
            "the address is no picture in base64: it must look like data:image/png;base64,…",
        )),
    }
}

/// A picture from its file in base64.
pub(crate) fn from_base64(data: &str, param: &str) -> Result<DecodedImage, Problem> {
    // Some clients break lines.
    let data: String = data
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .collect();
    let engine = if data.contains(['-', '_']) {
        URL_SAFE
    } else {
        STANDARD
    };
    let bytes = engine
        .decode(data)
        .map_err(|error| Problem::invalid(param, format!("this is not base64: {error}")))?;
    decode(&bytes, &Limits::default()).map_err(|error| Problem::invalid(param, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_that_are_there_are_taken() {
        // A GIF of one pixel.
        let gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
        for url in [
            format!("data:image/gif;base64,{gif}"),
            format!("data:;BASE64,{}\n{}", &gif[..20], &gif[20..]),
        ] {
            let picture = from_url(&url, "x").unwrap();
            assert_eq!((picture.width, picture.height), (1, 1));
        }
        for (url, part) in [
            ("https://example.com/a.png", "fetches nothing"),
            ("data:image/png,abc", "no picture in base64"),
            ("data:image/png;base64,???", "not base64"),
            ("data:image/png;base64,aGVsbG8=", "not a picture"),
            ("", "fetches nothing"),
        ] {
            let problem = from_url(url, "messages[0]").unwrap_err();
            assert!(problem.message.contains(part), "{problem}");
            assert_eq!(problem.param.as_deref(), Some("messages[0]"));
        }
    }
}
