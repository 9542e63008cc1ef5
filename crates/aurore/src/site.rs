//! Sites that the person names beside the page that a run starts on.

use url::Url;

/// The origin of what was named: an origin, or the address of any page there.
///
/// # Errors
/// In words, when it is no http or https address, or carries a name or a password.
pub fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write it like https://hotels.example"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https sites can be named, like https://hotels.example".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a site is named without a user and a password".to_owned());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_its_origin() {
        for named in ["https://Hotels.example", "https://hotels.example:443/rooms?a#b"] {
            assert_eq!(origin(named).as_deref(), Ok("https://hotels.example"));
        }
        assert_eq!(
            origin("http://127.0.0.1:8000/").as_deref(),
            Ok("http://127.0.0.1:8000")
        );
        for wrong in [
            "hotels.example",
            "",
            "file:///etc",
            "javascript:1",
            "https://ann:key@hotels.example",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
