//! What items tell: the messages of a conversation, and what is known of the screen that is operated in it.

use aurore_chat::{Content, Message, Role, ToolCall};

use super::computer::{self, Screen};
use super::request::{Item, Output, Part};
use super::safety::Safety;
use crate::openai::arguments;
use crate::pictures;
use crate::problem::Problem;
use crate::shapes;

/// A conversation, item by item.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Its messages so far.
    pub(super) messages: Vec<Message>,
    /// What is known of the screen.
    pub(super) safety: Safety,
    screen: Option<Screen>,
}

impl Told {
    /// One in which this screen is operated.
    pub(super) fn on(screen: Option<Screen>) -> Self {
        Self {
            screen,
            ..Self::default()
        }
    }

    /// A person's words.
    pub(super) fn say(&mut self, text: &str) {
        self.safety.say(text);
        self.messages.push(Message::user(text));
    }

    /// One item: a message, or a part of one, for reasoning, text and calls are items of their own in this dialect.
    ///
    /// # Errors
    /// For whatever means nothing, or must not follow, with its place.
    pub(super) fn add(&mut self, param: &str, item: Item) -> Result<(), Problem> {
        match item.kind.as_deref().unwrap_or("message") {
            "message" => self.message(param, item),
            "reasoning" => {
                let content = contents(&format!("{param}.content"), item.content)?;
                let text = Message {
                    content,
                    ..Message::user("")
                };
                let reasoning = &mut self.assistant().reasoning;
                reasoning.get_or_insert_default().push_str(&text.plain_text());
                Ok(())
            }
            "function_call" => {
                let Some(name) = item.name else {
                    return Err(Problem::invalid(format!("{param}.name"), "say which function"));
                };
                let arguments = arguments(&format!("{param}.arguments"), item.arguments.unwrap_or_default())?;
                self.assistant().tool_calls.push(ToolCall { name, arguments });
                Ok(())
            }
            "computer_call" => self.computer_call(param, item),
            "computer_call_output" => {
                self.safety.seen(param, &item)?;
                self.result(param, item)
            }
            "function_call_output" => self.result(param, item),
            other => {
                let message = format!("items of type {other:?} are not read here");
                Err(Problem::invalid(format!("{param}.type"), message))
            }
        }
    }

    fn message(&mut self, param: &str, item: Item) -> Result<(), Problem> {
        let word = item.role.unwrap_or_default();
        let Some(role) = Role::parse(&word).filter(|role| *role != Role::Tool) else {
            let message = format!("the role {word:?} is not known: use user, assistant, system or developer");
            return Err(Problem::invalid(format!("{param}.role"), message));
        };
        let content = contents(&format!("{param}.content"), item.content)?;
        if role == Role::Assistant {
            self.assistant().content.extend(content);
            return Ok(());
        }
        let message = Message {
            content,
            ..Message::text(role, "")
        };
        if role == Role::User {
            self.safety.say(&message.plain_text());
        }
        self.messages.push(message);
        Ok(())
    }

    fn computer_call(&mut self, param: &str, item: Item) -> Result<(), Problem> {
        self.safety.called(&item);
        let frame = crate::screen::frame(self.screen.and_then(|screen| screen.declared), &self.messages);
        let (actions, one) = (item.actions.unwrap_or_default(), item.action);
        let all: Vec<_> = one.into_iter().chain(actions).collect();
        if all.is_empty() {
            return Err(Problem::invalid(format!("{param}.action"), "say what was done"));
        }
        for action in all {
            let call = computer::read(&action, frame).map_err(|field| {
                let message = "this is no action of a screen, or this part of it is missing or wrong";
                Problem::invalid(format!("{param}.action.{field}"), message)
            })?;
            self.assistant().tool_calls.push(call);
        }
        Ok(())
    }

    fn result(&mut self, param: &str, item: Item) -> Result<(), Problem> {
        let param = format!("{param}.output");
        let mut content = match item.output {
            Some(Output::Picture { image_url: Some(url) }) => {
                vec![Content::Image(pictures::from_url(
                    &url,
                    &format!("{param}.image_url"),
                )?)]
            }
            Some(Output::Picture { image_url: None }) => {
                let message =
                    "only pictures inside the request are seen: send image_url as data:image/png;base64,…";
                return Err(Problem::invalid(format!("{param}.image_url"), message));
            }
            Some(Output::Content(content)) => contents(&param, Some(content))?,
            None => Vec::new(),
        };
        content.extend(
            item.current_url
                .map(|url| Content::Text(format!("Address: {url}"))),
        );
        self.messages.push(Message {
            content,
            ..Message::tool("")
        });
        Ok(())
    }

    /// The model's turn that is being told.
    fn assistant(&mut self) -> &mut Message {
        if self
            .messages
            .last()
            .is_none_or(|last| last.role != Role::Assistant)
        {
            self.messages.push(Message {
                content: Vec::new(),
                ..Message::assistant(None, "", Vec::new())
            });
        }
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }
}

fn contents(param: &str, content: Option<shapes::Content<Part>>) -> Result<Vec<Content>, Problem> {
    let parts = match content {
        None => return Ok(Vec::new()),
        Some(shapes::Content::Text(text)) => return Ok(vec![Content::Text(text)]),
        Some(shapes::Content::Parts(parts)) => parts,
    };
    let parts = parts.into_iter().enumerate();
    let part = |(number, part): (usize, Part)| {
        let param = format!("{param}[{number}]");
        match (part.kind.as_str(), part.text, part.image_url) {
            (
                "input_text" | "output_text" | "text" | "reasoning_text" | "summary_text" | "refusal",
                Some(text),
                _,
            ) => Ok(Content::Text(text)),
            ("input_image", _, Some(url)) => {
                let picture = pictures::from_url(&url, &format!("{param}.image_url"))?;
                Ok(Content::Image(picture))
            }
            (kind, ..) => {
                let message = format!(
                    "a part of type {kind:?} is not read here, or lacks its content: use input_text or input_image"
                );
                Err(Problem::invalid(param, message))
            }
        }
    };
    parts.map(part).collect()
}
