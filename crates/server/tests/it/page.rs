//! The page, and how a browser comes in.

use aurore_engine::Limits;
use aurore_server::{Keys, Options};

use crate::client::{Reply, Running};

fn guarded() -> Running {
    let options = Options {
        name: "nano".to_owned(),
        aliases: vec!["<b>&".to_owned()],
        keys: Keys::new(["secret"]),
        ..Options::default()
    };
    Running::with(options, Limits::default())
}

fn cookie(reply: &Reply) -> Option<String> {
    let set = reply
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let set = set?;
    assert!(set.contains("; path=/; httponly; samesite=strict"), "{set}");
    // The head was brought to small letters, the cookie's value too.
    Some(set.split(';').next().unwrap().to_owned())
}

#[test]
fn a_link_works_once_and_leaves_a_cookie() {
    let running = guarded();
    let html = [("accept", "text/html,*/*")];
    let closed = running.send("GET", "/", &html, "");
    assert!(
        closed.status == 401 && closed.head.contains("text/html"),
        "{closed:?}"
    );
    let link = running.link();
    assert_eq!(running.send("HEAD", &link, &[], "").status, 401);
    let raw = running.raw("GET", &link);
    let set = raw
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    let cookie_value = set.split(';').next().unwrap().to_owned();
    let again = running.get(&link);
    assert!(again.status == 401 && cookie(&again).is_none(), "{again:?}");
    assert_eq!(running.get("/open?token=guess").status, 401);
    let with = |path: &str| running.send("GET", path, &[("cookie", &cookie_value)], "");
    for path in ["/", "/page.css", "/page.js", "/icon.svg", "/figures"] {
        let reply = with(path);
        assert_eq!(reply.status, 200, "{path}");
        assert!(path == "/figures" || reply.head.contains("content-security-policy: default-src 'none'"));
    }
    let page = with("/").body;
    assert!(page.contains("also &lt;b&gt;&amp;") && page.contains(&format!("http://{}/v1", running.address)));
    assert!(!page.contains("{{"));
    // It is no key.
    for path in ["/v1/models", "/metrics"] {
        assert_eq!(with(path).status, 403, "{path}");
    }
    let ask = [
        ("cookie", cookie_value.as_str()),
        ("content-type", "application/json"),
    ];
    assert_eq!(
        running.send("POST", "/v1/chat/completions", &ask, "{}").status,
        401
    );
    assert_eq!(running.send("POST", "/links", &ask, "").status, 401);
    // Nor does it open another server of this machine.
    let name = cookie_value.split('=').next().unwrap();
    assert_eq!(name, format!("aurore-{}", running.address.port()));
}

#[test]
fn whoever_may_manage_gives_out_more_links() {
    let running = guarded();
    let reply = running.send("POST", "/links", &[("x-api-key", "secret")], "");
    let url = reply.json()["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&format!("http://{}", running.address)).unwrap();
    assert!(cookie(&running.get(path)).is_some());
    assert!(cookie(&running.get(path)).is_none());
}

#[test]
fn figures_say_what_goes_on() {
    let running = Running::new();
    let before = running.get("/figures").json();
    assert_eq!(
        (&before["model"], &before["first_token_seconds"]),
        (&"nano".into(), &serde_json::Value::Null)
    );
    running.chat(serde_json::json!({"max_tokens": 3}));
    while running.scheduler.statistics().answers < 1 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let after = running.get("/figures").json();
    assert!(
        after["answers"] == 1 && after["first_token_seconds"].as_f64().unwrap() > 0.0,
        "{after}"
    );
}
