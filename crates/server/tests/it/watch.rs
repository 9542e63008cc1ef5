//! A run that is watched over HTTP: who is let in, what counts as an answer.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aurore_action::{Action, FrameId};
use aurore_agent::{Answer, Approver, Hub, Question, UpFront, UpFrontItem, WatchApprover};
use aurore_policy::{Decision, Layer, RuleRef, Tier, VerdictRecord};
use aurore_server::{KeyStore, Keys, NewKey, Scope, Watch};
use serde_json::{Value, json};

use crate::client::{Reply, open_at};

const MINUTE: Duration = Duration::from_mins(1);

/// A hub that is served, and keys for it.
struct Site {
    hub: Hub,
    stop: Arc<AtomicBool>,
    watch: Watch,
    _folder: tempfile::TempDir,
    agent: String,
    infer: String,
}

impl Site {
    fn new() -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let hub = Hub::new(Arc::clone(&stop), None);
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("keys.json"));
        let key = |name: &str, scope| {
            let new = NewKey {
                scopes: vec![scope],
                ..NewKey::named(name)
            };
            store.make(new, 0).unwrap().0
        };
        let (agent, infer) = (key("phone", Scope::Agent), key("chat", Scope::Infer));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let watch = Watch::start(hub.clone(), Keys::none().with_store(store), listener).unwrap();
        Self {
            hub,
            stop,
            watch,
            _folder: folder,
            agent,
            infer,
        }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [headers, &[("content-type", "application/json")]].concat();
        Reply::read(open_at(self.watch.address(), method, path, &headers, &body))
    }

    /// Asks with the key of the agent's.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send(method, path, &[("x-api-key", &self.agent)], body)
    }

    /// A browser that came over a link: its cookie, and what its page keeps.
    fn browser(&self) -> (String, String) {
        let link = self.watch.link().unwrap();
        let path = link.strip_prefix(&self.watch.origin()).unwrap();
        let mut reply = String::new();
        let mut stream = open_at(self.watch.address(), "GET", path, &[], "");
        stream.read_to_string(&mut reply).unwrap();
        let again = self.send("GET", path, &[], &Value::Null);
        assert_eq!(again.status, 401, "a link works once");
        let cookie = reply
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .unwrap();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
        let (_, hand) = reply.split_once("<meta name=\"aurore-hand\" content=\"").unwrap();
        let hand = hand.split('"').next().unwrap();
        (cookie.split(';').next().unwrap().to_owned(), hand.to_owned())
    }

    /// Puts a question, and what comes of it.
    fn question(&self, wait: Duration) -> JoinHandle<(Answer, String)> {
        let mut approver = WatchApprover::new(self.hub.clone(), None);
        std::thread::spawn(move || {
            let answer = approver.ask(&question(wait));
            (answer, approver.answered_by())
        })
    }

    /// The open question, read from the stream of events as a program would.
    fn asked(&self) -> Value {
        let stream = open_at(
            self.watch.address(),
            "GET",
            "/runs/current/events",
            &[("x-api-key", &self.agent)],
            "",
        );
        let mut newest = Value::Null;
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let event: Value = serde_json::from_str(data).unwrap();
            match event["event"].as_str().unwrap() {
                "asked" | "asked_up_front" => newest = event,
                "answered" => newest = Value::Null,
                _ => {}
            }
            if !newest.is_null() && newest["sequence"] == json!(self.last()) {
                return newest;
            }
        }
        panic!("the stream ended");
    }

    fn last(&self) -> u64 {
        self.hub.since(0).last().map_or(0, |entry| entry.sequence)
    }
}

fn question(wait: Duration) -> Question {
    Question {
        run: "run".into(),
        step: 1,
        goal: "buy tea".into(),
        thinking: "hm".into(),
        intent: String::new(),
        expect: String::new(),
        words: "click button 'Pay now'".into(),
        action: Action::Screenshot,
        target: None,
        url: None,
        origin: "https://shop.example".into(),
        verdict: VerdictRecord {
            decision: Decision::Ask,
            rule: RuleRef {
                layer: Layer::Builtin,
                name: "tier-3-ask".into(),
                reason: "it matters".into(),
            },
            tier: Tier::Always,
            why: "it pays".into(),
        },
        grants: "this".into(),
        scopes: Vec::new(),
        frame: FrameId("0".into()),
        png: Arc::from([]),
        point: None,
        bounds: None,
        wait,
    }
}

#[test]
fn only_keys_of_the_agent_and_browsers_with_a_link_come_in() {
    let site = Site::new();
    let own = site.watch.origin();
    let (cookie, hand) = site.browser();
    for path in ["/", "/runs/current", "/frames/0", "/watch/main.js", "/nowhere"] {
        assert_eq!(site.send("GET", path, &[], &Value::Null).status, 401, "{path}");
        let other = site.send("GET", path, &[("x-api-key", &site.infer)], &Value::Null);
        assert_eq!(other.status, 403, "{path}");
    }
    assert_eq!(site.ask("GET", "/runs/current", &Value::Null).status, 200);
    assert_eq!(site.ask("GET", "/frames/0", &Value::Null).status, 404);
    let browse = |method: &str, path: &str, more: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str())], more].concat();
        site.send(method, path, &headers, &Value::Null)
    };
    let page = browse("GET", "/", &[]);
    assert!(
        page.status == 200 && page.head.contains("frame-ancestors 'none'"),
        "{page:?}"
    );
    // Names that lead here, pages of others, and browsers that do not say whose page asks.
    assert_eq!(browse("GET", "/", &[("host", "evil.example")]).status, 403);
    assert_eq!(
        browse("GET", "/", &[("origin", "http://evil.example")]).status,
        403
    );
    assert_eq!(browse("POST", "/runs/current/pause", &[]).status, 403);
    assert_eq!(
        browse("POST", "/runs/current/pause", &[("origin", "null")]).status,
        403
    );
    // The cookie alone, which another server of this machine may have read.
    let stolen = browse("POST", "/runs/current/pause", &[("origin", &own)]);
    assert_eq!(stolen.json()["error"]["code"], "unknown_hand", "{stolen:?}");
    let both = [("origin", own.as_str()), ("x-aurore-hand", hand.as_str())];
    let guessed = [both[0], ("x-aurore-hand", cookie.as_str())];
    assert_eq!(browse("POST", "/runs/current/pause", &guessed).status, 403);
    assert_eq!(browse("POST", "/runs/current/pause", &both).status, 200);
    let preflight = browse(
        "OPTIONS",
        "/runs/current/pause",
        &[("origin", "http://evil.example")],
    );
    assert_eq!(preflight.status, 403);
    assert!(!preflight.head.contains("access-control"), "{preflight:?}");
    // Whoever is in may let another one in.
    let link = browse("POST", "/links", &both).json();
    assert!(
        link["url"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{own}/open?token="))
    );
}

#[test]
fn an_answer_counts_once_by_name_and_nonce() {
    let site = Site::new();
    let waiting = site.question(MINUTE);
    let asked = site.asked();
    let path = format!("/questions/{}", asked["id"].as_str().unwrap());
    assert_eq!(
        (asked["words"].as_str(), asked["thinking"].as_str()),
        (Some("click button 'Pay now'"), Some("hm"))
    );
    let code = |reply: Reply| (reply.status, reply.json()["error"]["code"].clone());
    let say = |path: &str, body: &Value| site.ask("POST", path, body);
    let nonce = &asked["nonce"];
    assert_eq!(
        code(say("/questions/0", &json!({"nonce": nonce, "answer": "yes"}))),
        (404, json!("unknown_question"))
    );
    assert_eq!(
        code(say(&path, &json!({"nonce": "0", "answer": "yes"}))),
        (409, json!("other_question"))
    );
    assert_eq!(
        code(say(&path, &json!({"nonce": nonce, "answer": "yes", "scope": 0}))),
        (400, json!("unknown_scope"))
    );
    assert_eq!(
        say(&path, &json!({"nonce": nonce, "answer": "perhaps"})).status,
        400
    );
    assert_eq!(
        say(&path, &json!({"nonce": nonce, "answer": "yes", "more": 1})).status,
        400
    );
    assert_eq!(say(&path, &json!({"answer": "yes"})).status, 400);
    let long = "x".repeat(2001);
    assert_eq!(
        say(&path, &json!({"nonce": nonce, "answer": "no", "reason": long})).status,
        400
    );
    assert_eq!(
        say(&path, &json!({"nonce": nonce, "answer": "no", "reason": "dear"})).status,
        200
    );
    let (answer, by) = waiting.join().unwrap();
    assert_eq!(
        (answer, by.as_str()),
        (Answer::No("dear".into()), "the key \"phone\"")
    );
    let late = say(&path, &json!({"nonce": nonce, "answer": "yes"}));
    assert!(late.body.contains("too late"), "{late:?}");
    assert_eq!(code(late), (409, json!("already_answered")));

    // The second question does not take what was meant for the first.
    let waiting = site.question(MINUTE);
    let second = site.asked();
    let second_path = format!("/questions/{}", second["id"].as_str().unwrap());
    assert_ne!(second["id"], asked["id"]);
    assert_eq!(
        code(say(&second_path, &json!({"nonce": nonce, "answer": "yes"}))),
        (409, json!("other_question"))
    );
    assert_eq!(
        say(&second_path, &json!({"nonce": second["nonce"], "answer": "yes"})).status,
        200
    );
    assert_eq!(waiting.join().unwrap().0, Answer::Yes);
}

#[test]
fn what_is_asked_up_front_is_answered_item_by_item() {
    let site = Site::new();
    let item = |words: &str| UpFrontItem {
        words: words.into(),
        what: "carry text between places".into(),
        with: Vec::new(),
        places: vec!["https://shop.example".into(), "https://post.example".into()],
        rule: "[[rule]]\ndecision = \"allow\"\n".into(),
    };
    let put = |items: &[&str]| {
        let question = UpFront {
            run: "run".into(),
            goal: "buy tea".into(),
            url: None,
            principal: "model:test".into(),
            items: items.iter().map(|words| item(words)).collect(),
            frame: FrameId("0".into()),
            png: Arc::from([1]),
            wait: MINUTE,
        };
        let mut approver = WatchApprover::new(site.hub.clone(), None);
        std::thread::spawn(move || {
            let answer = approver.ask_up_front(&question).unwrap();
            (answer, approver.answered_by())
        })
    };
    let waiting = put(&["carry", "log in"]);
    let asked = site.asked();
    assert_eq!(asked["event"], "asked_up_front");
    assert_eq!(asked["principal"], "model:test");
    assert_eq!(asked["items"][1]["words"], "log in");
    assert_eq!(asked["items"][0]["places"][1], "https://post.example");
    assert!(
        asked["items"][0]["rule"].as_str().unwrap().contains("allow"),
        "{asked}"
    );
    assert!(
        asked.get("png").is_none() && asked["wait_ms"] == 60_000,
        "{asked}"
    );
    let path = format!("/questions/{}", asked["id"].as_str().unwrap());
    let say = |body: &Value| {
        let reply = site.ask("POST", &path, body);
        (reply.status, reply.json()["error"]["code"].clone())
    };
    let nonce = &asked["nonce"];
    let refused = |code: &str| (400, json!(code));
    for items in [json!([]), json!([2]), json!([0, 7])] {
        let body = json!({"nonce": nonce, "answer": "yes", "items": items});
        assert_eq!(say(&body), refused("unknown_items"), "{items}");
    }
    let scoped = json!({"nonce": nonce, "answer": "yes", "scope": 0});
    assert_eq!(say(&scoped), refused("unknown_scope"));
    for (answer, more) in [("no", "items"), ("stop", "items"), ("yes", "scope")] {
        let mut body = json!({"nonce": nonce, "answer": answer, "items": [0]});
        if more == "scope" {
            body["scope"] = json!(0);
        }
        assert_eq!(say(&body).0, 400, "{body}");
    }
    let body = json!({"nonce": nonce, "answer": "yes", "items": [1]});
    assert_eq!(say(&body).0, 200);
    let (answer, by) = waiting.join().unwrap();
    assert_eq!(
        (answer, by.as_str()),
        (Answer::Only(vec![1]), "the key \"phone\"")
    );
    let told = site.ask("GET", "/runs/current", &Value::Null).json()["entries"][1].clone();
    assert_eq!((&told["event"], &told["step"]), (&json!("answered"), &json!(0)));
    assert_eq!(
        (&told["allowed"], &told["note"]),
        (&json!(true), &json!("for this run: log in"))
    );
    // A question about a step has no items.
    let waiting = site.question(MINUTE);
    let asked = site.asked();
    let path = format!("/questions/{}", asked["id"].as_str().unwrap());
    let items = json!({"nonce": asked["nonce"], "answer": "yes", "items": [0]});
    assert_eq!(
        site.ask("POST", &path, &items).json()["error"]["code"],
        "unknown_items"
    );
    let stop = json!({"nonce": asked["nonce"], "answer": "stop"});
    assert_eq!(site.ask("POST", &path, &stop).status, 200);
    assert_eq!(waiting.join().unwrap().0, Answer::Stop);
}

#[test]
fn an_answer_after_its_time_is_refused_and_says_so() {
    let site = Site::new();
    assert!(matches!(
        site.question(Duration::ZERO).join().unwrap().0,
        Answer::No(_)
    ));
    let entries = site.ask("GET", "/runs/current", &Value::Null).json()["entries"].clone();
    let asked = &entries[0];
    let path = format!("/questions/{}", asked["id"].as_str().unwrap());
    let late = site.ask("POST", &path, &json!({"nonce": asked["nonce"], "answer": "yes"}));
    assert_eq!(
        (late.status, &late.json()["error"]["code"]),
        (409, &json!("too_late"))
    );
}

#[test]
fn a_browser_cannot_have_answered_before_it_saw_the_question() {
    let site = Site::new();
    let ((cookie, hand), own) = (site.browser(), site.watch.origin());
    let waiting = site.question(MINUTE);
    let asked = site.asked();
    let path = format!("/questions/{}", asked["id"].as_str().unwrap());
    let body = json!({"nonce": asked["nonce"], "answer": "stop"});
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", own.as_str()),
        ("x-aurore-hand", hand.as_str()),
    ];
    // Too soon at first, and then not: how often it is too soon depends on the machine.
    loop {
        let reply = site.send("POST", &path, &headers, &body);
        if reply.status == 200 {
            break;
        }
        assert_eq!(reply.json()["error"]["code"], "too_soon");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (answer, by) = waiting.join().unwrap();
    assert_eq!(
        (answer, by.as_str()),
        (Answer::Stop, "the person at the watch page")
    );
}

#[test]
fn the_kill_switch_works_over_http() {
    let site = Site::new();
    let waiting = site.question(MINUTE);
    site.asked();
    assert_eq!(site.ask("POST", "/runs/current/dance", &Value::Null).status, 404);
    assert_eq!(
        site.ask("POST", "/runs/current/give_back", &Value::Null).status,
        409
    );
    assert_eq!(site.ask("POST", "/runs/current/kill", &Value::Null).status, 200);
    assert_eq!(waiting.join().unwrap().0, Answer::Stop);
    assert!(site.stop.load(Ordering::SeqCst));
}

#[test]
fn streams_end_with_the_page_and_viewers_are_counted() {
    let site = Site::new();
    let stream = open_at(
        site.watch.address(),
        "GET",
        "/runs/current/events",
        &[("x-api-key", &site.agent)],
        "",
    );
    while site.watch.viewers() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(site.watch.was_watched());
    site.watch.stop().unwrap();
    // To its end, which comes.
    assert!(BufReader::new(stream).lines().all(|line| line.is_ok()));
}

#[test]
fn a_stream_goes_on_where_it_was_lost() {
    let site = Site::new();
    for order in ["pause", "resume", "pause"] {
        let path = format!("/runs/current/{order}");
        assert_eq!(site.ask("POST", &path, &Value::Null).status, 200);
    }
    let first = |path: &str, more: &[(&str, &str)]| {
        let headers = [&[("x-api-key", site.agent.as_str())], more].concat();
        let stream = open_at(site.watch.address(), "GET", path, &headers, "");
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
        let event: Value = serde_json::from_str(&data.unwrap()).unwrap();
        event["sequence"].clone()
    };
    assert_eq!(first("/runs/current/events", &[]), 1);
    assert_eq!(first("/runs/current/events?after=1", &[]), 2);
    assert_eq!(first("/runs/current/events", &[("last-event-id", "2")]), 3);
    let rest = site.ask("GET", "/runs/current?after=2", &Value::Null).json();
    assert_eq!(
        (&rest["last"], rest["entries"].as_array().unwrap().len()),
        (&json!(3), 1)
    );
}
