//! Answers that arrive as text, from servers that leave the family's tags in it.

use super::{Malformed, Turn, call};
use crate::ToolSchema;

const THINK: &str = "<think>";
const THINK_END: &str = "</think>";

/// Reads an answer whose thinking and calls are spelled out in its text. Thinking that began in the prompt has no
/// opening tag. With `whole` the answer ended by itself; otherwise an open call is malformed.
///
/// Text cannot tell a tag from its spelling, so this is for answers alone that were never tokens here.
pub fn raw(text: &str, tools: &[ToolSchema], whole: bool) -> Turn {
    let text = text.trim_start();
    let opened = text.strip_prefix(THINK);
    let (thinking, answer) = match (opened.unwrap_or(text).split_once(THINK_END), opened) {
        (Some(parts), _) => parts,
        // Cut off while it thought.
        (None, Some(thinking)) => (thinking, ""),
        (None, None) => ("", text),
    };
    let mut turn = Turn {
        thinking: thinking.trim().to_owned(),
        ..Turn::default()
    };
    let mut rest = answer;
    while let Some((before, after)) = next_call(rest) {
        turn.answer += before;
        let (outcome, left) = read(after, tools, whole);
        match outcome {
            call::Outcome::Call(call, _) => turn.calls.push(call),
            call::Outcome::Malformed(malformed) => turn.malformed.push(malformed),
            call::Outcome::Open => turn.malformed.push(Malformed {
                text: after.to_owned(),
                why: "the call has no end".to_owned(),
            }),
        }
        rest = left;
    }
    turn.answer += rest;
    turn.answer = turn.answer.trim().to_owned();
    turn
}

/// The text before the next call, and that after its opening tag.
fn next_call(text: &str) -> Option<(&str, &str)> {
    text.match_indices(call::OPEN).find_map(|(at, tag)| {
        let after = &text[at + tag.len()..];
        (call::begins(after.trim_start()) == Some(true)).then(|| (&text[..at], after))
    })
}

/// The call at the beginning of `text`, and what stands after it.
fn read<'a>(text: &'a str, tools: &[ToolSchema], whole: bool) -> (call::Outcome, &'a str) {
    // The first closing tag may be part of a value: then the call is still open before it.
    for (at, tag) in text.match_indices(call::CLOSE) {
        match call::read(&text[..at], tools) {
            call::Outcome::Open => {}
            outcome => return (outcome, &text[at + tag.len()..]),
        }
    }
    let body = text.split_once(call::CLOSE).map_or(text, |(body, _)| body);
    let left = text[body.len()..].strip_prefix(call::CLOSE).unwrap_or_default();
    if whole || body.len() < text.len() {
        (call::read_leniently(body, tools), left)
    } else {
        (call::Outcome::cut(body), left)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::computer_use::{TOOL, schema};

    const CALL: &str = "<tool_call>\n<function=computer_use>\n<parameter=action>\nleft_click\n</parameter>\n<parameter=coordinate>\n[500, 300]\n</parameter>\n</function>\n</tool_call>";

    fn parse(text: &str) -> Turn {
        raw(text, &[schema(false)], true)
    }

    #[test]
    fn thinking_answer_and_call_are_told_apart() {
        for lead in ["<think>\n", ""] {
            let turn = parse(&format!(
                "{lead}why\n</think>\n\nIntent: press\nExpect: x\n\n{CALL}"
            ));
            assert_eq!(turn.thinking, "why");
            assert_eq!(turn.answer, "Intent: press\nExpect: x");
            assert_eq!(turn.calls[0].name, TOOL);
            assert_eq!(turn.calls[0].arguments["coordinate"], json!([500, 300]));
        }
        let turn = parse("just <tool_call> prose");
        assert_eq!(
            (turn.answer.as_str(), turn.calls.len(), turn.malformed.len()),
            ("just <tool_call> prose", 0, 0)
        );
        assert_eq!(parse("<think>\nstill at it").thinking, "still at it");
        // A call that was only thought of is none.
        assert!(parse(&format!("<think>\n{CALL}\n</think>\nno")).calls.is_empty());
    }

    #[test]
    fn a_value_may_hold_a_closing_tag_and_calls_follow_each_other() {
        let typed = "<tool_call>\n<function=computer_use>\n<parameter=action>\ntype\n</parameter>\n<parameter=text>\na </tool_call> b\n</parameter>\n</function>\n</tool_call>";
        let turn = parse(&format!("{typed}\n{CALL}"));
        assert_eq!(turn.calls.len(), 2);
        assert_eq!(turn.calls[0].arguments["text"], "a </tool_call> b");
        let old =
            "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"back\"}}\n</tool_call>";
        assert_eq!(parse(old).calls[0].arguments["action"], "back");
    }

    #[test]
    fn half_a_call_is_none() {
        for end in 12..CALL.len() - 20 {
            let turn = raw(&CALL[..end], &[schema(false)], false);
            assert!(turn.calls.is_empty(), "{}", &CALL[..end]);
        }
        assert_eq!(raw(&CALL[..100], &[], false).malformed.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(<tool_call>|</tool_call>|<think>|</think>|<function=a>|</function>|<parameter=b>|</parameter>|\\{|\n|x|é){0,30}", whole: bool) {
            let turn = raw(&text, &[], whole);
            prop_assert!(turn.answer.len() <= text.len());
        }
    }
}
