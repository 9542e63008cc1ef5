//! One picture over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use ureq::config::Config;
use ureq::http::{StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};
use url::Url;

use super::PictureHosts;
use crate::problem::{Kind, Problem};

/// Redirects that are followed.
const HOPS: usize = 4;
/// Requests that may wait for pictures at once.
const AT_ONCE: usize = 32;
/// Bytes of the head of an answer.
const HEAD: usize = 32 << 10;

/// Fetches pictures.
#[derive(Debug)]
pub(crate) struct Fetcher {
    agent: Agent,
    hosts: Arc<PictureHosts>,
    waiting: Semaphore,
}

/// Why a picture could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(
        "this is no address of a picture ({0}): send https://…, or the picture as data:image/png;base64,…"
    )]
    NoAddress(String),
    #[error(
        "this server fetches no pictures from {0}: send the picture itself as data:image/png;base64,…, or start the \
         server with --fetch-images"
    )]
    Host(String),
    #[error(transparent)]
    Address(#[from] NotPublic),
    #[error("the address leads from one place to the next more than {HOPS} times")]
    Hops,
    #[error("a redirect leads nowhere")]
    Nowhere,
    #[error("{host} answers {status} instead of a picture")]
    Status { host: String, status: StatusCode },
    #[error("the picture is larger than the {most} bytes that are fetched")]
    TooLarge { most: u64 },
    #[error("the picture did not arrive in time")]
    TooSlow,
    #[error("the picture could not be fetched from {host}: {why}")]
    Failed { host: String, why: Error },
}

/// A name that leads to where this machine must not be sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0} is not on the public internet: send the picture itself as data:image/png;base64,…")]
pub(super) struct NotPublic(String);

impl Fetcher {
    /// From these hosts.
    pub(crate) fn new(hosts: PictureHosts) -> Self {
        Self::resolving(hosts, DefaultResolver::default())
    }

    fn resolving(hosts: PictureHosts, names: impl Resolver) -> Self {
        let hosts = Arc::new(hosts);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            // Whoever set one up for this machine did not mean clients of this server; and a proxy looks names up itself.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(HEAD)
            // A connection that is kept would be used later for a name that is no longer checked.
            .max_idle_connections(0)
            .user_agent(concat!("aurore/", env!("CARGO_PKG_VERSION")))
            .accept("image/png, image/jpeg, image/webp, image/gif")
            .build();
        let names = Checked {
            names,
            hosts: Arc::clone(&hosts),
        };
        Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), names),
            hosts,
            waiting: Semaphore::new(AT_ONCE),
        }
    }

    /// A place among the requests that wait for pictures.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.waiting.try_acquire().map_err(|_| {
            let message =
                format!("{AT_ONCE} requests wait for pictures from elsewhere already: try again soon");
            Problem::new(Kind::Busy, message).coded("queue_full")
        })
    }

    /// What is at an address. Takes a while: not for a thread that others wait for.
    pub(super) fn fetch(&self, address: &str, most: u64, until: Instant) -> Result<Vec<u8>, FetchError> {
        let mut url = Url::parse(address).map_err(|error| FetchError::NoAddress(error.to_string()))?;
        for _ in 0..=HOPS {
            check(&self.hosts, &url)?;
            let host = url.host_str().unwrap_or_default().to_owned();
            let failed = |error: Error| match error {
                Error::Timeout(_) => FetchError::TooSlow,
                Error::BodyExceedsLimit(_) => FetchError::TooLarge { most },
                Error::Other(other) => match other.downcast::<NotPublic>() {
                    Ok(refused) => FetchError::Address(*refused),
                    Err(other) => FetchError::Failed {
                        host: host.clone(),
                        why: Error::Other(other),
                    },
                },
                why => FetchError::Failed {
                    host: host.clone(),
                    why,
                },
            };
            let request = self.agent.get(url.as_str()).config();
            let request = request.timeout_global(Some(left(until)?)).build();
            let mut response = request.call().map_err(failed)?;
            let status = response.status();
            if status.is_redirection() {
                let to = response.headers().get(header::LOCATION);
                let to = to.and_then(|to| to.to_str().ok()).ok_or(FetchError::Nowhere)?;
                url = url.join(to).map_err(|_| FetchError::Nowhere)?;
                continue;
            }
            if status != StatusCode::OK {
                return Err(FetchError::Status { host, status });
            }
            let body = response.body_mut();
            if body.content_length().is_some_and(|length| length > most) {
                return Err(FetchError::TooLarge { most });
            }
            return body.with_config().limit(most).read_to_vec().map_err(failed);
        }
        Err(FetchError::Hops)
    }
}

fn left(until: Instant) -> Result<Duration, FetchError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(FetchError::TooSlow);
    }
    Ok(left)
}

fn check(hosts: &PictureHosts, url: &Url) -> Result<(), FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        let why = format!("{:?} is not fetched", url.scheme());
        return Err(FetchError::NoAddress(why));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::NoAddress("it holds a name or password".to_owned()));
    }
    if hosts.allows(url) {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default();
    Err(FetchError::Host(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }))
}

/// Looks names up and gives out what may be connected to. What it gives out is what is connected to: nobody looks the
/// name up a second time, when it might lead elsewhere.
struct Checked<R> {
    names: R,
    hosts: Arc<PictureHosts>,
}

impl<R> fmt::Debug for Checked<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Checked").finish_non_exhaustive()
    }
}

impl<R: Resolver> Resolver for Checked<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        // The client reads addresses by rules of its own: it must have come to a host that is allowed too.
        let url = Url::parse(&uri.to_string()).map_err(|error| Error::BadUri(error.to_string()))?;
        check(&self.hosts, &url).map_err(|error| Error::BadUri(error.to_string()))?;
        let found = self.names.resolve(uri, config, timeout)?;
        // A name that leads somewhere else too is up to no good.
        if found.iter().all(|address| self.hosts.reaches(address.ip())) {
            return Ok(found);
        }
        let host = uri.host().unwrap_or_default().to_owned();
        Err(Error::Other(Box::new(NotPublic(host))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Mutex;

    use super::*;

    /// Answers requests one after the other, each with the next of these, and tells what was asked.
    fn server(answers: Vec<String>) -> (SocketAddr, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                asked.push(String::from_utf8(head).unwrap());
                // Whoever has seen enough goes away.
                let _ = stream.write_all(answer.replace("PORT", &address.port().to_string()).as_bytes());
            }
            asked
        });
        (address, thread)
    }

    fn picture(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn to(location: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
    }

    fn until() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    fn allowing(hosts: &[&str]) -> PictureHosts {
        PictureHosts::new(hosts.iter().copied())
            .unwrap()
            .with_loopback_for_tests()
    }

    #[test]
    fn redirects_are_followed_within_what_is_allowed() {
        let (address, thread) = server(vec![to("/b?c"), to("http://127.0.0.1:PORT/d"), picture("here")]);
        let fetcher = Fetcher::new(allowing(&[&address.to_string()]));
        let found = fetcher
            .fetch(&format!("http://{address}/a#x"), 4, until())
            .unwrap();
        assert_eq!(found, b"here");
        let asked = thread.join().unwrap();
        let lines: Vec<&str> = asked.iter().map(|head| head.lines().next().unwrap()).collect();
        assert_eq!(lines, ["GET /a HTTP/1.1", "GET /b?c HTTP/1.1", "GET /d HTTP/1.1"]);
        let head = asked[0].to_lowercase();
        assert!(!head.contains("authorization") && !head.contains("cookie") && !head.contains("referer"));
    }

    #[test]
    fn what_leads_elsewhere_is_refused_at_every_hop() {
        for (location, kind) in [
            ("http://localhost:PORT/", "Host"),
            ("http://169.254.169.254/latest", "Address"),
            ("http://[::ffff:169.254.169.254]/", "Host"),
            ("http://127.0.0.1:1/", "Host"),
            ("file:///etc/passwd", "NoAddress"),
            ("http://name@127.0.0.1:PORT/", "NoAddress"),
            ("http://", "Nowhere"),
        ] {
            let (address, thread) = server(vec![to(location)]);
            let fetcher = Fetcher::new(allowing(&[&address.to_string(), "169.254.169.254"]));
            let error = fetcher
                .fetch(&format!("http://{address}/"), 100, until())
                .unwrap_err();
            assert!(format!("{error:?}").starts_with(kind), "{location}: {error:?}");
            thread.join().unwrap();
        }
        let (address, thread) = server(vec![to("/"); HOPS + 1]);
        let fetcher = Fetcher::new(allowing(&[&address.to_string()]));
        let error = fetcher
            .fetch(&format!("http://{address}/"), 100, until())
            .unwrap_err();
        assert!(matches!(error, FetchError::Hops), "{error}");
        thread.join().unwrap();
    }

    #[test]
    fn size_time_and_what_is_no_picture_have_ends() {
        let late = Instant::now();
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc".to_owned();
        let endless = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
            "5\r\nhello\r\n".repeat(5)
        );
        let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned();
        for (answer, kind) in [
            (picture("too long"), "TooLarge"),
            (endless, "TooLarge"),
            (none, "Status"),
            (cut, "Failed"),
            ("what?\r\n\r\n".to_owned(), "Failed"),
        ] {
            let (address, thread) = server(vec![answer]);
            let fetcher = Fetcher::new(allowing(&[&address.to_string()]));
            let error = fetcher.fetch(&format!("http://{address}/"), 7, until());
            let error = error.unwrap_err();
            assert!(format!("{error:?}").starts_with(kind), "{error:?}");
            let error = fetcher.fetch(&format!("http://{address}/"), 7, late).unwrap_err();
            assert!(matches!(error, FetchError::TooSlow), "{error:?}");
            thread.join().unwrap();
        }
        // One that takes the connection and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let fetcher = Fetcher::new(allowing(&[&address.to_string()]));
        let soon = Instant::now() + Duration::from_millis(50);
        let error = fetcher.fetch(&format!("http://{address}/"), 7, soon).unwrap_err();
        assert!(matches!(error, FetchError::TooSlow), "{error:?}");
        // TLS is spoken where the address says so: this end does not.
        let (address, thread) = server(vec![]);
        thread.join().unwrap();
        let fetcher = Fetcher::new(allowing(&[&address.to_string()]));
        let error = fetcher
            .fetch(&format!("https://{address}/"), 7, until())
            .unwrap_err();
        assert!(matches!(error, FetchError::Failed { .. }), "{error:?}");
    }

    #[test]
    fn names_of_this_machine_are_not_fetched_from() {
        let (address, _) = server(vec![]);
        let local = format!("localhost:{}", address.port());
        for host in [&local, &address.to_string()] {
            let hosts = PictureHosts::new([host.as_str()]).unwrap();
            let error = Fetcher::new(hosts).fetch(&format!("http://{host}/"), 7, until());
            let error = error.unwrap_err();
            assert!(matches!(error, FetchError::Address(_)), "{host}: {error:?}");
        }
    }

    /// Says something else each time.
    #[derive(Debug)]
    struct Turning(Mutex<Vec<Vec<SocketAddr>>>);

    impl Resolver for Turning {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            let mut found = self.empty();
            for address in self.0.lock().unwrap().remove(0) {
                found.push(address);
            }
            Ok(found)
        }
    }

    #[test]
    fn a_name_that_turns_leads_to_where_it_was_checked() {
        let (address, thread) = server(vec![picture("here")]);
        let inside = SocketAddr::from(([10, 0, 0, 1], 80));
        let turning = |answers: &[&[SocketAddr]]| {
            let answers = answers.iter().map(|found| found.to_vec()).collect();
            Fetcher::resolving(allowing(&["turning.test"]), Turning(Mutex::new(answers)))
        };
        let fetcher = turning(&[&[address], &[inside]]);
        let fetch = |fetcher: &Fetcher| fetcher.fetch("http://turning.test/", 7, until());
        assert_eq!(fetch(&fetcher).unwrap(), b"here");
        thread.join().unwrap();
        assert!(matches!(fetch(&fetcher), Err(FetchError::Address(_))));
        // Where one of several is inside, none is tried.
        for found in [[inside, address], [address, inside]] {
            assert!(matches!(fetch(&turning(&[&found])), Err(FetchError::Address(_))));
        }
    }
}
