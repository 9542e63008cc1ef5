//! The isolated world that every document has for us: page scripts cannot see or change what runs there.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Browser;
use super::cdp::{Greeting, State, Waited};
use crate::ScreenError;

/// The world's name.
const NAME: &str = "aurore";

/// What our world calls when a person used the window. Page scripts have no such function.
pub(super) const TELLS: &str = "auroreTouched";

/// Objects of the page that we hold on to are released together.
const GROUP: &str = "aurore";

/// Our world in one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    /// Session of the process that the document lives in.
    pub(super) session: Arc<str>,
    /// The document's frame.
    pub(super) frame: String,
    context: i64,
}

/// A handle to something in a world: an element, a shadow root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handle(pub(super) String);

/// An argument of a function that is called in a world.
pub(super) enum Argument<'a> {
    /// A plain value.
    Value(Value),
    /// A thing of that world.
    Handle(&'a Handle),
}

/// What a new page or frame is told so that the guard stands before its first script.
pub(super) fn greetings(shown: bool) -> Vec<Greeting> {
    let mut greetings = Vec::new();
    if shown {
        // A press may lead the page elsewhere at once: it is told while it happens, and not asked for afterwards.
        // New documents get the function only where this domain is on; what else it tells is dropped where it is read.
        let binding = json!({"name": TELLS, "executionContextName": NAME});
        greetings.push(("Runtime.enable", json!({})));
        greetings.push(("Runtime.addBinding", binding));
    }
    greetings.push((
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": script(shown), "worldName": NAME, "runImmediately": true}),
    ));
    greetings
}

fn script(shown: bool) -> String {
    let guard = include_str!("page/guard.js").replace("{{SHOWN}}", if shown { "true" } else { "false" });
    format!("{guard}\n{}", include_str!("page/describe.js"))
}

impl Browser {
    /// Our world in the document that a frame shows now.
    pub(super) fn world(&mut self, session: &Arc<str>, frame: &str) -> Result<World, ScreenError> {
        let method = "Page.createIsolatedWorld";
        let answer = self.ask(session, method, &json!({"frameId": frame, "worldName": NAME}))?;
        let context = answer["executionContextId"]
            .as_i64()
            .ok_or_else(|| ScreenError::Answer {
                method: method.to_owned(),
                field: "executionContextId".to_owned(),
            })?;
        let world = World {
            session: session.clone(),
            frame: frame.to_owned(),
            context,
        };
        // A frame that has run no script yet has not been greeted.
        if self.script(&world, "Boolean(globalThis.aurore?.describe)")? != Value::Bool(true) {
            let source = script(self.shown());
            self.script(&world, &source)?;
        }
        Ok(world)
    }

    /// Runs a script in a world and gives its value.
    fn script(&mut self, world: &World, source: &str) -> Result<Value, ScreenError> {
        let params = json!({"expression": source, "contextId": world.context, "returnByValue": true});
        let answer = self.ask(&world.session, "Runtime.evaluate", &params)?;
        outcome("Runtime.evaluate", answer)
            .map(|mut result| result.get_mut("value").map(Value::take).unwrap_or_default())
    }

    /// Runs a script in a world without waiting for it.
    pub(super) fn tell_world(&mut self, world: &World, source: &str) {
        let params = json!({"expression": source, "contextId": world.context});
        self.cdp
            .tell(&Some(world.session.clone()), "Runtime.evaluate", &params);
    }

    /// Calls a function in a world and gives its value.
    pub(super) fn value<T: DeserializeOwned>(
        &mut self,
        world: &World,
        function: &str,
        arguments: &[Argument<'_>],
    ) -> Result<T, ScreenError> {
        let limit = self.options.answer_limit;
        self.value_within(world, function, arguments, limit)
    }

    /// Calls a function in a world, waits for its promise, and gives its value.
    pub(super) fn value_within<T: DeserializeOwned>(
        &mut self,
        world: &World,
        function: &str,
        arguments: &[Argument<'_>],
        limit: Duration,
    ) -> Result<T, ScreenError> {
        let mut result = self.call_in(world, function, arguments, true, limit)?;
        let value = result.get_mut("value").map(Value::take).unwrap_or_default();
        serde_json::from_value(value).map_err(|error| ScreenError::Answer {
            method: "Runtime.callFunctionOn".to_owned(),
            field: format!("result ({error})"),
        })
    }

    /// Calls a function in a world and holds on to what it gives.
    pub(super) fn handle(
        &mut self,
        world: &World,
        function: &str,
        arguments: &[Argument<'_>],
    ) -> Result<Handle, ScreenError> {
        let limit = self.options.answer_limit;
        let result = self.call_in(world, function, arguments, false, limit)?;
        object(&result, "Runtime.callFunctionOn")
    }

    fn call_in(
        &mut self,
        world: &World,
        function: &str,
        arguments: &[Argument<'_>],
        by_value: bool,
        limit: Duration,
    ) -> Result<Value, ScreenError> {
        let arguments: Vec<Value> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Value(value) => json!({"value": value}),
                Argument::Handle(handle) => json!({"objectId": handle.0}),
            })
            .collect();
        let method = "Runtime.callFunctionOn";
        let params = json!({
            "functionDeclaration": function,
            "executionContextId": world.context,
            "arguments": arguments,
            "returnByValue": by_value,
            "awaitPromise": by_value,
            "objectGroup": GROUP,
        });
        let answer = self.ask_within(&world.session, method, &params, limit)?;
        outcome(method, answer)
    }

    /// A node of a document as a thing of a world.
    pub(super) fn resolve(&mut self, world: &World, node: i64) -> Result<Handle, ScreenError> {
        let method = "DOM.resolveNode";
        let params =
            json!({"backendNodeId": node, "executionContextId": world.context, "objectGroup": GROUP});
        let answer = self.ask(&world.session, method, &params)?;
        object(&answer["object"], method)
    }

    /// Lets go of everything that is held in a process.
    pub(super) fn release(&mut self, session: &Arc<str>) {
        let session = Some(session.clone());
        self.cdp.tell(
            &session,
            "Runtime.releaseObjectGroup",
            &json!({"objectGroup": GROUP}),
        );
    }

    /// Sends a command to a page and waits for the answer, unless a dialog keeps the page from answering.
    pub(super) fn ask(
        &mut self,
        session: &Arc<str>,
        method: &str,
        params: &Value,
    ) -> Result<Value, ScreenError> {
        self.ask_within(session, method, params, self.options.answer_limit)
    }

    /// The same, with a limit of its own.
    pub(super) fn ask_within(
        &mut self,
        session: &Arc<str>,
        method: &str,
        params: &Value,
        limit: Duration,
    ) -> Result<Value, ScreenError> {
        let page = self.current()?.session;
        let blocked = |state: &State| state.dialog_of(&page).is_some();
        let waited = self
            .cdp
            .call_until(&Some(session.clone()), method, params, limit, blocked);
        self.answered(waited, &page)
    }

    /// The answer that was waited for, unless a dialog of the page in front kept it from coming.
    pub(super) fn answered(
        &mut self,
        waited: Result<Waited, ScreenError>,
        page: &Arc<str>,
    ) -> Result<Value, ScreenError> {
        match waited {
            Ok(Waited::Answer(answer)) => Ok(answer),
            Ok(Waited::Stopped) => Err(self.dialog_open(page)),
            Err(error) => {
                self.remember_hanging(&error, page);
                Err(error)
            }
        }
    }
}

/// The result of an evaluation, or the exception that it ended in.
pub(super) fn outcome(method: &str, mut answer: Value) -> Result<Value, ScreenError> {
    let exception = &answer["exceptionDetails"];
    if exception.is_null() {
        return Ok(answer["result"].take());
    }
    let message = exception["exception"]["description"]
        .as_str()
        .or(exception["text"].as_str())
        .unwrap_or("an exception");
    Err(ScreenError::Protocol {
        method: method.to_owned(),
        message: message.chars().take(500).collect(),
    })
}

fn object(result: &Value, method: &str) -> Result<Handle, ScreenError> {
    result["objectId"]
        .as_str()
        .map(|id| Handle(id.to_owned()))
        .ok_or_else(|| ScreenError::Answer {
            method: method.to_owned(),
            field: "objectId".to_owned(),
        })
}
