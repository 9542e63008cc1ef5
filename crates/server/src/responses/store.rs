//! Responses that are kept, in memory, so that later ones can go on from them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use aurore_chat::{Content, Message};
use serde_json::Value;

/// Most responses that are kept.
const MOST: usize = 1000;
/// Most bytes that they take, about.
const MOST_BYTES: usize = 512 << 20;

/// A kept response.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// As it was answered.
    pub(super) object: Value,
    /// The conversation with its answer, without the instructions.
    pub(super) messages: Vec<Message>,
}

/// The kept responses; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Store {
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    kept: HashMap<String, (Kept, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Store {
    pub(super) fn keep(&self, id: &str, kept: Kept) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = size(&kept);
        shelves.bytes += bytes;
        shelves.order.push_back(id.to_owned());
        shelves.kept.insert(id.to_owned(), (kept, bytes));
        while shelves.kept.len() > MOST || shelves.bytes > MOST_BYTES {
            let Some(oldest) = shelves.order.pop_front() else {
                break;
            };
            shelves.forget(&oldest);
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<Kept> {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.kept.get(id).map(|(kept, _)| kept.clone())
    }

    /// Whether it was there.
    pub(super) fn delete(&self, id: &str) -> bool {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.order.retain(|known| known != id);
        shelves.forget(id)
    }
}

impl Shelves {
    fn forget(&mut self, id: &str) -> bool {
        let gone = self.kept.remove(id);
        self.bytes -= gone.as_ref().map_or(0, |(_, bytes)| *bytes);
        gone.is_some()
    }
}

/// Bytes of texts and pictures; pictures are shared between responses and counted for each.
fn size(kept: &Kept) -> usize {
    let part = |part: &Content| match part {
        Content::Text(text) => text.len(),
        Content::Image(image) => image.rgb.len(),
    };
    let message = |message: &Message| {
        let calls: usize = message.tool_calls.iter().map(|call| 256 + call.name.len()).sum();
        let thinking = message.reasoning.as_ref().map_or(0, String::len);
        128 + calls + thinking + message.content.iter().map(part).sum::<usize>()
    };
    kept.messages.iter().map(message).sum::<usize>() + kept.object.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Kept {
        Kept {
            object: Value::Null,
            messages: vec![Message::user(text)],
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let store = Store::default();
        for number in 0..MOST + 5 {
            store.keep(&number.to_string(), kept("x"));
        }
        assert!(store.find("4").is_none() && store.find("5").is_some());
        assert!(store.delete("5") && !store.delete("5") && store.find("5").is_none());
        store.keep("huge", kept(&"x".repeat(MOST_BYTES - 1000)));
        assert!(store.find("huge").is_some() && store.find("6").is_none());
        let shelves = store.shelves.lock().unwrap();
        assert!(shelves.bytes <= MOST_BYTES && shelves.kept.len() == shelves.order.len());
    }
}
