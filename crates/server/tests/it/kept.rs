//! Responses that are kept: after a restart, in the background, and as lists of items.

use std::path::Path;

use aurore_engine::Limits;
use aurore_server::{Options, Responses, Retention};
use serde_json::{Value, json};

use crate::client::{Reply, Running};

fn at(file: &Path) -> Running {
    let options = Options {
        responses: Some(Responses::open(file, Retention::default()).unwrap()),
        ..Options::default()
    };
    Running::with(options, Limits::default())
}

fn ask(running: &Running, more: Value) -> Reply {
    let mut body = json!({"input": "Close the message.", "temperature": 0, "max_output_tokens": 60,
        "reasoning": {"effort": "none"}});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    running.post("/v1/responses", &body)
}

fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

/// Asks until it has ended.
fn wait(running: &Running, id: &str) -> Value {
    loop {
        let now = running.get(&format!("/v1/responses/{id}")).json();
        if now["status"] != "in_progress" {
            return now;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_restart_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("responses.sqlite");
    let mut running = at(&file);
    let first = ask(&running, json!({})).json();
    running.stop();
    let mut running = at(&file);
    let path = format!("/v1/responses/{}", id(&first));
    assert_eq!(running.get(&path).json(), first);
    let next = ask(
        &running,
        json!({"previous_response_id": id(&first), "input": "And now?"}),
    )
    .json();
    assert!(next["usage"]["input_tokens"].as_u64() > first["usage"]["input_tokens"].as_u64());
    // What goes on from a deleted one still knows it.
    assert_eq!(running.send("DELETE", &path, &[], "").json()["deleted"], true);
    running.stop();
    let running = at(&file);
    assert_eq!(running.get(&path).status, 404);
    let more = json!({"previous_response_id": id(&next), "input": "Go on."});
    let last = ask(&running, more.clone()).json();
    assert!(last["usage"]["input_tokens"].as_u64() > next["usage"]["input_tokens"].as_u64());
    let same = ask(&running, more).json();
    assert_eq!(same["usage"]["input_tokens"], last["usage"]["input_tokens"]);
}

#[test]
fn items_are_listed() {
    let running = Running::new();
    let first = ask(&running, json!({})).json();
    let next = ask(
        &running,
        json!({"previous_response_id": id(&first), "input": [{"role": "user", "content": "One."}, {"role": "user", "content": "Two.", "id": "mine"}]}),
    );
    let path = format!("/v1/responses/{}/input_items", id(&next.json()));
    let all = running.get(&format!("{path}?order=asc&limit=100")).json();
    let data = all["data"].as_array().unwrap();
    assert_eq!(
        data[0]["content"],
        json!([{"type": "input_text", "text": "Close the message."}])
    );
    assert_eq!(data[1], first["output"][0]);
    let last = data.len() - 1;
    assert_eq!(
        (&data[last]["id"], &all["last_id"]),
        (&json!("mine"), &json!("mine"))
    );
    assert!(
        data.iter()
            .all(|item| item["id"].is_string() && item["type"].is_string())
    );
    let page = running.get(&format!("{path}?limit=1")).json();
    assert_eq!(
        (&page["data"][0]["id"], &page["has_more"]),
        (&json!("mine"), &json!(true))
    );
    let wrong = running.get(&format!("{path}?limit=1000"));
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["param"]),
        (400, &json!("limit"))
    );
    assert_eq!(running.get("/v1/responses/resp_none/input_items").status, 404);
}

#[test]
fn in_the_background_nobody_waits() {
    let running = Running::new();
    let whole = ask(&running, json!({})).json();
    let begun = ask(&running, json!({"background": true})).json();
    assert_eq!(
        (&begun["status"], &begun["background"]),
        (&json!("in_progress"), &json!(true))
    );
    let ended = wait(&running, id(&begun));
    assert_eq!(ended["status"], whole["status"]);
    assert_eq!(ended["output"][0]["content"], whole["output"][0]["content"]);
    assert_eq!(ended["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
    // One that has ended stays as it is.
    let cancel = |id: &str| running.post(&format!("/v1/responses/{id}/cancel"), &json!({}));
    assert_eq!(cancel(id(&begun)).json(), ended);
    let refused = cancel(id(&whole));
    assert_eq!(
        (refused.status, &refused.json()["error"]["param"]),
        (400, &json!("response_id"))
    );
    assert_eq!(cancel("resp_none").status, 404);
    for (more, param) in [
        (json!({"background": true, "store": false}), "store"),
        (json!({"background": true, "stream": true}), "stream"),
        (
            json!({"background": true, "tool_choice": "required"}),
            "tool_choice",
        ),
    ] {
        let refused = ask(&running, more);
        assert_eq!(
            (refused.status, &refused.json()["error"]["param"]),
            (400, &json!(param))
        );
    }
}

#[test]
fn one_in_the_background_is_cancelled_or_ends_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("responses.sqlite");
    let mut running = at(&file);
    // A long pattern, so that the answer takes a while.
    let endless = json!({"background": true, "max_output_tokens": 100_000,
        "text": {"format": {"type": "regex", "pattern": "[a-f]{3000}"}}});
    let begun = ask(&running, endless.clone()).json();
    let early = ask(&running, json!({"previous_response_id": id(&begun)}));
    assert_eq!(
        (early.status, &early.json()["error"]["param"]),
        (400, &json!("previous_response_id"))
    );
    let path = format!("/v1/responses/{}", id(&begun));
    let cancelled = running.post(&format!("{path}/cancel"), &json!({})).json();
    // It may have ended first.
    assert!(["cancelled", "completed", "incomplete"].contains(&cancelled["status"].as_str().unwrap()));
    assert_eq!(running.get(&path).json(), cancelled);
    while running.scheduler.statistics().running > 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Deleted while it is made.
    let begun = ask(&running, endless.clone()).json();
    let path = format!("/v1/responses/{}", id(&begun));
    assert_eq!(running.send("DELETE", &path, &[], "").json()["deleted"], true);
    assert_eq!(running.get(&path).status, 404);
    let begun = ask(&running, endless).json();
    running.scheduler.drain(std::time::Duration::ZERO);
    running.stop();
    let running = at(&file);
    let ended = running.get(&format!("/v1/responses/{}", id(&begun))).json();
    assert!(ended["status"] != "in_progress", "{ended}");
}
