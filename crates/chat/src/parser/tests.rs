use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Chat,
    testing::{CALL, CALL_END, IM_END, THINK, THINK_END, chat},
};

fn tools() -> Vec<ToolSchema> {
    let types = ["string", "integer", "number", "boolean", "array", "object"];
    let mut properties: serde_json::Map<String, Value> = types
        .iter()
        .map(|name| ((*name).to_owned(), json!({"type": name})))
        .collect();
    properties.insert("maybe".into(), json!({"type": ["string", "null"]}));
    properties.insert(
        "either".into(),
        json!({"anyOf": [{"$ref": "#/$defs/count"}, {"type": "string"}]}),
    );
    properties.insert("choice".into(), json!({"enum": ["1", "2"]}));
    let count = json!({"type": "integer"});
    vec![ToolSchema {
        name: "f".into(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": properties, "$defs": {"count": count}}),
    }]
}

/// Ids of an answer in which `{think}`, `{/think}`, `{call}` and `{/call}` are the tags' tokens and all else is text.
fn ids(chat: &Chat, script: &str) -> Vec<u32> {
    let tags = [
        ("{think}", THINK),
        ("{/think}", THINK_END),
        ("{call}", CALL),
        ("{/call}", CALL_END),
    ];
    let mut ids = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        let next = tags
            .iter()
            .filter_map(|(word, id)| rest.find(word).map(|at| (at, *word, *id)))
            .min();
        let (at, word, id) = next.unwrap_or((rest.len(), "", 0));
        ids.extend(chat.tokenizer().encode(&rest[..at]).unwrap());
        if !word.is_empty() {
            ids.push(id);
        }
        rest = &rest[at + word.len()..];
    }
    ids
}

fn read(script: &str, thinking: bool) -> Turn {
    let chat = chat();
    chat.parse(&ids(chat, script), thinking, &tools(), true)
}

fn one_call(script: &str) -> ToolCall {
    let turn = read(script, false);
    assert_eq!(turn.malformed, [], "{script}");
    assert_eq!(turn.calls.len(), 1, "{script}: {turn:?}");
    turn.calls[0].clone()
}

fn value(key: &str, raw: &str) -> Value {
    let script =
        format!("{{call}}\n<function=f>\n<parameter={key}>\n{raw}\n</parameter>\n</function>\n{{/call}}");
    one_call(&script).arguments[key].clone()
}

#[test]
fn a_turn_of_the_family_is_read() {
    let turn = read(
        "I see a button.\n{/think}\n\nIntent: press\nExpect: done\n\n{call}\n<function=f>\n<parameter=string>\nleft\n\
         </parameter>\n<parameter=array>\n[512, 300]\n</parameter>\n</function>\n{/call}",
        true,
    );
    assert_eq!(turn.thinking, "I see a button.");
    assert_eq!(turn.answer, "Intent: press\nExpect: done");
    assert_eq!(
        Value::Object(turn.calls[0].arguments.clone()),
        json!({"string": "left", "array": [512, 300]})
    );
    assert_eq!((turn.calls.len(), turn.malformed.len()), (1, 0));
}

#[test]
fn several_calls_follow_each_other() {
    let turn = read(
        "Two.\n\n{call}\n<function=f>\n</function>\n{/call}\n{call}\n<function=g>\n<parameter=x>\n1\n</parameter>\n</function>\n{/call}",
        false,
    );
    let names: Vec<&str> = turn.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!((names, turn.answer.as_str()), (vec!["f", "g"], "Two."));
    // A tool without a schema takes text.
    assert_eq!(turn.calls[1].arguments["x"], "1");
}

#[test]
fn a_value_may_contain_closing_tags() {
    for raw in [
        "a</parameter>b",
        "</function>",
        "x</parameter></function>y",
        "a\n</parameter>\nb",
        "<parameter=no>",
        "{/call}",
        "{call}<function=f>{/call}",
        "a{/call}b</parameter>c",
    ] {
        let spelled = raw
            .replace("{/call}", "</tool_call>")
            .replace("{call}", "<tool_call>");
        assert_eq!(value("string", raw), spelled, "{raw}");
    }
}

#[test]
fn one_line_end_on_each_side_is_format_and_no_more() {
    assert_eq!(value("string", "\n  a \n"), "\n  a \n");
    assert_eq!(value("string", ""), "");
    let call = one_call("{call}<function=f><parameter=string>a</parameter></function>{/call}");
    assert_eq!(call.arguments["string"], "a");
}

#[test]
fn the_schema_decides_the_type() {
    assert_eq!(value("string", "12"), "12");
    assert_eq!(value("string", "\"q\""), "\"q\"");
    assert_eq!(value("string", "True"), "True");
    assert_eq!(value("choice", "1"), "1");
    assert_eq!(value("integer", "12"), json!(12));
    assert_eq!(value("integer", "12.0"), json!(12));
    assert_eq!(value("number", "-1.5e3"), json!(-1500.0));
    assert_eq!(value("either", "12"), json!(12));
    assert_eq!(value("either", "12 apples"), "12 apples");
    assert_eq!(value("unknown", "12"), "12");
    // What does not fit is left for the tool to refuse.
    assert_eq!(value("integer", "many"), "many");
    assert_eq!(value("array", "7"), json!(7));
}

#[test]
fn values_are_read_as_json_and_as_python() {
    for raw in ["True", "true"] {
        assert_eq!(value("boolean", raw), json!(true));
    }
    for raw in ["None", "null"] {
        assert_eq!(value("maybe", raw), Value::Null);
    }
    assert_eq!(value("maybe", "none of it"), "none of it");
    for raw in [
        r#"{"a": [1, true, null], "b": "it's"}"#,
        r#"{'a': [1, True, None], 'b': "it's"}"#,
        r"{'a': (1, True, None,), 'b': 'it\'s'}",
    ] {
        assert_eq!(
            value("object", raw),
            json!({"a": [1, true, null], "b": "it's"}),
            "{raw}"
        );
    }
    assert_eq!(
        value("array", r"['\x41\u00e9\n', +1_000, .5]"),
        json!(["Aé\n", 1000, 0.5])
    );
    // Deeper than any tool needs: text.
    let deep = "(".repeat(200_000);
    assert_eq!(value("array", &deep), deep);
}

#[test]
fn a_schema_that_refers_to_itself_comes_to_an_end() {
    let part = json!({"$ref": "#/properties/x"});
    let parameters = json!({"properties": {"x": {"anyOf": [part, part, part, part]}}});
    assert_eq!(values::typed("7", "x", Some(&parameters)), "7");
}

#[test]
fn a_call_inside_thinking_is_only_thought() {
    let turn = read(
        "Maybe {call}\n<function=f>\n</function>\n{/call}\nor not.\n{/think}\n\nNo.",
        true,
    );
    assert_eq!((turn.calls.len(), turn.answer.as_str()), (0, "No."));
    assert_eq!(
        turn.thinking,
        "Maybe <tool_call>\n<function=f>\n</function>\n</tool_call>\nor not."
    );
    let turn = read(
        "Maybe\n{call}\n<function=f>\n<parameter=x>\n{/think}\n\nNo.",
        true,
    );
    assert_eq!(
        (turn.calls.len(), turn.malformed.len(), turn.answer.as_str()),
        (0, 0, "No.")
    );
}

#[test]
fn a_call_that_ends_unfinished_thinking_is_meant() {
    let turn = read("So I press.\n\n{call}\n<function=f>\n</function>\n{/call}", true);
    assert_eq!(turn.calls.len(), 1);
    assert!(turn.thinking.starts_with("So I press."));
    let turn = read(
        "{call}\n<function=f>\n</function>\n{/call}\nThat would do, but",
        true,
    );
    assert_eq!(turn.calls, []);
}

#[test]
fn thinking_without_an_end_is_thinking() {
    let turn = read("And so on", true);
    assert_eq!((turn.thinking.as_str(), turn.answer.as_str()), ("And so on", ""));
}

#[test]
fn closing_tags_may_be_missing() {
    let inner = "<parameter=string>\nv\n</parameter>\n";
    for script in [
        format!("{{call}}\n<function=f>\n{inner}{{/call}}"),
        format!("{{call}}\n<function=f>\n{inner}</function>\n"),
        format!("{{call}}\n<function=f>\n{inner}</function>\nSo be it."),
        "{call}\n<function=f>\n<parameter=string>\nv\n</function>\n{/call}".to_owned(),
    ] {
        let call = one_call(&script);
        assert_eq!(call.arguments["string"], "v", "{script}");
    }
    let turn = read(
        &format!(
            "{{call}}\n<function=f>\n{inner}</function>\n{{call}}\n<function=g>\n</function>\n{{/call}}"
        ),
        false,
    );
    assert_eq!(turn.calls.len(), 2);
    let turn = read(
        &format!("{{call}}\n<function=f>\n{inner}</function>\nSo be it."),
        false,
    );
    assert_eq!(turn.answer.trim(), "So be it.");
}

#[test]
fn what_cannot_be_read_is_malformed_and_never_done() {
    for script in [
        "{call}\n<function=f>\n<parameter=string>\nhalf a",
        "{call}\n<function=>\n</function>\n{/call}",
        "{call}\n<function=f>\n<parameter=string>\na\n</parameter>\n<parameter=string>\nb\n</parameter>\n</function>\n{/call}",
        "{call}\n{\"name\": 5}\n{/call}",
        "{call}\n{\"name\": }\n{/call}",
    ] {
        let turn = read(script, false);
        assert_eq!(
            (turn.calls.len(), turn.malformed.len()),
            (0, 1),
            "{script}: {turn:?}"
        );
    }
}

#[test]
fn a_call_that_was_cut_off_is_not_done() {
    let chat = chat();
    let script = "{call}\n<function=f>\n<parameter=string>\nrm -r /tmp\n</parameter>\n";
    let turn = chat.parse(&ids(chat, script), false, &tools(), false);
    assert_eq!((turn.calls.len(), turn.malformed.len()), (0, 1));
}

#[test]
fn tags_in_prose_are_prose() {
    let turn = read(
        "The {call} tag and {/call}, {think} and {/think}, <tool_call> too.",
        false,
    );
    assert_eq!(
        turn.answer,
        "The <tool_call> tag and </tool_call>, <think> and </think>, <tool_call> too."
    );
    assert_eq!((turn.calls.len(), turn.malformed.len()), (0, 0));
    let turn = read("I write `</think>` first.\n{/think}\nDone", true);
    assert_eq!(
        (turn.thinking.as_str(), turn.answer.as_str()),
        ("I write `</think>` first.", "Done")
    );
}

#[test]
fn thinking_may_end_without_a_line_end() {
    let turn = read("short{/think}Answer", true);
    assert_eq!(
        (turn.thinking.as_str(), turn.answer.as_str()),
        ("short", "Answer")
    );
    let turn = read(
        "{think}\nshort{/think}\n\n{call}\n<function=f>\n</function>\n{/call}",
        true,
    );
    assert_eq!(
        (turn.thinking.as_str(), turn.answer.as_str(), turn.calls.len()),
        ("short", "", 1)
    );
}

#[test]
fn tags_spelled_over_several_tokens_are_understood() {
    let turn = read(
        "Hm.\n</think>\n\n<tool_call>\n<function=f>\n<parameter=string>\na\n</parameter>\n</function>\n</tool_call>",
        true,
    );
    assert_eq!(
        (turn.thinking.as_str(), turn.answer.as_str(), turn.calls.len()),
        ("Hm.", "", 1)
    );
    let turn = read("Hm.\n</think>", true);
    assert_eq!(turn.thinking, "Hm.");
}

#[test]
fn the_older_json_form_is_read() {
    let call = one_call(
        "{call}\n{\"name\": \"f\", \"arguments\": {\"number\": 1, \"string\": \"</tool_call>\"}}\n{/call}",
    );
    assert_eq!(call.arguments["number"], json!(1));
    let call = one_call(r#"{call}{"name": "f", "arguments": "{\"number\": 2}"}{/call}"#);
    assert_eq!(call.arguments["number"], json!(2));
}

#[test]
fn characters_are_never_split() {
    let chat = chat();
    let mut parser = chat.parser(false);
    let ids = chat
        .tokenizer()
        .encode("größer 🦀 \u{1F468}\u{200D}\u{1F469}")
        .unwrap();
    assert!(ids.len() > 12, "the bytes must come in several tokens");
    let mut text = String::new();
    for id in ids {
        for event in parser.push(id) {
            let Event::Answer(part) = event else {
                panic!("{event:?}")
            };
            assert!(!part.contains('\u{FFFD}'));
            text += &part;
        }
    }
    assert_eq!(text, "größer 🦀 \u{1F468}\u{200D}\u{1F469}");
    // A lone byte that no other follows.
    assert_eq!(chat.parse(&[0xF0, IM_END], false, &[], true).answer, "\u{FFFD}");
}

/// What was emitted, as it stands.
fn emitted(events: &[Event]) -> usize {
    events
        .iter()
        .map(|event| match event {
            Event::Thinking(text) | Event::Answer(text) | Event::CallText(text) => text.len(),
            Event::Call(_) | Event::Malformed(_) => 0,
        })
        .sum()
}

proptest! {
    #[test]
    fn any_tokens_are_read(
        ids in prop::collection::vec(prop_oneof![
            4 => 32u32..127, 1 => 0u32..269, 1 => Just(10), 2 => Just(CALL), 2 => Just(CALL_END), 1 => Just(THINK),
            1 => Just(THINK_END), 1 => Just(313u32), 2 => Just(1000), 1 => Just(1001), 1 => Just(1002),
        ], 0..60),
        thinking: bool,
    ) {
        let chat = chat();
        let mut parser = chat.parser(thinking).with_tools(&tools());
        let mut events = Vec::new();
        for id in &ids {
            let id = *id;
            let pieces = match id {
                1000 => "<function=f>",
                1001 => "<parameter=string>\n",
                1002 => "\n</parameter>\n",
                _ => "",
            };
            let ids = if pieces.is_empty() { vec![id] } else { chat.tokenizer().encode(pieces).unwrap() };
            for id in ids {
                events.extend(parser.push(id));
            }
        }
        events.extend(parser.finish());
        // Every call that is reported was opened by a tag.
        let opened = ids.iter().filter(|id| **id == CALL).count();
        let reported = events.iter().filter(|event| matches!(event, Event::Call(_) | Event::Malformed(_))).count();
        prop_assert!(reported <= opened, "{events:?}");
        prop_assert!(events.iter().all(|event| emitted(std::slice::from_ref(event)) > 0
            || matches!(event, Event::Call(_) | Event::Malformed(_))));
    }

    #[test]
    fn prose_comes_through_as_it_is(text in "[a-z<>/_ äé🦀\n]{0,80}") {
        // Line ends at both sides are format.
        let text = format!("x{text}x");
        prop_assume!(!text.contains("\n<tool_call>"));
        let chat = chat();
        let ids = chat.tokenizer().encode(&text).unwrap();
        prop_assert_eq!(chat.parse(&ids, false, &[], true).answer, text);
    }

    #[test]
    fn hostile_calls_end_soon(body in "(<parameter=a>|</parameter>|</function>|x|\n){0,400}") {
        call::read(&format!("<function=f>{body}"), &[]);
        call::read_leniently(&format!("<function=f>{body}"), &[]);
    }
}

#[test]
fn silence_is_never_long_in_prose_and_calls() {
    let chat = chat();
    for script in [
        "a\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nb".to_owned(),
        format!("x\n<tool_ca {}", "<".repeat(200)),
        format!("{{call}}\n<function=f>\n<parameter=string>\n{}", "y".repeat(300)),
        format!("{{call}}{}", " ".repeat(300)),
    ] {
        for thinking in [true, false] {
            let mut parser = chat.parser(thinking);
            let mut behind = 0usize;
            for id in ids(chat, &script) {
                behind =
                    (behind + chat.vocabulary().bytes(id).len()).saturating_sub(emitted(&parser.push(id)));
                assert!(behind < 40, "{script:?} is {behind} bytes behind");
            }
        }
    }
}
