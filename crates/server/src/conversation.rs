//! Conversations as clients send them, made into such as templates know.

use std::borrow::Cow;

use aurore_chat::{Content, Message, Role};

/// One system message at the beginning instead of several: templates know one, and clients send their own before that of
/// whoever uses them (a `developer`'s behind the `system`'s, instructions before earlier ones). What templates do not
/// know beyond that they refuse, with what to do about it.
pub(crate) fn arranged(messages: &[Message]) -> Cow<'_, [Message]> {
    let leading = messages
        .iter()
        .take_while(|message| message.role == Role::System)
        .count();
    if leading < 2 {
        return Cow::Borrowed(messages);
    }
    let (instructions, rest) = messages.split_at(leading);
    let mut joined = Message {
        content: Vec::new(),
        ..Message::system("")
    };
    let is_empty = |message: &&Message| {
        let is_blank = |part: &Content| matches!(part, Content::Text(text) if text.trim().is_empty());
        message.content.iter().all(is_blank)
    };
    for message in instructions.iter().filter(|message| !is_empty(message)) {
        if !joined.content.is_empty() {
            joined.content.push(Content::Text("\n\n".to_owned()));
        }
        joined.content.extend(message.content.iter().cloned());
    }
    Cow::Owned([&[joined], rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_instructions_become_one_message() {
        let [first, second] = ["Be brief.", "Be kind."].map(Message::system);
        let user = Message::user("Hello.");
        let alone = [first.clone(), user.clone(), second.clone()];
        assert!(matches!(arranged(&alone), Cow::Borrowed(_)));
        let several = arranged(&[first, Message::system(" "), second, user.clone()]).into_owned();
        assert_eq!(several.len(), 2);
        assert_eq!(several[0].plain_text(), "Be brief.\n\nBe kind.");
        assert_eq!((several[0].role, &several[1]), (Role::System, &user));
        assert!(arranged(&[]).is_empty());
    }
}
