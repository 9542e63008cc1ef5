//! Keys of a store: scopes, limits, and their end while the server runs.

use std::num::NonZeroU32;

use aurore_engine::Limits;
use aurore_server::{KeyStore, Keys, NewKey, Options, Scope};
use serde_json::{Value, json};

use crate::client::{Reply, Running, body};

struct Kept {
    running: Running,
    store: KeyStore,
    _folder: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("keys.json"));
        let options = Options {
            keys: Keys::none().with_store(store.clone()),
            ..Options::default()
        };
        Self {
            running: Running::with(options, Limits::default()),
            store,
            _folder: folder,
        }
    }

    fn make(&self, new: NewKey) -> String {
        self.store.make(new, 0).unwrap().0
    }

    fn get(&self, key: &str, path: &str) -> Reply {
        self.running.send("GET", path, &[("x-api-key", key)], "")
    }

    fn post(&self, key: &str, path: &str, body: &Value) -> Reply {
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        self.running.send("POST", path, &headers, &body.to_string())
    }
}

#[test]
fn a_key_opens_what_its_scopes_say() {
    let kept = Kept::new();
    let with = |scopes: &[Scope]| {
        kept.make(NewKey {
            scopes: scopes.to_vec(),
            ..NewKey::named("x")
        })
    };
    let (infer, manage, none) = (with(&[Scope::Infer]), with(&[Scope::Manage]), with(&[]));
    let both = with(&[Scope::Infer, Scope::Manage]);
    for (path, infers, manages) in [
        ("/v1/models", 200, 403),
        ("/v1/responses/nothing", 404, 404),
        ("/metrics", 403, 200),
        ("/figures", 403, 200),
        ("/", 403, 200),
        ("/health", 200, 200),
        ("/openapi.json", 200, 200),
        ("/nowhere", 404, 404),
    ] {
        let statuses = [&infer, &manage, &none].map(|key| kept.get(key, path).status);
        let is_anybodys = ["/health", "/openapi.json", "/nowhere"].contains(&path);
        let nobody = if is_anybodys { infers } else { 403 };
        assert_eq!(statuses, [infers, manages, nobody], "{path}");
        assert_ne!(kept.get(&both, path).status, 403, "{path}");
    }
    let refused = kept.get(&infer, "/metrics").json();
    assert_eq!(
        (&refused["error"]["type"], &refused["error"]["code"]),
        (&json!("permission_error"), &json!("insufficient_scope"))
    );
    let refused = kept.post(&manage, "/v1/messages", &body(json!({})));
    assert_eq!(
        (refused.status, &refused.json()["error"]["type"]),
        (403, &json!("permission_error"))
    );
}

#[test]
fn a_revoked_key_opens_nothing_from_the_next_request_on() {
    let kept = Kept::new();
    // An empty store lets nobody in.
    assert_eq!(kept.get("", "/health").status, 401);
    let (first, second) = (
        kept.make(NewKey::named("first")),
        kept.make(NewKey::named("second")),
    );
    assert_eq!(kept.get(&first, "/v1/models").status, 200);
    kept.store.revoke("first").unwrap();
    assert_eq!(kept.get(&first, "/v1/models").status, 401);
    assert_eq!(kept.get(&second, "/v1/models").status, 200);
    kept.store.revoke("second").unwrap();
    assert_eq!(kept.get(&second, "/v1/models").status, 401);
}

#[test]
fn a_minute_has_so_many_requests() {
    let kept = Kept::new();
    let limited = kept.make(NewKey {
        requests_per_minute: NonZeroU32::new(2),
        ..NewKey::named("limited")
    });
    let ask = body(json!({"max_tokens": 1}));
    for path in ["/v1/chat/completions", "/v1/messages"] {
        assert_eq!(kept.post(&limited, path, &ask).status, 200);
    }
    // Whoever only looks is not counted.
    assert_eq!(kept.get(&limited, "/health").status, 200);
    // Making another key forgets nothing.
    let other = kept.make(NewKey::named("other"));
    let refused = kept.post(&limited, "/v1/chat/completions", &ask);
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (429, &json!("rate_limit_exceeded"))
    );
    let wait = refused
        .head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    assert!(
        (1..=31).contains(&wait.unwrap().parse::<u64>().unwrap()),
        "{refused:?}"
    );
    let refused = kept.post(&limited, "/v1/messages", &ask);
    assert_eq!(
        (refused.status, &refused.json()["error"]["type"]),
        (429, &json!("rate_limit_error"))
    );
    assert_eq!(kept.post(&other, "/v1/messages", &ask).status, 200);
}

#[test]
fn tokens_are_counted_in_every_dialect() {
    let kept = Kept::new();
    for (path, more) in [
        ("/v1/chat/completions", json!({})),
        ("/v1/chat/completions", json!({"stream": true})),
        ("/v1/messages", json!({})),
        ("/v1/responses", json!({"input": "Close the message."})),
        ("/v1/completions", json!({"prompt": "Close the message."})),
        ("/v1/embeddings", json!({"input": "Close the message."})),
    ] {
        let limited = kept.make(NewKey {
            // One may be asked; then it is in debt.
            tokens_per_minute: NonZeroU32::new(2),
            ..NewKey::named("limited")
        });
        let ask = body(more.clone());
        assert_eq!(kept.post(&limited, path, &ask).status, 200, "{path}");
        let refused = kept.post(&limited, path, &ask);
        assert_eq!(refused.status, 429, "{path} {more}");
        assert!(refused.body.contains("2 tokens a minute"), "{refused:?}");
        kept.store.revoke("limited").unwrap();
    }
}

#[test]
fn a_kept_response_belongs_to_its_key() {
    let kept = Kept::new();
    let (mine, yours) = (
        kept.make(NewKey::named("mine")),
        kept.make(NewKey::named("yours")),
    );
    let manage = kept.make(NewKey {
        scopes: vec![Scope::Manage],
        ..NewKey::named("monitor")
    });
    let ask = |key: &str, more: Value| {
        let mut body = json!({"input": "Close the message.", "temperature": 0, "max_output_tokens": 4});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        kept.post(key, "/v1/responses", &body)
    };
    let send = |key: &str, method: &str, path: &str| {
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        kept.running.send(method, path, &headers, "")
    };
    // One that has ended, and one that goes on until it is ended.
    let ended = ask(&mine, json!({})).json();
    let endless = json!({"background": true, "max_output_tokens": 100_000,
        "text": {"format": {"type": "regex", "pattern": "[a-f]{3000}"}}});
    let under_way = ask(&mine, endless).json();
    for response in [&ended, &under_way] {
        let id = response["id"].as_str().unwrap();
        let path = format!("/v1/responses/{id}");
        // For others there is no such thing, in the same words as where there is none.
        for (method, path) in [
            ("GET", path.clone()),
            ("GET", format!("{path}/input_items")),
            ("POST", format!("{path}/cancel")),
            ("DELETE", path.clone()),
        ] {
            let refused = send(&yours, method, &path);
            assert_eq!(refused.status, 404, "{method} {path}");
            let none = send(&yours, method, &path.replace(id, "resp_none")).json();
            assert_eq!(
                refused.json().to_string().replace(id, "resp_none"),
                none.to_string()
            );
        }
        let refused = ask(&yours, json!({"previous_response_id": id}));
        assert_eq!(
            (refused.status, &refused.json()["error"]["param"]),
            (404, &json!("previous_response_id"))
        );
        for key in [&mine, &manage] {
            assert_eq!(send(key, "GET", &path).json()["id"], id);
            assert_eq!(send(key, "GET", &format!("{path}/input_items")).status, 200);
        }
    }
    // Nobody's asking ended it: whoever may manage does.
    let path = format!("/v1/responses/{}", under_way["id"].as_str().unwrap());
    let cancelled = send(&manage, "POST", &format!("{path}/cancel")).json();
    assert_ne!(cancelled["status"], "in_progress");
    let path = format!("/v1/responses/{}", ended["id"].as_str().unwrap());
    let next = ask(&mine, json!({"previous_response_id": ended["id"]}));
    assert_eq!(next.status, 200);
    assert_eq!(send(&manage, "DELETE", &path).status, 200);
    assert_eq!(send(&mine, "GET", &path).status, 404);
    // The routes that compute are not opened by managing.
    assert_eq!(ask(&manage, json!({})).status, 403);
    // A revoked key's are still there for whoever may manage.
    kept.store.revoke("mine").unwrap();
    let path = format!("/v1/responses/{}", next.json()["id"].as_str().unwrap());
    assert_eq!(send(&mine, "GET", &path).status, 401);
    assert_eq!(send(&manage, "GET", &path).status, 200);
}
