//! Where a server is.

use url::Url;

use crate::RemoteError;

/// The base address of a server's interface, such as `http://127.0.0.1:8000/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Reads an address as people write it: without a path, `/v1` is meant; an address of chat completions itself is
    /// taken for its base.
    ///
    /// # Errors
    /// When it is no http or https address, or carries a name, a password, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let wrong = |reason: &str| RemoteError::Address {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a key belongs into an environment variable"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a base address has no query and no fragment"));
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let path = if path.is_empty() { "/v1" } else { path }.to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Its origin: what a page would have to be kept away from.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether what is sent there can be read on the way: plain http to another machine.
    pub fn is_exposed(&self) -> bool {
        let loopback = match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.0.scheme() == "http" && !loopback
    }

    /// The address of one of its routes.
    pub(crate) fn route(&self, name: &str) -> String {
        format!("{}/{name}", self.0.as_str().trim_end_matches('/'))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in [
            "http://127.0.0.1:8000",
            "http://127.0.0.1:8000/",
            "http://127.0.0.1:8000/v1",
            "http://127.0.0.1:8000/v1/",
            "http://127.0.0.1:8000/v1/chat/completions",
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                address.route("models"),
                "http://127.0.0.1:8000/v1/models",
                "{text}"
            );
            assert_eq!(address.origin(), "http://127.0.0.1:8000");
            assert!(!address.is_exposed());
        }
        let deep = Address::parse("https://llm.example/team/v1").unwrap();
        assert_eq!(
            deep.route("chat/completions"),
            "https://llm.example/team/v1/chat/completions"
        );
        assert!(!deep.is_exposed() && Address::parse("http://llm.example").unwrap().is_exposed());
        for wrong in [
            "127.0.0.1:8000",
            "ftp://x/",
            "http://me:key@x/",
            "http://x/?a",
            "file:///etc",
            "",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
