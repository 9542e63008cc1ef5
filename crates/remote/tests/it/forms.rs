//! What the servers that people run really send: vLLM and SGLang, with and without their parsers.

use aurore_chat::{Role, computer_use};
use aurore_remote::{Message, Part, Piece, RemoteError, Request};
use serde_json::{Value, json};

use super::{
    ask, good, request, server,
    stand_in::{Reply, StandIn},
};

/// An event of vLLM's: pieces of the answer in `delta`.
fn vllm(delta: &Value, finish: Option<&str>) -> String {
    json!({
        "id": "chatcmpl-8f1c", "object": "chat.completion.chunk", "created": 1_770_000_000, "model": "m",
        "choices": [{
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish, "stop_reason": null, "token_ids": null,
        }],
    })
    .to_string()
}

/// An event of SGLang's, which spells out what is not there.
fn sglang(delta: &Value, finish: Option<&str>) -> String {
    let mut whole = json!({"role": null, "content": null, "reasoning_content": null, "tool_calls": null});
    for (key, value) in delta.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let stop = finish.filter(|reason| *reason == "stop").map(|_| 248_046);
    json!({
        "id": "5d0e", "object": "chat.completion.chunk", "created": 1_770_000_000, "model": "m",
        "choices": [{
            "index": 0, "delta": whole, "logprobs": null, "finish_reason": finish, "matched_stop": stop,
        }],
        "usage": null,
    })
    .to_string()
}

fn usage() -> String {
    json!({
        "id": "x", "object": "chat.completion.chunk", "created": 1_770_000_000, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 900, "total_tokens": 931, "completion_tokens": 31, "prompt_tokens_details": null},
    })
    .to_string()
}

/// The same step as each of them streams it.
fn streams() -> Vec<(&'static str, Vec<String>)> {
    let vllm_calls = |thinking: &dyn Fn(&str) -> Value| {
        let piece = |call: &Value| vllm(&json!({"tool_calls": [call]}), None);
        vec![
            vllm(&json!({"role": "assistant", "content": ""}), None),
            vllm(&thinking("The button "), None),
            vllm(&thinking("is there."), None),
            vllm(&json!({"content": "Intent: press\n"}), None),
            vllm(&json!({"content": "Expect: gone"}), None),
            piece(
                &json!({"id": "chatcmpl-tool-1", "type": "function", "index": 0, "function": {"name": "computer_use"}}),
            ),
            piece(&json!({"index": 0, "function": {"arguments": "{\"action\": \"left_click\""}})),
            piece(&json!({"index": 0, "function": null})),
            piece(&json!({"index": 0, "function": {"arguments": ", \"coordinate\": [500, 3"}})),
            piece(&json!({"index": 0, "function": {"arguments": "00]}"}})),
            vllm(&json!({"content": ""}), Some("tool_calls")),
            usage(),
        ]
    };
    let tagged = "The button is there.\n</think>\n\nIntent: press\nExpect: gone\n\n<tool_call>\n<function=computer_use>\n<parameter=action>\nleft_click\n</parameter>\n<parameter=coordinate>\n[500, 300]\n</parameter>\n</function>\n</tool_call>";
    let call = |id: Value, name: Value, arguments: &str| json!({"tool_calls": [{"id": id, "index": 0, "type": "function", "function": {"name": name, "arguments": arguments}}]});
    vec![
        (
            "vLLM with reasoning_content",
            vllm_calls(&|text| json!({"reasoning_content": text})),
        ),
        (
            "vLLM with both names for thinking",
            vllm_calls(&|text| json!({"reasoning": text, "reasoning_content": text})),
        ),
        (
            "vLLM with reasoning",
            vllm_calls(&|text| json!({"reasoning": text})),
        ),
        (
            "vLLM without parsers",
            tagged
                .split_inclusive('\n')
                .map(|line| vllm(&json!({"content": line}), None))
                .chain([vllm(&json!({"content": ""}), Some("stop")), usage()])
                .collect(),
        ),
        (
            "SGLang",
            vec![
                sglang(&json!({"role": "assistant", "content": ""}), None),
                sglang(&json!({"reasoning_content": "The button is there.\n"}), None),
                sglang(&json!({"content": "Intent: press\nExpect: gone"}), None),
                sglang(&call(json!("call_5f"), json!("computer_use"), ""), None),
                sglang(
                    &call(Value::Null, Value::Null, "{\"action\": \"left_click\", "),
                    None,
                ),
                sglang(
                    &call(Value::Null, Value::Null, "\"coordinate\": [500, 300]}"),
                    None,
                ),
                sglang(&json!({}), Some("tool_calls")),
                usage(),
            ],
        ),
        (
            "SGLang, its reasoning parser alone",
            vec![
                sglang(&json!({"role": "assistant", "content": ""}), None),
                sglang(&json!({"reasoning_content": "The button is there."}), None),
                sglang(
                    &json!({"content": tagged.split_once("</think>").unwrap().1}),
                    None,
                ),
                sglang(&json!({}), Some("stop")),
            ],
        ),
    ]
}

#[test]
fn one_step_is_the_same_however_it_is_streamed() {
    for (name, events) in streams() {
        let mut seen = String::new();
        let stand_in = StandIn::new(vec![Reply::stream(&events)]);
        let answer = server(&stand_in)
            .ask("m", &request(), &mut |piece| match piece {
                Piece::Thinking(text) | Piece::Text(text) => seen.push_str(text),
                Piece::Again => panic!("{name}: asked again"),
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let turn = &answer.turn;
        assert_eq!(turn.thinking.trim(), "The button is there.", "{name}");
        assert_eq!(turn.answer.trim(), "Intent: press\nExpect: gone", "{name}");
        assert_eq!(turn.calls.len(), 1, "{name}: {turn:?}");
        assert_eq!(turn.calls[0].arguments["action"], "left_click", "{name}");
        assert_eq!(turn.calls[0].arguments["coordinate"], json!([500, 300]), "{name}");
        assert!(answer.whole && turn.malformed.is_empty(), "{name}: {answer:?}");
        assert_eq!(
            seen.matches("The button").count(),
            1,
            "{name}: said twice to whoever watches"
        );
    }
}

#[test]
fn arguments_are_read_as_text_as_an_object_and_as_text_in_text() {
    let object = json!({"action": "scroll", "coordinate": [500, 300], "pixels": -200});
    let all_text = json!({"action": "scroll", "coordinate": "[500, 300]", "pixels": "-200"});
    for arguments in [
        json!(object.to_string()),
        object.clone(),
        json!(json!(object.to_string()).to_string()),
        json!(all_text.to_string()),
        all_text,
    ] {
        let message = json!({
            "role": "assistant", "content": null, "reasoning": null, "reasoning_content": null, "refusal": null,
            "annotations": null, "audio": null, "function_call": null,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "computer_use", "arguments": arguments}}],
        });
        let whole = json!({
            "id": "x", "object": "chat.completion", "model": "m", "prompt_logprobs": null,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "tool_calls", "stop_reason": null}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3},
        });
        let stand_in = StandIn::new(vec![Reply::whole("application/json", &whole.to_string())]);
        let answer = ask(&stand_in).unwrap();
        assert_eq!(
            Value::Object(answer.turn.calls[0].arguments.clone()),
            object,
            "{arguments}"
        );
    }
    for wrong in [json!("[1, 2]"), json!("7"), json!("{\"action\": ")] {
        let call =
            json!({"tool_calls": [{"index": 0, "function": {"name": "computer_use", "arguments": wrong}}]});
        let stand_in = StandIn::new(vec![Reply::stream(&[
            vllm(&call, None),
            vllm(&json!({}), Some("tool_calls")),
        ])]);
        let turn = ask(&stand_in).unwrap().turn;
        assert!(
            turn.calls.is_empty() && turn.malformed.len() == 1,
            "{wrong}: {turn:?}"
        );
    }
}

#[test]
fn what_did_not_end_by_itself_calls_nothing() {
    let call = json!({"tool_calls": [{"index": 0, "function": {"name": "computer_use", "arguments": "{\"action\": \"forward\"}"}}]});
    let ended = |reason| Reply::stream(&[sglang(&call, None), sglang(&json!({}), Some(reason))]);
    // The server broke it off: it is asked again.
    for reason in ["abort", "error"] {
        let stand_in = StandIn::new(vec![ended(reason), good()]);
        let answer = ask(&stand_in).unwrap();
        assert_eq!(answer.turn.calls[0].arguments["action"], "back", "{reason}");
        assert_eq!(stand_in.asked().len(), 2, "{reason}");
    }
    for reason in ["length", "content_filter", "repetition", "something new"] {
        let answer = ask(&StandIn::new(vec![ended(reason)])).unwrap();
        assert!(!answer.whole && answer.turn.calls.is_empty(), "{reason}");
        assert_eq!(answer.reason, reason);
    }
}

/// A refusal in the form of each.
fn refusals(message: &str) -> [String; 2] {
    let inner = json!({"message": message, "type": "BadRequestError", "param": null, "code": 400});
    let mut flat = inner.clone();
    flat["object"] = json!("error");
    [json!({"error": inner}).to_string(), flat.to_string()]
}

#[test]
fn refused_pictures_and_missing_parsers_are_told_apart() {
    let final_words = |reply: Reply| {
        let stand_in = StandIn::new(vec![reply, good()]);
        let error = ask(&stand_in).unwrap_err();
        assert_eq!(stand_in.asked().len(), 1, "asked again: {error}");
        error
    };
    for (message, hint) in [
        ("m is not a multimodal model", "reads no pictures"),
        (
            "At most 0 image(s) may be provided in one prompt.",
            "reads no pictures",
        ),
        (
            "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set",
            "--tool-call-parser qwen3_coder",
        ),
    ] {
        for body in refusals(message) {
            let error = final_words(Reply::status(400, &body)).to_string();
            assert!(error.contains(message) && error.contains(hint), "{error}");
            // The head of a stream says 200 before the request is understood.
            let error = final_words(Reply::stream(std::slice::from_ref(&body)));
            assert!(
                matches!(&error, RemoteError::Refused { status: 400, .. }),
                "{body}: {error}"
            );
        }
    }
    // With fewer of them it may go: the caller folds what is older.
    for body in refusals("At most 4 image(s) may be provided in one prompt.") {
        let error = final_words(Reply::status(400, &body));
        assert!(matches!(error, RemoteError::TooLong { .. }), "{error}");
    }
}

#[test]
fn a_tools_answer_is_text_and_its_picture_comes_after_it() {
    let stand_in = StandIn::new(vec![good()]);
    let turn = |role, parts: &[Part]| Message {
        role,
        parts: parts.to_vec(),
        calls: Vec::new(),
    };
    let call = aurore_chat::ToolCall {
        name: "computer_use".into(),
        arguments: json!({"action": "back"}).as_object().unwrap().clone(),
    };
    let conversation = Request {
        messages: vec![
            turn(Role::User, &[Part::Text("Press it.".into())]),
            Message {
                calls: vec![call],
                ..turn(Role::Assistant, &[])
            },
            turn(
                Role::Tool,
                &[
                    Part::Text("Done.".into()),
                    Part::Picture("data:image/png;base64,AA==".into()),
                ],
            ),
        ],
        tools: vec![computer_use::schema(false)],
        max_tokens: 100,
    };
    server(&stand_in).ask("m", &conversation, &mut |_| ()).unwrap();
    let body = &stand_in.asked()[0].body;
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[2]["content"], "Done.");
    assert_eq!(messages[3]["role"], "user");
    assert_eq!(messages[3]["content"][0]["type"], "image_url");
    // vLLM counts tokens at the end of a stream if it is asked to, and gives one call an answer if told so.
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert_eq!(body["parallel_tool_calls"], false);
}
