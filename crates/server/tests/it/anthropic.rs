//! `/v1/messages`.

use serde_json::{Value, json};

use crate::client::Running;

fn body(more: Value) -> Value {
    let mut body = json!({
        "model": "nano", "max_tokens": 200, "temperature": 0,
        "messages": [{"role": "user", "content": "Close the message."}],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The message that a stream's events build.
fn built(events: &[Value]) -> Value {
    let mut message = events[0]["message"].clone();
    for event in events {
        let block = |message: &Value| message["content"].as_array().unwrap().len();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], block(&message));
                message["content"]
                    .as_array_mut()
                    .unwrap()
                    .push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let place = event["index"].as_u64().unwrap() as usize;
                let delta = &event["delta"];
                let block = &mut message["content"][place];
                let mut add = |name: &str, more: &Value| {
                    let so_far = block[name].as_str().unwrap_or_default().to_owned();
                    block[name] = format!("{so_far}{}", more.as_str().unwrap()).into();
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => add("text", &delta["text"]),
                    "thinking_delta" => add("thinking", &delta["thinking"]),
                    "signature_delta" => add("signature", &delta["signature"]),
                    "input_json_delta" => {
                        block["input"] =
                            serde_json::from_str(delta["partial_json"].as_str().unwrap()).unwrap();
                    }
                    other => panic!("{other}"),
                }
            }
            "message_delta" => {
                for name in ["stop_reason", "stop_sequence"] {
                    message[name] = event["delta"][name].clone();
                }
                message["usage"] = event["usage"].clone();
            }
            _ => {}
        }
    }
    message
}

#[test]
fn a_stream_builds_what_a_whole_message_is() {
    let running = Running::new();
    let tools = json!([{"name": "note", "description": "Writes.", "input_schema": {"type": "object",
        "properties": {"size": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["size"]}}]);
    for more in [
        json!({}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 400}),
        json!({"system": "Be brief.", "stop_sequences": ["e"]}),
        json!({"system": [{"type": "text", "text": "Be brief."}], "max_tokens": 2}),
        json!({"tools": tools, "tool_choice": {"type": "any", "disable_parallel_tool_use": true}}),
        json!({"tools": tools, "tool_choice": {"type": "tool", "name": "note", "disable_parallel_tool_use": true},
               "thinking": {"type": "enabled", "budget_tokens": 5}}),
    ] {
        let whole = running.post("/v1/messages", &body(more.clone()));
        assert_eq!(whole.status, 200, "{whole:?}");
        let mut whole = whole.json();
        let mut stream = body(more.clone());
        stream["stream"] = true.into();
        let reply = running.post("/v1/messages", &stream);
        assert!(
            reply
                .body
                .ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
        );
        let mut built = built(&reply.events());
        // Names are fresh, and the second one finds more in the cache.
        for message in [&mut whole, &mut built] {
            message["id"] = Value::Null;
            let usage = &mut message["usage"];
            let sum =
                usage["input_tokens"].as_u64().unwrap() + usage["cache_read_input_tokens"].as_u64().unwrap();
            *usage = json!({"input": sum, "output": usage["output_tokens"]});
            for block in message["content"].as_array_mut().unwrap() {
                if block["type"] == "tool_use" {
                    block["id"] = Value::Null;
                }
            }
        }
        assert_eq!(whole, built, "{more}");
        let kinds: Vec<&str> = whole["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds.contains(&"thinking"),
            more["thinking"].is_object(),
            "{whole}"
        );
        if more["tools"].is_array() {
            assert_eq!(whole["stop_reason"], "tool_use");
            assert!(whole["content"].as_array().unwrap().last().unwrap()["input"]["size"].is_i64());
        }
        if more["max_tokens"] == 2 {
            assert_eq!(whole["stop_reason"], "max_tokens");
        }
    }
}

#[test]
fn conversations_with_results_and_pictures_go_on() {
    let running = Running::new();
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif",
        "data": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"}});
    let messages = json!([
        {"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I look.", "signature": "x"},
            {"type": "text", "text": "I look closer."},
            {"type": "tool_use", "id": "toolu_1", "name": "zoom", "input": {"x": 3}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "done"}, picture]},
            {"type": "text", "text": "And?"}]},
    ]);
    let reply = running.post(
        "/v1/messages",
        &body(json!({"messages": messages, "max_tokens": 5})),
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    let usage = &reply.json()["usage"];
    let count = running.post("/v1/messages/count_tokens", &body(json!({"messages": messages})));
    assert_eq!(
        count.json()["input_tokens"],
        usage["input_tokens"].as_u64().unwrap() + usage["cache_read_input_tokens"].as_u64().unwrap()
    );
}

#[test]
fn errors_are_this_dialects_own() {
    let running = Running::new();
    for (more, part) in [
        (
            json!({"messages": [{"role": "system", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "video"}]}]}),
            "messages[0].content[0].type",
        ),
        (
            json!({"tools": [{"type": "bash_20250124", "name": "bash"}]}),
            "tools[0].type",
        ),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name"),
        (json!({"tool_choice": {"type": "tool", "name": "x"}}), "no tool"),
        (json!({"thinking": {"type": "always"}}), "thinking.type"),
        (json!({"temperature": "x"}), "temperature"),
    ] {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            if path.ends_with("tokens") && (part == "no tool") {
                continue;
            }
            let reply = running.post(path, &body(more.clone()));
            let error = reply.json();
            assert_eq!(
                (reply.status, error["type"].as_str()),
                (400, Some("error")),
                "{error}"
            );
            assert_eq!(error["error"]["type"], "invalid_request_error");
            assert!(
                error["error"]["message"].as_str().unwrap().contains(part),
                "{error}"
            );
        }
    }
    let reply = running.post("/v1/messages", &body(json!({"model": "other"})));
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (404, &json!("not_found_error"))
    );
}
