//! Which addresses are opened.

use url::Url;

use crate::ScreenError;

/// The address, if it is one that is opened: the web and the empty page.
pub(super) fn openable(address: &str) -> Result<Url, ScreenError> {
    let refuse = |reason: &str| ScreenError::Address {
        url: address.chars().take(500).collect(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(address.trim()).map_err(|error| refuse(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => Err(refuse(
            "an address with a user name or password in it hides where it leads",
        )),
        "http" | "https" => Ok(url),
        "about" if url.path() == "blank" => Ok(url),
        "file" => Err(refuse("files of this machine are not for the browser")),
        "javascript" | "data" => Err(refuse("it carries a page of its own instead of naming one")),
        scheme => Err(refuse(&format!(
            "the browser opens no {scheme} addresses for a model"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_is_opened() {
        for address in [
            "http://127.0.0.1:8080/a?b#c",
            "https://example.org",
            " about:blank ",
            "http://localhost",
        ] {
            assert!(openable(address).is_ok(), "{address}");
        }
        for address in [
            "file:///etc/passwd",
            "FILE:///etc/passwd",
            "chrome://settings",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,hi",
            "about:version",
            "view-source:http://a.example",
            "devtools://devtools",
            "blob:http://a.example/1",
            "ftp://a.example",
            "shop.example",
            "https://bank.example@evil.example/",
            "",
        ] {
            assert!(
                matches!(openable(address), Err(ScreenError::Address { .. })),
                "{address}"
            );
        }
    }
}
