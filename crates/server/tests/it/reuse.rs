//! How much of a prompt is read again when a client sends a conversation that has changed: no more than what differs, and
//! what lies between it and the state before it.

use aurore_chat::{Message, PromptOptions, Role};
use serde_json::{Value, json};

use crate::client::{Running, nano};

type Said = (Role, String);
type Talk = Vec<Said>;

/// Words that differ from the first letter on.
fn text(seed: usize, words: usize) -> String {
    let first = char::from(b'!' + (seed % 90) as u8);
    let words = (0..words).map(|word| format!("row {} of page {}. ", word % 37, (word * 7 + seed) % 101));
    format!("{first} {}", words.collect::<String>())
}

/// Thinking and answer, where a text has both.
fn parts(text: &str) -> (Option<&str>, &str) {
    match text.split_once('|') {
        Some((thinking, answer)) => (Some(thinking), answer),
        None => (None, text),
    }
}

fn ids(talk: &[Said]) -> Vec<u32> {
    let message = |(role, text): &Said| {
        let (thinking, said) = parts(text);
        Message {
            reasoning: thinking.map(str::to_owned),
            ..Message::text(*role, said)
        }
    };
    let messages: Vec<Message> = talk.iter().map(message).collect();
    let prompt = nano().prompt(&messages, &[], &PromptOptions::default());
    prompt.unwrap().ids
}

/// Sends a conversation; tokens of its prompt that were read.
fn send(running: &Running, talk: &[Said]) -> usize {
    let message = |(role, text): &Said| {
        let (thinking, said) = parts(text);
        json!({"role": role.name(), "content": said, "reasoning_content": thinking})
    };
    let messages: Vec<Value> = talk.iter().map(message).collect();
    let reply = running.chat(json!({"messages": messages, "max_tokens": 1}));
    let usage = reply.json()["usage"].clone();
    let count = |value: &Value| value.as_u64().unwrap() as usize;
    assert_eq!(count(&usage["prompt_tokens"]), ids(talk).len());
    count(&usage["prompt_tokens"]) - count(&usage["prompt_tokens_details"]["cached_tokens"])
}

/// Sends one conversation after another: the second may read `slack` tokens more than what differs.
fn check(what: &str, before: &[Talk], after: &[Said], slack: usize) {
    let running = Running::new();
    for talk in before {
        send(&running, talk);
    }
    let after_ids = ids(after);
    let shared = before.iter().map(|talk| {
        let pairs = ids(talk).into_iter().zip(&after_ids);
        pairs.take_while(|(a, b)| a == *b).count()
    });
    let ideal = after_ids.len() - shared.max().unwrap();
    let read = send(&running, after);
    assert!(
        read <= ideal + slack,
        "{what}: {read} of {} tokens read, {ideal} differ",
        after_ids.len()
    );
    assert!(read >= ideal.max(1), "{what}");
}

/// A system turn, and turns of some length.
fn talk(turns: usize) -> Talk {
    let mut talk = vec![(Role::System, text(1, 60))];
    for turn in 0..turns {
        talk.push((Role::User, text(turn + 2, 25 + turn * 3)));
        talk.push((Role::Assistant, text(turn + 50, 9 + turn)));
    }
    talk.push((Role::User, text(90, 17)));
    talk
}

fn changed(talk: &[Said], message: usize, change: impl FnOnce(&str) -> String) -> Talk {
    let mut talk = talk.to_vec();
    talk[message].1 = change(&talk[message].1);
    talk
}

#[test]
fn where_messages_end_no_more_is_read_than_differs() {
    for turns in 0..4 {
        let before = talk(turns);
        let mut after = before.clone();
        after.push((Role::Assistant, text(70, 11)));
        after.push((Role::User, text(71, 8)));
        check("a turn more", std::slice::from_ref(&before), &after, 64);
        check("the same again", &[after.clone()], &after, 64);
        let mut branch = before.clone();
        branch.pop();
        branch.push((Role::User, text(99, 30)));
        check("another last turn", std::slice::from_ref(&before), &branch, 64);
        let session = vec![before[0].clone(), (Role::User, text(98, 30))];
        check("a new session", std::slice::from_ref(&before), &session, 64);
    }
    // Each step of a tool loop is a request; then an earlier answer comes back without what was thought.
    let mut steps = vec![talk(1)];
    for step in 0..4 {
        let mut next = steps[step].clone();
        next.push((Role::Assistant, format!("I look closer.|{}", text(step, 8))));
        next.push((Role::Tool, text(step + 20, 12)));
        steps.push(next);
    }
    let mut after = steps[4].clone();
    for (role, said) in &mut after[4..] {
        if *role == Role::Assistant {
            *said = parts(said).1.to_owned();
        }
    }
    after.push((Role::User, "And now?".to_owned()));
    check("a new turn after a tool loop", &steps, &after, 64);
}

#[test]
fn inside_messages_at_most_512_tokens_more_are_read() {
    for turns in 1..4 {
        let before = talk(turns);
        let last = before.len() - 1;
        let cut = |text: &str| format!("{}and something else.", &text[..text.len() / 2]);
        check(
            "the end changed",
            std::slice::from_ref(&before),
            &changed(&before, last, cut),
            512,
        );
        check(
            "the middle changed",
            std::slice::from_ref(&before),
            &changed(&before, last / 2, cut),
            512,
        );
        let date = |text: &str| format!("{}X{}", &text[..100], &text[101..]);
        check(
            "the date changed",
            std::slice::from_ref(&before),
            &changed(&before, 0, date),
            512,
        );
    }
}

#[test]
fn where_prompts_parted_once_the_third_finds_a_state() {
    let with = |end: usize| vec![(Role::User, format!("{}{}", text(3, 120), text(end, 20)))];
    let (first, second, third) = (with(40), with(41), with(42));
    check("the third of a kind", &[first, second], &third, 64);
}
