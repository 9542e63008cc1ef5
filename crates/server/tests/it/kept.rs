//! Responses that are kept: after a restart, in the background, and as lists of items.

use std::io::Read;
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

/// Events of a body, by their numbers.
fn numbered(body: &str) -> Vec<(u64, Value)> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| {
        let event: Value = serde_json::from_str(data).unwrap();
        (event["sequence_number"].as_u64().unwrap(), event)
    })
    .collect()
}

#[test]
fn events_of_the_background_are_heard_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("responses.sqlite");
    let mut running = at(&file);
    let heard = ask(&running, json!({"background": true, "stream": true}));
    let events = numbered(&heard.body);
    assert!(
        events
            .iter()
            .map(|(number, _)| *number)
            .eq(0..events.len() as u64)
    );
    let (last, end) = events.last().unwrap();
    let response = &end["response"];
    assert_eq!(
        end["type"],
        format!("response.{}", response["status"].as_str().unwrap())
    );
    let path = format!("/v1/responses/{}", id(response));
    for _ in 0..2 {
        assert_eq!(running.get(&path).json(), *response);
        let from = |query: &str| running.get(&format!("{path}?{query}"));
        assert_eq!(from("stream=true").body, heard.body);
        assert_eq!(from("stream=false").json(), *response);
        let rest = from("stream=true&starting_after=3");
        assert_eq!(numbered(&rest.body), events[4..]);
        assert_eq!(from(&format!("stream=true&starting_after={last}")).body, "");
        for (query, param) in [
            ("stream=x", "stream"),
            ("stream=true&starting_after=-1", "starting_after"),
            ("stream=true&starting_after=", "starting_after"),
        ] {
            let refused = from(query);
            assert_eq!(
                (refused.status, &refused.json()["error"]["param"]),
                (400, &json!(param))
            );
        }
        // After a restart too.
        running.stop();
        running = at(&file);
    }
    for more in [json!({}), json!({"background": true})] {
        let quiet = ask(&running, more).json();
        let refused = running.get(&format!("/v1/responses/{}?stream=true", id(&quiet)));
        assert_eq!(
            (refused.status, &refused.json()["error"]["param"]),
            (400, &json!("stream"))
        );
    }
    assert_eq!(running.get("/v1/responses/resp_none?stream=true").status, 404);
}

#[test]
fn who_stops_listening_may_come_back() {
    let running = Running::new();
    let body = json!({"input": "Close the message.", "background": true, "stream": true, "max_output_tokens": 100_000,
        "reasoning": {"effort": "none"}, "text": {"format": {"type": "regex", "pattern": "[a-f]{9000}"}}});
    let headers = [("content-type", "application/json")];
    let mut stream = running.open("POST", "/v1/responses", &headers, &body.to_string());
    // Listens to the first deltas and goes away.
    let (mut said, mut buffer) = (String::new(), [0; 4096]);
    while said.matches("output_text.delta").count() < 5 {
        let count = stream.read(&mut buffer).unwrap();
        said += &String::from_utf8_lossy(&buffer[..count]);
    }
    drop(stream);
    let place = said.find("resp_").unwrap();
    let id: String = said[place..]
        .chars()
        .take_while(|letter| *letter != '"')
        .collect();
    let path = format!("/v1/responses/{id}");
    // What there is so far is seen, and grows.
    let text = |object: &Value| {
        let item = &object["output"][0];
        assert_eq!(
            (&object["status"], &item["status"]),
            (&json!("in_progress"), &json!("in_progress"))
        );
        item["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let first = text(&running.get(&path).json());
    assert!(!first.is_empty());
    loop {
        let more = text(&running.get(&path).json());
        assert!(more.starts_with(&first));
        if more.len() > first.len() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // One hears it from the middle on, while another ends it.
    let mut late = running.open("GET", &format!("{path}?stream=true&starting_after=5"), &[], "");
    let count = late.read(&mut buffer).unwrap();
    assert!(count > 0);
    let cancelled = running.post(&format!("{path}/cancel"), &json!({})).json();
    let mut rest = String::from_utf8_lossy(&buffer[..count]).into_owned();
    late.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"sequence_number\":6,") && !rest.contains("\"sequence_number\":5,"));
    assert!(rest.contains("event: response.incomplete\n"), "{rest}");
    assert_eq!(cancelled["status"], "cancelled");
    assert!(
        cancelled["output"][0]["content"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with(&first)
    );
    let again = running.get(&format!("{path}?stream=true"));
    let events = numbered(&again.body);
    assert!(
        events
            .iter()
            .map(|(number, _)| *number)
            .eq(0..events.len() as u64)
    );
    let (_, end) = events.last().unwrap();
    assert_eq!(end["response"], cancelled);
    let deltas = events.iter().filter_map(|(_, event)| event["delta"].as_str());
    assert_eq!(
        cancelled["output"][0]["content"][0]["text"],
        deltas.collect::<String>()
    );
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

#[test]
fn one_whose_end_could_not_be_kept_is_gone_once_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("responses.sqlite");
    let running = at(&file);
    // A disk that takes the beginning, but not the end.
    let disk = rusqlite::Connection::open(&file).unwrap();
    disk.execute_batch(
        "CREATE TRIGGER broken BEFORE UPDATE OF finished ON responses BEGIN SELECT RAISE(ABORT, 'no room'); END",
    )
    .unwrap();
    let begun = ask(&running, json!({"background": true})).json();
    assert_eq!(begun["status"], "in_progress", "{begun}");
    let path = format!("/v1/responses/{}", id(&begun));
    let failed = wait(&running, id(&begun));
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("storage_failed")),
        "{failed}"
    );
    // It is there until it is deleted, which the disk allows again.
    disk.execute_batch("DROP TRIGGER broken").unwrap();
    assert_eq!(running.get(&path).json(), failed);
    assert_eq!(running.send("DELETE", &path, &[], "").json()["deleted"], true);
    assert_eq!(running.get(&path).status, 404);
}
