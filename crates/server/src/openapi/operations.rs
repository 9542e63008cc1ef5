//! The routes: what each takes, gives and needs.

use crate::keys::Scope;

/// What opens a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A link that works once.
    Link,
    /// Any key.
    Any,
    /// A key that may manage, or a browser that came over a link.
    Page,
    /// A key with a scope.
    Scope(Scope),
    /// A key that may ask, for its own, or manage, for everybody's.
    Kept,
}

/// A method of a path.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: Access,
    /// The schema of the body.
    pub(super) takes: Option<&'static str>,
    /// The schema of the answer; text if absent.
    pub(super) gives: Option<&'static str>,
    /// What kind of thing the answer is.
    pub(super) kind: &'static str,
    /// Whether it comes as events where asked for.
    pub(super) streams: bool,
    pub(super) parameters: Vec<Parameter>,
}

/// A part of a path or query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `path` or `query`.
    pub(super) place: &'static str,
    /// What it must look like, in JSON.
    pub(super) schema: &'static str,
    pub(super) description: &'static str,
}

/// The schema of any text.
const TEXT: &str = r#"{"type": "string"}"#;

const INFER: Access = Access::Scope(Scope::Infer);
const MANAGE: Access = Access::Scope(Scope::Manage);
const JSON: &str = "application/json";
const HTML: &str = "text/html";

impl Operation {
    fn new(method: &'static str, path: &'static str, access: Access, summary: &'static str) -> Self {
        Self {
            method,
            path,
            tag: "server",
            summary,
            access,
            takes: None,
            gives: None,
            kind: JSON,
            streams: false,
            parameters: Vec::new(),
        }
    }

    fn get(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new("get", path, access, summary)
    }

    fn post(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new("post", path, access, summary)
    }

    fn tag(self, tag: &'static str) -> Self {
        Self { tag, ..self }
    }

    fn takes(self, schema: &'static str) -> Self {
        Self {
            takes: Some(schema),
            ..self
        }
    }

    fn gives(self, schema: &'static str) -> Self {
        Self {
            gives: Some(schema),
            ..self
        }
    }

    fn text(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    fn streams(self) -> Self {
        Self {
            streams: true,
            ..self
        }
    }

    /// With a part of its path.
    fn of(mut self, name: &'static str, description: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: "path",
            schema: TEXT,
            description,
        });
        self
    }

    /// With something that a query may say.
    fn asks(mut self, name: &'static str, schema: &'static str, description: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: "query",
            schema,
            description,
        });
        self
    }

    fn has(&self, place: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.place == place)
    }

    /// A name that no other has.
    pub(super) fn name(&self) -> String {
        let mut name = self.method.to_owned();
        for part in self.path.split(|letter: char| !letter.is_ascii_alphanumeric()) {
            if !part.is_empty() {
                name.push('_');
                name.push_str(part);
            }
        }
        name
    }

    /// Statuses other than 200, and what they mean.
    pub(super) fn refusals(&self) -> Vec<(&'static str, &'static str)> {
        let mut list = Vec::new();
        let asks = self.access == Access::Kept && self.has("query");
        if self.takes.is_some() || asks || self.path.ends_with("/cancel") {
            list.push(("400", "The request means nothing, or cannot be done."));
        }
        list.push(("401", "No key, or one that opens nothing."));
        list.push((
            "403",
            "A key without the scope, or a name or page that may not ask.",
        ));
        if self.takes.is_some() || self.has("path") {
            list.push(("404", "There is no such thing."));
        }
        if self.takes == Some("ResponseRequest") {
            list.push(("507", "There is no room to keep the response."));
        }
        if self.takes.is_some() {
            list.push(("408", "The body did not arrive in time."));
            list.push(("413", "The body is too large."));
        }
        if self.access == INFER || self.access == Access::Kept {
            list.push(("429", "Too many requests wait, or the key has none left."));
            list.push(("503", "The server is ending."));
        }
        if self.path == "/ready" {
            list.push(("503", "The server is ending."));
        }
        list
    }
}

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let id = "The response's id.";
    vec![
        Operation::get("/v1/models", INFER, "The model and its aliases.")
            .tag("openai")
            .gives("ModelList"),
        Operation::get("/v1/models/{name}", INFER, "One of them.")
            .tag("openai")
            .of("name", "The model's name.")
            .gives("Model"),
        Operation::post("/v1/chat/completions", INFER, "Answers a conversation.")
            .tag("openai")
            .takes("ChatRequest")
            .gives("ChatCompletion")
            .streams(),
        Operation::post("/v1/completions", INFER, "Goes on with a text.")
            .tag("openai")
            .takes("CompletionRequest")
            .gives("Completion")
            .streams(),
        Operation::post("/v1/embeddings", INFER, "Texts as vectors.")
            .tag("openai")
            .takes("EmbeddingRequest")
            .gives("EmbeddingList"),
        Operation::post(
            "/v1/responses",
            INFER,
            "Answers items, which may go on from a kept response.",
        )
        .tag("openai")
        .takes("ResponseRequest")
        .gives("Response")
        .streams(),
        Operation::get("/v1/responses/{id}", Access::Kept, "A kept response.")
            .tag("openai")
            .of("id", id)
            .asks(
                "stream",
                r#"{"type": "boolean"}"#,
                "Its events instead, where it was made with `background` and `stream`.",
            )
            .asks(
                "starting_after",
                r#"{"type": "integer", "minimum": 0, "maximum": 4294967295}"#,
                "The number of the last event that was heard.",
            )
            .gives("Response")
            .streams(),
        Operation::new(
            "delete",
            "/v1/responses/{id}",
            Access::Kept,
            "Forgets a kept response.",
        )
        .tag("openai")
        .of("id", id)
        .gives("Deleted"),
        Operation::post(
            "/v1/responses/{id}/cancel",
            Access::Kept,
            "Ends a response that is under way.",
        )
        .tag("openai")
        .of("id", id)
        .gives("Response"),
        Operation::get(
            "/v1/responses/{id}/input_items",
            Access::Kept,
            "What a kept response was given, in pages.",
        )
        .tag("openai")
        .of("id", id)
        .asks(
            "limit",
            r#"{"type": "integer", "minimum": 1, "maximum": 100}"#,
            "Items of a page.",
        )
        .asks(
            "order",
            r#"{"enum": ["asc", "desc"]}"#,
            "The oldest first, or the newest.",
        )
        .asks("after", TEXT, "The last item of the page before.")
        .gives("ItemList"),
        Operation::post("/v1/messages", INFER, "Answers a conversation.")
            .tag("anthropic")
            .takes("MessagesRequest")
            .gives("AnthropicMessage")
            .streams(),
        Operation::post(
            "/v1/messages/count_tokens",
            INFER,
            "The tokens of a conversation.",
        )
        .tag("anthropic")
        .takes("MessagesRequest")
        .gives("TokenCount"),
        Operation::post("/tokenize", INFER, "Text or a conversation as token ids.")
            .tag("tokens")
            .takes("TokenizeRequest")
            .gives("Tokens"),
        Operation::post("/detokenize", INFER, "Token ids as text.")
            .tag("tokens")
            .takes("DetokenizeRequest")
            .gives("Text"),
        Operation::get("/health", Access::Any, "Whether the program lives.").gives("Status"),
        Operation::get("/ready", Access::Any, "Whether it takes requests.").gives("Status"),
        Operation::get("/openapi.json", Access::Any, "This document.").gives("Document"),
        Operation::get("/metrics", MANAGE, "Figures for Prometheus.").text("text/plain"),
        Operation::post(
            "/links",
            MANAGE,
            "A link that lets one browser see the page, once.",
        )
        .gives("Link"),
        Operation::get("/open", Access::Link, "Where such a link leads.")
            .tag("page")
            .asks("token", TEXT, "What the link brings.")
            .text(HTML),
        Operation::get("/", Access::Page, "The page: what is served, and how to ask.")
            .tag("page")
            .text(HTML),
        Operation::get("/page.css", Access::Page, "How it looks.")
            .tag("page")
            .text("text/css"),
        Operation::get("/page.js", Access::Page, "What it does.")
            .tag("page")
            .text("text/javascript"),
        Operation::get("/icon.svg", Access::Page, "Its picture.")
            .tag("page")
            .text("image/svg+xml"),
        Operation::get("/figures", Access::Page, "Its figures.")
            .tag("page")
            .gives("Figures"),
    ]
}
