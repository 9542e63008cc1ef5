//! `/v1/responses`.

use serde_json::{Value, json};

use crate::client::{Reply, Running};

fn ask(running: &Running, more: Value) -> Reply {
    let mut body =
        json!({"model": "nano", "input": "Close the message.", "temperature": 0, "max_output_tokens": 60});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    running.post("/v1/responses", &body)
}

/// What an output says, without names that are fresh each time.
fn said(response: &Value) -> Vec<Value> {
    let mut items = response["output"].as_array().unwrap().clone();
    for item in &mut items {
        for name in ["id", "call_id"] {
            item[name] = Value::Null;
        }
    }
    items
}

#[test]
fn a_stream_grows_to_what_a_whole_response_is() {
    let running = Running::new();
    let tool = json!([{"type": "function", "name": "note", "parameters": {"type": "object",
        "properties": {"size": {"type": "integer"}}, "required": ["size"]}}]);
    let schema = json!({"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"], "additionalProperties": false});
    for more in [
        json!({"reasoning": {"effort": "none"}}),
        json!({"reasoning": {"effort": "high"}, "max_output_tokens": 400}),
        json!({"instructions": "Be brief.", "max_output_tokens": 2}),
        json!({"tools": tool, "tool_choice": "required", "parallel_tool_calls": false, "reasoning": {"effort": "none"}}),
        json!({"text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}, "reasoning": {"effort": "none"}}),
    ] {
        let whole = ask(&running, more.clone());
        assert_eq!(whole.status, 200, "{whole:?}");
        let whole = whole.json();
        let mut stream = more.clone();
        stream["stream"] = true.into();
        let events = ask(&running, stream).events();
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number);
        }
        assert_eq!(events[0]["type"], "response.created");
        assert_eq!(events[0]["response"]["status"], "in_progress");
        let last = events.last().unwrap();
        assert_eq!(
            last["type"],
            format!("response.{}", whole["status"].as_str().unwrap())
        );
        assert_eq!(said(&last["response"]), said(&whole), "{more}");
        assert_eq!(
            last["response"]["usage"]["output_tokens"],
            whole["usage"]["output_tokens"]
        );
        // Deltas add up to the items that are done.
        let mut texts: Vec<String> = Vec::new();
        for event in &events {
            let kind = event["type"].as_str().unwrap();
            if kind == "response.output_item.added" {
                texts.push(String::new());
            }
            if kind.rsplit('.').next() == Some("delta") {
                texts[event["output_index"].as_u64().unwrap() as usize] += event["delta"].as_str().unwrap();
            }
        }
        for (item, text) in whole["output"].as_array().unwrap().iter().zip(&texts) {
            let own = item["arguments"]
                .as_str()
                .or_else(|| item["content"][0]["text"].as_str());
            assert_eq!(own, Some(text.as_str()), "{item}");
        }
        assert_eq!(texts.len(), whole["output"].as_array().unwrap().len());
        if more["max_output_tokens"] == 2 {
            assert_eq!(whole["incomplete_details"]["reason"], "max_output_tokens");
        }
        if more["text"].is_object() {
            let text = whole["output"][0]["content"][0]["text"].as_str().unwrap();
            assert!(serde_json::from_str::<Value>(text).unwrap()["sure"].is_boolean());
        }
    }
}

#[test]
fn a_kept_response_is_gone_on_from() {
    let running = Running::new();
    let off = json!({"effort": "none"});
    let first = ask(&running, json!({"reasoning": off})).json();
    let id = first["id"].as_str().unwrap();
    assert_eq!(running.get(&format!("/v1/responses/{id}")).json(), first);
    let next = ask(
        &running,
        json!({"previous_response_id": id, "input": "And now?", "reasoning": off}),
    )
    .json();
    let mut told = vec![json!({"role": "user", "content": "Close the message."})];
    told.extend(first["output"].as_array().unwrap().clone());
    told.push(
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And now?"}]}),
    );
    let same = ask(&running, json!({"input": told, "reasoning": off})).json();
    assert_eq!(said(&next), said(&same));
    assert_eq!(next["usage"]["input_tokens"], same["usage"]["input_tokens"]);
    assert_eq!(next["previous_response_id"], id);
    let gone = running.send("DELETE", &format!("/v1/responses/{id}"), &[], "");
    assert_eq!(gone.json()["deleted"], true);
    assert_eq!(running.get(&format!("/v1/responses/{id}")).status, 404);
    let lost = ask(&running, json!({"previous_response_id": id}));
    assert_eq!(
        (lost.status, &lost.json()["error"]["param"]),
        (404, &json!("previous_response_id"))
    );
    let unkept = ask(&running, json!({"store": false})).json();
    assert_eq!(
        running
            .get(&format!("/v1/responses/{}", unkept["id"].as_str().unwrap()))
            .status,
        404
    );
}

#[test]
fn calls_and_their_results_are_items() {
    let running = Running::new();
    let items = json!([
        {"role": "user", "content": "How large?"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "I ask."}]},
        {"type": "function_call", "call_id": "c1", "name": "size", "arguments": "{\"of\": \"it\"}"},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
    ]);
    let reply = ask(&running, json!({"input": items}));
    assert_eq!(reply.status, 200, "{reply:?}");
    for (more, param) in [
        (json!({"input": [{"type": "mcp_call"}]}), "input[0].type"),
        (
            json!({"input": [{"role": "robot", "content": "x"}]}),
            "input[0].role",
        ),
        (json!({"input": [{"type": "function_call"}]}), "input[0].name"),
        (json!({"input": []}), "messages"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"reasoning": {"effort": "x"}}), "reasoning.effort"),
        (json!({"text": {"format": {"type": "x"}}}), "text.format.type"),
    ] {
        let reply = ask(&running, more.clone());
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!(param)),
            "{more}"
        );
    }
}
