//! `/v1/chat/completions` and its neighbours.

use serde_json::{Value, json};

use crate::client::{Running, body, eos, nano};

/// What a whole answer says: thinking, text, calls, why it ended.
fn said(reply: &Value) -> (String, String, Vec<Value>, String) {
    let choice = &reply["choices"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = choice["message"]["tool_calls"].as_array().into_iter().flatten();
    (
        text(&choice["message"]["reasoning_content"]),
        text(&choice["message"]["content"]),
        calls.cloned().map(nameless).collect(),
        text(&choice["finish_reason"]),
    )
}

/// A call without its name, which is fresh each time, and its number, which only streams have.
fn nameless(mut call: Value) -> Value {
    assert!(call["id"].as_str().unwrap().starts_with("call_"));
    let fields = call.as_object_mut().unwrap();
    fields.remove("id");
    fields.remove("index");
    call
}

/// The same of a stream.
fn streamed(events: &[Value]) -> (String, String, Vec<Value>, String) {
    let (mut thinking, mut answer, mut calls, mut end) =
        (String::new(), String::new(), Vec::new(), String::new());
    for event in events {
        let Some(choice) = event["choices"].get(0) else {
            continue;
        };
        let delta = &choice["delta"];
        thinking += delta["reasoning_content"].as_str().unwrap_or_default();
        answer += delta["content"].as_str().unwrap_or_default();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            assert_eq!(call["index"], calls.len());
            calls.push(nameless(call.clone()));
        }
        end += choice["finish_reason"].as_str().unwrap_or_default();
    }
    (thinking, answer, calls, end)
}

#[test]
fn models_are_listed() {
    let running = Running::new();
    let list = running.get("/v1/models").json();
    assert_eq!(list["data"][0]["id"], "nano");
    assert_eq!(running.get("/v1/models/nano").json()["object"], "model");
    assert_eq!(running.get("/v1/models/gpt-4").status, 404);
    assert_eq!(running.get("/health").json()["status"], "ok");
    assert_eq!(running.get("/ready").json()["status"], "ready");
}

#[test]
fn a_stream_says_what_a_whole_answer_says() {
    let running = Running::new();
    for more in [
        json!({}),
        json!({"enable_thinking": false}),
        json!({"max_tokens": 200}),
        json!({"temperature": 1.0, "seed": 5, "max_tokens": 60}),
        json!({"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [
            {"type": "text", "text": "What "}, {"type": "text", "text": "now?"}]}]}),
    ] {
        let whole = running.chat(more.clone());
        assert_eq!(whole.status, 200, "{whole:?}");
        let whole = whole.json();
        let mut stream = more.clone();
        stream["stream"] = true.into();
        stream["stream_options"] = json!({"include_usage": true});
        let reply = running.chat(stream);
        assert!(reply.body.ends_with("data: [DONE]\n\n"));
        let events = reply.events();
        assert_eq!(streamed(&events), said(&whole), "{more}");
        assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
        let usage = &events.last().unwrap()["usage"];
        for field in [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "completion_tokens_details",
        ] {
            assert_eq!(usage[field], whole["usage"][field], "{field} of {more}");
        }
        assert!(usage["prompt_tokens"].as_u64().unwrap() > 3);
        assert!(usage["completion_tokens"].as_u64().unwrap() > 0);
    }
}

#[test]
fn thinking_is_apart_and_can_be_left_out_or_cut() {
    let running = Running::new();
    let with = running
        .chat(json!({"enable_thinking": true, "max_tokens": 400}))
        .json();
    assert!(!said(&with).0.is_empty(), "{with}");
    let reasoning = |reply: &Value| {
        let details = &reply["usage"]["completion_tokens_details"];
        details["reasoning_tokens"].as_u64().unwrap()
    };
    assert!(reasoning(&with) > 0);
    for off in [
        json!({"enable_thinking": false}),
        json!({"reasoning_effort": "none"}),
        json!({"chat_template_kwargs": {"enable_thinking": false}}),
    ] {
        let without = running.chat(off).json();
        assert_eq!(
            (said(&without).0.as_str(), reasoning(&without)),
            ("", 0),
            "{without}"
        );
    }
    let cut = running
        .chat(json!({"enable_thinking": true, "max_tokens": 400, "thinking_budget": 3}))
        .json();
    // The budget, and what closes it.
    assert!(reasoning(&cut) <= 3 + 2, "{cut}");
}

#[test]
fn many_streams_are_what_they_are_alone() {
    let running = Running::new();
    let ask = |number: usize| {
        let content = format!(
            "Close message {}. {}",
            number % 6,
            "Look well. ".repeat(number % 4 * 20)
        );
        let message = json!([{"role": "user", "content": content}]);
        let reply =
            running.chat(json!({"messages": message, "stream": number.is_multiple_of(2), "max_tokens": 30}));
        if number.is_multiple_of(2) {
            streamed(&reply.events())
        } else {
            said(&reply.json())
        }
    };
    let alone: Vec<_> = (0..24).map(ask).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..24).map(|number| scope.spawn(move || ask(number))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert!(running.scheduler.statistics().cached_tokens > 0);
}

#[test]
fn what_was_sent_before_is_not_read_again() {
    let running = Running::new();
    let long = "The page has many rows and columns. ".repeat(40);
    let mut messages = json!([{"role": "system", "content": long}, {"role": "user", "content": "Hello."}]);
    let first = running.chat(json!({"messages": messages})).json();
    let cached = |reply: &Value| {
        let details = &reply["usage"]["prompt_tokens_details"];
        details["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!(cached(&first), 0);
    let tokens = first["usage"]["prompt_tokens"].as_u64().unwrap();
    let again = running.chat(json!({"messages": messages})).json();
    assert!(tokens - cached(&again) <= 64, "{again}");
    assert_eq!(said(&first), said(&again));
    messages[1]["content"] = "Something else is asked here.".into();
    let other = running.chat(json!({"messages": messages})).json();
    assert!(cached(&other) > 0 && cached(&other) <= cached(&again));
}

#[test]
fn an_answer_that_comes_back_was_read_in_idle_time() {
    let running = Running::new();
    let user = "The page has many rows and columns. ".repeat(12);
    let mut messages = json!([{"role": "user", "content": user}]);
    // An answer that is long enough for a multiple of 64 to lie in it.
    let schema = json!({"type": "string", "enum": ["The page has many rows and columns. ".repeat(12)]});
    let first = running
        .chat(
            json!({"messages": messages, "enable_thinking": false, "max_tokens": 600,
            "response_format": {"type": "json_schema", "json_schema": {"name": "long", "schema": schema}}}),
        )
        .json();
    let (_, answer, calls, end) = said(&first);
    assert!(end != "length", "{first}");
    while running.scheduler.statistics().warmed_tokens == 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let mut back = json!({"role": "assistant", "content": answer});
    if !calls.is_empty() {
        back["tool_calls"] = calls.clone().into();
    }
    let list = messages.as_array_mut().unwrap();
    list.push(back);
    if calls.is_empty() {
        list.push(json!({"role": "user", "content": "Go on."}));
    } else {
        list.extend(
            calls
                .iter()
                .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "Done."})),
        );
    }
    let next = running
        .chat(json!({"messages": messages, "enable_thinking": false}))
        .json();
    let cached = next["usage"]["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap();
    let all = next["usage"]["prompt_tokens"].as_u64().unwrap();
    // All but the new message, its frame, and what follows the last multiple of 64.
    assert!(all - cached < 64 + 40, "{cached} of {all}");
    assert!(cached + 64 > first["usage"]["prompt_tokens"].as_u64().unwrap());
}

#[test]
fn answers_end_where_they_should() {
    let running = Running::new();
    let plain = running
        .chat(json!({"max_tokens": 300, "enable_thinking": false}))
        .json();
    let (_, answer, _, _) = said(&plain);
    assert_eq!(said(&running.chat(json!({"max_tokens": 1})).json()).3, "length");
    let endless = running.chat(json!({"max_tokens": 300, "enable_thinking": false, "ignore_eos": true}));
    assert_eq!(endless.json()["usage"]["completion_tokens"], 300);
    let middle: String = answer.chars().skip(3).take(4).collect();
    assert!(!middle.is_empty(), "{plain}");
    let before = &answer[..answer.find(&middle).unwrap()];
    for stream in [false, true] {
        let more = json!({"max_tokens": 300, "enable_thinking": false, "stop": [middle], "stream": stream});
        let reply = running.chat(more);
        let (_, text, _, end) = if stream {
            streamed(&reply.events())
        } else {
            said(&reply.json())
        };
        assert_eq!((text.as_str(), end.as_str()), (before, "stop"));
    }
}

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": {
        "type": "object",
        "properties": {"days": {"type": "integer", "minimum": 1, "maximum": 9}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["days", "unit"],
    }}}, {"type": "function", "function": {"name": "now"}}])
}

#[test]
fn calls_are_what_their_schemas_say() {
    let running = Running::new();
    for thinking in [false, true] {
        let more = json!({"tools": weather(), "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "enable_thinking": thinking, "thinking_budget": 20, "max_tokens": 300, "parallel_tool_calls": false});
        let reply = running.chat(more.clone()).json();
        let (_, _, calls, end) = said(&reply);
        assert_eq!((calls.len(), end.as_str()), (1, "tool_calls"), "{reply}");
        assert_eq!(calls[0]["function"]["name"], "weather");
        let arguments = calls[0]["function"]["arguments"].as_str().unwrap();
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert!(
            (1..=9).contains(&arguments["days"].as_i64().unwrap()),
            "{arguments}"
        );
        assert!(arguments["unit"] == "C" || arguments["unit"] == "F");
        let mut stream = more;
        stream["stream"] = true.into();
        let (_, _, calls, end) = streamed(&running.chat(stream).events());
        assert_eq!((calls.len(), end.as_str()), (1, "tool_calls"));
        assert_eq!(calls[0]["function"]["arguments"], arguments_text(&reply));
        // The conversation goes on with the result, whether the arguments come back as text or as an object.
        for arguments in [json!(arguments_text(&reply)), arguments.clone()] {
            let messages = json!([
                {"role": "user", "content": "How is the weather?"},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
                    "function": {"name": "weather", "arguments": arguments}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."},
            ]);
            let reply = running.chat(json!({"messages": messages, "tools": weather()}));
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    }
    let required = json!({"tools": closed(), "tool_choice": "required", "max_tokens": 300, "enable_thinking": false,
        "parallel_tool_calls": false});
    assert_eq!(said(&running.chat(required).json()).3, "tool_calls");
}

/// Tools of which every call ends soon.
fn closed() -> Value {
    let mut tools = weather();
    tools[1]["function"]["parameters"] = json!({"type": "object", "additionalProperties": false});
    tools
}

#[test]
fn calls_that_need_not_come_are_held_to_their_schemas() {
    let running = Running::new();
    let call = nano().tags().call.to_string();
    let ask = |more: Value| {
        let mut ask = json!({"tools": closed(), "logit_bias": {&call: 100}, "max_tokens": 300, "temperature": 1.5,
            "parallel_tool_calls": false, "enable_thinking": false});
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        running.chat(ask)
    };
    let mut names = std::collections::HashSet::new();
    for seed in 0..12 {
        // Of both, and of the one with arguments alone.
        let tools = if seed % 2 == 0 {
            closed()
        } else {
            json!([closed()[0]])
        };
        let reply = ask(json!({"seed": seed, "tools": tools})).json();
        let (_, _, calls, end) = said(&reply);
        assert_eq!((calls.len(), end.as_str()), (1, "tool_calls"), "{reply}");
        let name = calls[0]["function"]["name"].as_str().unwrap().to_owned();
        let arguments: Value =
            serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
        if name == "weather" {
            assert!(
                (1..=9).contains(&arguments["days"].as_i64().unwrap()),
                "{arguments}"
            );
            assert!(arguments["unit"] == "C" || arguments["unit"] == "F");
        }
        names.insert(name);
        let (_, _, streamed, _) =
            streamed(&ask(json!({"seed": seed, "tools": tools, "stream": true})).events());
        assert_eq!(calls[0], streamed[0]);
    }
    assert!(names.contains("weather"), "{names:?}");
    // Several calls, each held, and text is free between them; nothing is called that is no tool.
    let many = ask(json!({"parallel_tool_calls": true, "seed": 1})).json();
    let (_, _, calls, _) = said(&many);
    assert!(calls.len() > 1, "{many}");
    for call in calls {
        assert!(call["function"]["name"] == "weather" || call["function"]["name"] == "now");
    }
    // A schema that is none is in nobody's way.
    let broken = json!([{"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "properties":
        {"a": {"type": "array", "items": {"type": "wrong"}}}}}}, weather()[0]]);
    assert_eq!(ask(json!({"tools": broken})).status, 200);
}

#[test]
fn a_thinking_budget_is_exact_whatever_follows() {
    let running = Running::new();
    let tags = nano().tags();
    // Thinking that would never end, and calls wherever they may stand.
    let mut bias: serde_json::Map<_, _> = eos().iter().map(|id| (id.to_string(), (-100).into())).collect();
    bias.insert(tags.think_end.to_string(), (-100).into());
    bias.insert(tags.call.to_string(), 50.into());
    let schema = json!({"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"],
        "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
    for budget in [0, 1, 9, 40] {
        for (more, must_call) in [
            (json!({}), false),
            (json!({"tools": closed(), "parallel_tool_calls": false}), true),
            (
                json!({"tools": closed(), "tool_choice": "required", "parallel_tool_calls": false}),
                true,
            ),
            (
                json!({"tools": closed(), "response_format": format, "parallel_tool_calls": false}),
                true,
            ),
            (json!({"tools": closed(), "tool_choice": "none"}), false),
            (json!({"response_format": format}), false),
            (
                json!({"response_format": {"type": "regex", "pattern": "(yes|no)"}}),
                false,
            ),
        ] {
            for stream in [false, true] {
                let mut ask = more.clone();
                ask["logit_bias"] = bias.clone().into();
                ask["enable_thinking"] = true.into();
                ask["thinking_budget"] = budget.into();
                ask["max_tokens"] = 300.into();
                ask["stream"] = stream.into();
                ask["stream_options"] = json!({"include_usage": true});
                let reply = running.chat(ask);
                let (said, usage) = if stream {
                    let events = reply.events();
                    (streamed(&events), events.last().unwrap()["usage"].clone())
                } else {
                    (said(&reply.json()), reply.json()["usage"].clone())
                };
                let thinking = usage["completion_tokens_details"]["reasoning_tokens"]
                    .as_u64()
                    .unwrap();
                // The budget, the line's end if it was not there, and the closing tag.
                assert!(
                    (budget + 1..=budget + 2).contains(&thinking),
                    "{budget}, {more}: {thinking}"
                );
                assert_eq!(said.2.len(), usize::from(must_call), "{more}: {said:?}");
                if more["response_format"]["type"] == "json_schema" && !must_call {
                    assert!(serde_json::from_str::<Value>(&said.1).unwrap()["sure"].is_boolean());
                }
            }
        }
    }
}

#[test]
fn what_must_come_comes_though_the_model_would_end_in_its_thinking() {
    let running = Running::new();
    let mut bias: serde_json::Map<_, _> = eos().iter().map(|id| (id.to_string(), 60.into())).collect();
    bias.insert(nano().tags().think_end.to_string(), (-100).into());
    for more in [
        json!({"tools": closed(), "tool_choice": "required", "parallel_tool_calls": false}),
        json!({"response_format": {"type": "regex", "pattern": "(yes|no)"}}),
    ] {
        let mut ask = more;
        ask["logit_bias"] = bias.clone().into();
        ask["enable_thinking"] = true.into();
        ask["max_tokens"] = 200.into();
        let (_, answer, calls, _) = said(&running.chat(ask).json());
        assert!(calls.len() == 1 || answer == "yes" || answer == "no", "{answer}");
    }
}

fn arguments_text(reply: &Value) -> String {
    let call = &reply["choices"][0]["message"]["tool_calls"][0];
    call["function"]["arguments"].as_str().unwrap().to_owned()
}

#[test]
fn json_is_what_its_schema_says() {
    let running = Running::new();
    let schema = json!({"type": "object", "properties": {"sure": {"type": "boolean"}, "size": {"enum": ["small", "large"]}},
        "required": ["sure", "size"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
    for thinking in [false, true] {
        let more = json!({"response_format": format, "enable_thinking": thinking, "thinking_budget": 10, "max_tokens": 200});
        let reply = running.chat(more).json();
        let (_, answer, _, end) = said(&reply);
        let value: Value = serde_json::from_str(&answer).unwrap();
        assert!(
            value["sure"].is_boolean() && value["size"].is_string(),
            "{answer}"
        );
        assert_eq!(end, "stop");
    }
    let more = json!({"response_format": {"type": "regex", "pattern": "(yes|no), [0-9]{3}"}, "enable_thinking": false});
    let answer = said(&running.chat(more).json()).1;
    assert!(
        answer.starts_with("yes, ") || answer.starts_with("no, "),
        "{answer}"
    );
}

#[test]
fn a_prediction_changes_when_an_answer_comes_and_not_what_it_says() {
    let running = Running::new();
    let ask = |prediction: Value| {
        let more = json!({"temperature": 0.0, "max_tokens": 80, "enable_thinking": false, "ignore_eos": true,
            "prediction": prediction});
        running.chat(more)
    };
    let plain = ask(Value::Null).json();
    let details = &plain["usage"]["completion_tokens_details"];
    assert!(details.get("accepted_prediction_tokens").is_none(), "{plain}");
    let text = plain["choices"][0]["message"]["content"].as_str().unwrap();
    let counts = |reply: &Value| {
        let details = &reply["usage"]["completion_tokens_details"];
        let count = |name: &str| details[name].as_u64().unwrap();
        [
            count("accepted_prediction_tokens"),
            count("rejected_prediction_tokens"),
        ]
    };
    let other =
        ask(json!({"type": "content", "content": "Something else altogether, and no word of the answer."}))
            .json();
    for content in [json!(text), json!([{"type": "text", "text": text}])] {
        let reply = ask(json!({"type": "content", "content": content})).json();
        assert_eq!(said(&reply), said(&plain));
        assert_eq!(said(&other), said(&plain));
        assert!(
            counts(&reply)[0] > counts(&other)[0] && counts(&reply)[0] > 20,
            "{reply} {other}"
        );
    }
    let refused = ask(json!({"type": "text", "content": "x"}));
    assert_eq!(
        (refused.status, refused.json()["error"]["param"].as_str()),
        (400, Some("prediction.type"))
    );
}

#[test]
fn several_answers_and_probabilities() {
    let running = Running::new();
    let more = json!({"n": 3, "temperature": 1.2, "seed": 1, "enable_thinking": false, "logprobs": true, "top_logprobs": 2});
    let reply = running.chat(more.clone()).json();
    let choices = reply["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 3);
    let mut tokens = 0;
    for choice in choices {
        let facts = choice["logprobs"]["content"].as_array().unwrap();
        let bytes: Vec<u8> = facts
            .iter()
            .flat_map(|fact| fact["bytes"].as_array().unwrap())
            .map(|byte| byte.as_u64().unwrap() as u8)
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        // Line ends at the border are format and no more.
        assert!(
            text.contains(choice["message"]["content"].as_str().unwrap_or_default().trim()),
            "{choice}"
        );
        for fact in facts {
            assert!(fact["logprob"].as_f64().unwrap() <= 0.0);
            assert_eq!(fact["top_logprobs"].as_array().unwrap().len(), 2);
        }
        tokens += facts.len() as u64;
    }
    assert!(tokens > 0 && tokens <= reply["usage"]["completion_tokens"].as_u64().unwrap());
    let mut stream = more;
    stream["stream"] = true.into();
    let events = running.chat(stream).events();
    for index in 0..3 {
        let of: Vec<Value> = events
            .iter()
            .filter(|event| event["choices"][0]["index"] == index)
            .cloned()
            .collect();
        let whole = choices[index]["message"]["content"].as_str().unwrap_or_default();
        assert_eq!(streamed(&of).1, whole);
    }
}

#[test]
fn pictures_come_inside_the_request() {
    let running = Running::new();
    // A GIF of one pixel; two sizes would be two prompts.
    let url = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    let message = |url: Value| json!([{"role": "user", "content": [{"type": "image_url", "image_url": url}, {"type": "text", "text": "Close it."}]}]);
    let with = running.chat(json!({"messages": message(json!({"url": url, "detail": "low"}))}));
    assert_eq!(with.status, 200, "{with:?}");
    let without = running.post("/v1/chat/completions", &body(json!({})));
    let tokens = |reply: &Value| reply["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens(&with.json()) > tokens(&without.json()));
    let far = running.chat(json!({"messages": message(json!("https://example.com/a.png"))}));
    assert_eq!(far.status, 400);
    assert_eq!(far.json()["error"]["param"], "messages[0].content[0].image_url");
}
