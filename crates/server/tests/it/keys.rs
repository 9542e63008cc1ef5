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
        ("/v1/responses/nothing", 404, 403),
        ("/metrics", 403, 200),
        ("/figures", 403, 200),
        ("/", 403, 200),
        ("/health", 200, 200),
        ("/openapi.json", 200, 200),
        ("/nowhere", 404, 404),
    ] {
        let statuses = [&infer, &manage, &none].map(|key| kept.get(key, path).status);
        let nobody = if infers == manages { infers } else { 403 };
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
