//! The hosts that pictures may come from.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::is_public;

/// Hosts that pictures are fetched from, each with the usual ports, or with one that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureHosts {
    hosts: Vec<(Host, Option<u16>)>,
    /// For tests, which have no servers elsewhere.
    loopback: bool,
}

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host: write it as example.org, or example.org:8443 for a port of its own")]
pub struct BadHost(String);

impl PictureHosts {
    /// These hosts: `HOST` or `HOST:PORT`, names or addresses.
    ///
    /// # Errors
    /// For one that is something else.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, BadHost> {
        let hosts = hosts.into_iter().map(|text| {
            let bad = || BadHost(text.to_owned());
            // Read by the same rules as addresses are.
            let url = Url::parse(&format!("http://{text}/")).map_err(|_| bad())?;
            let is_bare = url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                && !text.contains(['/', '@', '?', '#', '\\']);
            let host = url.host().filter(|_| is_bare).ok_or_else(bad)?.to_owned();
            let port = text.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            Ok((host, port.filter(|_| !text.ends_with(']'))))
        });
        Ok(Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            loopback: false,
        })
    }

    /// This machine's own addresses too.
    #[doc(hidden)]
    #[must_use]
    pub fn with_loopback_for_tests(self) -> Self {
        Self {
            loopback: true,
            ..self
        }
    }

    /// Whether something may be fetched from there.
    pub(super) fn allows(&self, url: &Url) -> bool {
        let asked = url.host().map(|host| host.to_owned());
        let is_there = |(host, port): &(Host, Option<u16>)| {
            let is_port = match port {
                // The usual one is not written in an address.
                None => url.port().is_none(),
                Some(port) => url.port_or_known_default() == Some(*port),
            };
            is_port && asked.as_ref() == Some(host)
        };
        self.hosts.iter().any(is_there)
    }

    /// Whether this machine may be brought to connect to an address.
    pub(super) fn reaches(&self, address: IpAddr) -> bool {
        is_public(address) || (self.loopback && address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_was_named_and_nothing_like_it() {
        let hosts =
            PictureHosts::new(["example.org", "Bücher.example:8443", "[2600::1]", "8.8.8.8"]).unwrap();
        let allows = |text: &str| hosts.allows(&Url::parse(text).unwrap());
        for text in [
            "http://example.org/a.png",
            "https://EXAMPLE.org:443/",
            "https://xn--bcher-kva.example:8443/x",
            "https://[2600::1]/x",
            "http://8.8.8.8/",
            "http://0x08080808/",
        ] {
            assert!(allows(text), "{text}");
        }
        for text in [
            "http://www.example.org/",
            "http://example.org.evil.com/",
            "http://example.org:8080/",
            "http://example.com/",
            "http://example.org./",
            "https://bücher.example/",
            "http://example.org@evil.com/",
            "http://evil.com/example.org",
            "http://[2600::2]/",
            "http://8.8.4.4/",
        ] {
            assert!(!allows(text), "{text}");
        }
        for text in [
            "",
            "http://a.b",
            "a/b",
            "a@b",
            "a b",
            "a:b",
            "a:99999",
            "a?b",
            "a#b",
            "[::1",
        ] {
            assert!(PictureHosts::new([text]).is_err(), "{text}");
        }
    }
}
