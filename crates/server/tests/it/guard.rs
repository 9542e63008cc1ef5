//! Who is let in.

use aurore_engine::Limits;
use aurore_server::{Keys, Options};

use crate::client::Running;

fn guarded() -> Running {
    let options = Options {
        keys: Keys::new(["secret"]),
        hosts: vec!["box.local".to_owned()],
        origins: vec!["http://app.example".to_owned()],
        ..Options::default()
    };
    Running::with(options, Limits::default())
}

#[test]
fn every_route_asks_for_a_key() {
    let running = guarded();
    for path in ["/health", "/ready", "/v1/models", "/v1/messages", "/nowhere", "/"] {
        let reply = running.get(path);
        assert_eq!(reply.status, 401, "{path}: {reply:?}");
        assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        assert_eq!(reply.json()["error"]["type"], "authentication_error");
    }
    for (name, value, status) in [
        ("authorization", "Bearer secret", 200),
        ("authorization", "bearer  secret", 200),
        ("x-api-key", "secret", 200),
        ("authorization", "Bearer secret2", 401),
        ("authorization", "Basic secret", 401),
        ("x-api-key", "", 401),
    ] {
        let reply = running.send("GET", "/v1/models", &[(name, value)], "");
        assert_eq!(reply.status, status, "{name}: {value}");
    }
}

#[test]
fn names_and_pages_that_are_not_known_are_refused() {
    let running = guarded();
    let ask = |more: &[(&str, &str)]| {
        let headers = [&[("x-api-key", "secret")], more].concat();
        running.send("GET", "/v1/models", &headers, "")
    };
    let own = running.address.to_string();
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "[::1]",
        "box.local:80",
        &own,
    ] {
        assert_eq!(ask(&[("host", host)]).status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io:8080",
        "",
    ] {
        let reply = ask(&[("host", host)]);
        assert_eq!(reply.status, 403, "{host}");
        assert_eq!(reply.json()["error"]["code"], "unknown_host");
    }
    for (origin, status) in [
        (format!("http://{own}"), 200),
        ("http://app.example".to_owned(), 200),
        ("http://evil.example".to_owned(), 403),
        ("http://app.example.evil".to_owned(), 403),
        ("null".to_owned(), 403),
    ] {
        let reply = ask(&[("origin", &origin)]);
        assert_eq!(reply.status, status, "{origin}");
        let opened = reply.head.contains("access-control-allow-origin");
        assert_eq!(opened, origin == "http://app.example", "{reply:?}");
    }
}

#[test]
fn a_browser_may_ask_whether_it_may_ask() {
    let running = guarded();
    let preflight = |origin| running.send("OPTIONS", "/v1/chat/completions", &[("origin", origin)], "");
    let allowed = preflight("http://app.example");
    assert_eq!(allowed.status, 204);
    assert!(
        allowed
            .head
            .contains("access-control-allow-headers: *, authorization")
    );
    assert_eq!(preflight("http://evil.example").status, 403);
}
