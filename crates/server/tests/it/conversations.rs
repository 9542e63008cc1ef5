//! Conversations that other servers refuse: answered, or refused with what to do about it. Under nano's template and under
//! one with the refusals of the family's own.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use aurore_chat::Chat;
use aurore_checkpoint::Checkpoint;
use aurore_engine::Limits;
use aurore_server::Options;
use serde_json::{Value, json};

use crate::client::{Reply, Running};

/// Nano's vocabulary under a template that knows what the family's know, and refuses what they refuse.
static STRICT: LazyLock<Arc<Chat>> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(here.join("../../models/nano")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    let template = here.join("../chat/tests/data/family.jinja");
    std::fs::copy(template, folder.path().join("chat_template.jinja")).unwrap();
    Arc::new(Chat::open(&Checkpoint::open(folder.path()).unwrap()).unwrap())
});

fn strict() -> Running {
    Running::with_chat(&STRICT, Options::default(), Limits::default())
}

fn chat(running: &Running, messages: &Value) -> Reply {
    let ask = json!({"messages": messages, "max_tokens": 4, "enable_thinking": false,
        "tools": [{"type": "function", "function": {"name": "weather"}}]});
    running.post("/v1/chat/completions", &ask)
}

const PIXEL: &str = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

#[test]
fn what_others_refuse_is_answered() {
    let user = json!({"role": "user", "content": "Hello."});
    let call = |arguments: Value| {
        json!({"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function",
        "function": {"name": "weather", "arguments": arguments}}]})
    };
    let result = |content: Value| json!({"role": "tool", "tool_call_id": "a", "content": content});
    let text = json!([{"type": "text", "text": "Sunny."}]);
    for running in [Running::new(), strict()] {
        for messages in [
            json!([{"role": "developer", "content": "Be brief."}, user]),
            json!([{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Be kind."}, user]),
            json!([{"role": "system", "content": ""}, {"role": "system", "content": []}, user]),
            json!([{"role": "system", "content": null}, user]),
            // Arguments as text, as an object, as text of none, and as nothing.
            json!([user, call(json!("{\"days\": 3}")), result(json!("Sunny."))]),
            json!([
                user,
                call(json!({"days": 3, "more": [1, {"a": null}]})),
                result(text.clone())
            ]),
            json!([user, call(json!("")), result(json!(""))]),
            json!([user, call(Value::Null), result(Value::Null)]),
            json!([user, call(json!("{}")), result(json!([])), user]),
            // Results without their calls, calls without their results.
            json!([user, result(json!("Sunny."))]),
            json!([user, call(json!("{}")), user]),
            json!([{"role": "user", "content": ""}]),
            json!([{"role": "user", "content": null}]),
            json!([{"role": "user"}]),
            json!([{"role": "user", "content": []}]),
            json!([user, {"role": "assistant", "content": ""}, user]),
            json!([user, {"role": "assistant", "content": null}, user]),
            json!([user, {"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": []}, user]),
            // One role several times.
            json!([user, user, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]),
            json!([user, {"role": "tool", "content": [{"type": "image_url", "image_url": PIXEL}]}]),
        ] {
            let reply = chat(&running, &messages);
            assert_eq!(reply.status, 200, "{messages}: {reply:?}");
        }
    }
}

#[test]
fn what_the_template_refuses_is_refused_with_what_to_do() {
    let running = strict();
    let user = json!({"role": "user", "content": "Hello."});
    let picture = json!([{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": PIXEL}]);
    for (messages, words) in [
        (json!([user, {"role": "system", "content": "Be brief."}]), "front"),
        (
            json!([user, {"role": "developer", "content": "Be brief."}]),
            "front",
        ),
        (json!([{"role": "system", "content": "Be brief."}]), "role user"),
        (
            json!([{"role": "assistant", "content": "Hello."}, {"role": "tool", "content": "x"}]),
            "role user",
        ),
        (
            json!([{"role": "system", "content": picture}, user]),
            "user message",
        ),
    ] {
        let reply = chat(&running, &messages);
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, &error["param"]),
            (400, &json!("messages")),
            "{reply:?}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn the_same_in_other_dialects() {
    let running = strict();
    for (path, ask) in [
        (
            "/v1/messages",
            json!({"system": [{"type": "text", "text": ""}], "messages": [{"role": "user", "content": []}]}),
        ),
        (
            "/v1/messages",
            json!({"system": "", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "weather", "input": {}}]}, {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a"}]}]}),
        ),
        (
            "/v1/responses",
            json!({"instructions": "Be brief.", "input": [{"role": "developer", "content": "Be kind."},
                {"role": "user", "content": "x"}]}),
        ),
        (
            "/v1/responses",
            json!({"input": [{"role": "user", "content": ""}, {"type": "function_call", "call_id": "a", "name": "weather",
                "arguments": ""}, {"type": "function_call_output", "call_id": "a", "output": ""}]}),
        ),
    ] {
        let reply = running.post(path, &limited(ask));
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for (path, ask, words) in [
        (
            "/v1/messages",
            json!({"messages": [{"role": "assistant", "content": "x"}]}),
            "role user",
        ),
        (
            "/v1/messages",
            json!({"messages": [{"role": "system", "content": "x"}]}),
            "field `system`",
        ),
        (
            "/v1/responses",
            json!({"instructions": "x", "input": []}),
            "role user",
        ),
    ] {
        let reply = running.post(path, &limited(ask));
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(reply.status == 400 && message.contains(words), "{reply:?}");
    }
}

fn limited(mut ask: Value) -> Value {
    ask["max_tokens"] = 4.into();
    ask["max_output_tokens"] = 4.into();
    ask
}
