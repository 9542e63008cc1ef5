//! Bad input: an error object that says what is wrong and where, never a fault of the server's.

use std::io::Read;
use std::time::Duration;

use aurore_engine::Limits;
use aurore_server::Options;
use serde_json::{Value, json};

use crate::client::{Running, body};

#[test]
fn what_means_nothing_is_named() {
    let running = Running::new();
    let message = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let tool = |name: &str| json!([{"type": "function", "function": {"name": name}}]);
    for (more, param, part) in [
        (json!({"messages": []}), "messages", "at least one"),
        (json!({"messages": "hi"}), "messages", "expected a sequence"),
        (
            json!({"messages": [{"role": "robot", "content": "x"}]}),
            "messages[0].role",
            "developer",
        ),
        (
            message(json!([{"type": "audio"}])),
            "messages[0].content[0].type",
            "image_url",
        ),
        (
            message(json!([{"type": "text"}])),
            "messages[0].content[0]",
            "needs a field",
        ),
        (json!({"temperature": -1}), "temperature", "0 or more"),
        (json!({"temperature": "warm"}), "temperature", "expected f32"),
        (json!({"top_p": 7}), "top_p", "at most 1"),
        (json!({"max_tokens": -5}), "max_tokens", "usize"),
        (json!({"n": 0}), "n", "between 1"),
        (json!({"n": 1000}), "n", "between 1"),
        (json!({"stop": [""]}), "stop", "none of them empty"),
        (json!({"top_logprobs": 3}), "top_logprobs", "logprobs"),
        (json!({"logit_bias": {"x": 1}}), "logit_bias", "token id"),
        (json!({"logit_bias": {"5": 1000}}), "logit_bias", "between"),
        (
            json!({"reasoning_effort": "extreme"}),
            "reasoning_effort",
            "medium",
        ),
        (json!({"tools": tool("a<b")}), "tools[0].function.name", "no name"),
        (
            json!({"tools": [{"type": "web_search", "function": {"name": "x"}}]}),
            "tools[0].type",
            "function",
        ),
        (json!({"tool_choice": "required"}), "tool_choice", "no `tools`"),
        (json!({"tool_choice": "sometimes"}), "tool_choice", "auto"),
        (
            json!({"tools": tool("a"), "tool_choice": {"function": {"name": "b"}}}),
            "tool_choice",
            "no tool",
        ),
        (
            json!({"response_format": {"type": "xml"}}),
            "response_format.type",
            "json_schema",
        ),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "response_format",
            "schema",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "wrong"}}}}),
            "response_format",
            "grammar",
        ),
        (
            json!({"response_format": {"type": "regex", "pattern": "("}}),
            "response_format",
            "grammar",
        ),
        (
            json!({"chat_template_kwargs": {"messages": []}}),
            "chat_template_kwargs",
            "server's own",
        ),
        (
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]}),
            "messages",
            "beginning",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "x", "arguments": "{"}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
            "not JSON",
        ),
        (
            message(json!("many words ".repeat(20_000))),
            "messages",
            "context holds",
        ),
    ] {
        let reply = running.chat(more.clone());
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, &error["param"]),
            (400, &json!(param)),
            "{more}: {error}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part), "{more}: {message}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let reply = running.chat(json!({"model": "gpt-4"}));
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
}

#[test]
fn bodies_that_are_no_requests() {
    let options = Options {
        body_bytes: 10_000,
        arrival: Duration::from_millis(300),
        ..Options::default()
    };
    let running = Running::with(options, Limits::default());
    let path = "/v1/chat/completions";
    let json_kind = ("content-type", "application/json");
    let send = |headers: &[(&str, &str)], body: &str| running.send("POST", path, headers, body);
    for text in ["", "{", "[]", "null", "{\"messages\": [{}]}", "\u{0}"] {
        let reply = send(&[json_kind], text);
        assert_eq!(reply.status, 400, "{text:?}: {reply:?}");
        assert!(reply.json()["error"]["message"].is_string());
    }
    let good = body(json!({})).to_string();
    assert_eq!(send(&[json_kind], &good).status, 200);
    // A page can send this kind without asking its browser.
    assert_eq!(send(&[("content-type", "text/plain")], &good).status, 400);
    assert_eq!(
        send(&[json_kind], &format!("{good}{}", " ".repeat(10_000))).status,
        413
    );
    // It never comes whole.
    assert_eq!(send(&[json_kind, ("content-length", "500")], "{").status, 408);
    assert_eq!(running.send("GET", path, &[], "").status, 405);
    assert_eq!(running.send("POST", "/v1/models", &[], "").status, 405);
    let reply = running.get("/v2/chat");
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (404, &json!("unknown_url"))
    );
    // It is not read to its end, so the refusal may be lost on the way.
    let mut refused = Vec::new();
    let mut stream = running.open("GET", &format!("/{}", "x".repeat(100_000)), &[], "");
    let _ = stream.read_to_end(&mut refused);
    assert!(refused.is_empty() || refused.starts_with(b"HTTP/1.1 4"));
    assert_eq!(running.get("/health").status, 200);
}

#[test]
fn damaged_requests_never_fault_the_server() {
    let options = Options {
        max_tokens: 9,
        ..Options::default()
    };
    let running = Running::with(options, Limits::default());
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties":
        {"a": {"type": "integer"}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}}]);
    let good = body(json!({
        "max_tokens": 3, "stream": true, "tools": tool, "stop": ["x"], "seed": 3, "logprobs": true, "n": 2,
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array", "items": {"type": "number"}}}},
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "t"}]}],
    }));
    let text = good.to_string();
    let letters: Vec<char> = text.chars().collect();
    let scraps = [
        "{", "}", "[", "]", "\"", "null", "-1", "1e400", ",", ":", "\\u0000", "<think>", "true", "{}",
    ];
    let mut state = 1u64;
    let mut dice = |n: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for _ in 0..300 {
        let mut damaged = letters.clone();
        for _ in 0..=dice(3) {
            let at = dice(damaged.len());
            let end = (at + dice(12)).min(damaged.len());
            damaged.splice(at..end, scraps[dice(scraps.len())].chars());
        }
        let damaged: String = damaged.into_iter().collect();
        let reply = running.send(
            "POST",
            "/v1/chat/completions",
            &[("content-type", "application/json")],
            &damaged,
        );
        assert!(reply.status < 500, "{damaged}: {reply:?}");
        if reply.status == 200 {
            assert!(
                reply.body.contains("[DONE]") || reply.body.contains("\"choices\""),
                "{reply:?}"
            );
        } else {
            assert!(reply.json()["error"]["message"].is_string(), "{reply:?}");
        }
    }
    assert!(running.scheduler.is_ready());
}

#[test]
fn a_full_queue_is_said_to_be_one() {
    let limits = Limits {
        queue: 1,
        batch: 1,
        ..Limits::default()
    };
    let running = Running::with(Options::default(), limits);
    let statuses: Vec<(u16, String)> = std::thread::scope(|scope| {
        let ask = || {
            let reply = running.chat(json!({"max_tokens": 200}));
            (reply.status, reply.head)
        };
        let asked: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(statuses.iter().any(|(status, _)| *status == 200));
    let busy = statuses.iter().find(|(status, _)| *status == 429);
    assert!(
        busy.is_some_and(|(_, head)| head.contains("retry-after: 2")),
        "{statuses:?}"
    );
    assert!(statuses.iter().all(|(status, _)| matches!(status, 200 | 429)));
}
