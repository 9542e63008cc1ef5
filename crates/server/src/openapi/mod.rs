//! `/openapi.json`: all routes, for programs that read about them.
//!
//! What requests look like comes from the types that read them, so it cannot say something else than they do. Routes
//! and answers stand in [`mod@operations`] and `answers.json`; tests hold them against the router and against real answers.

mod operations;

use axum::extract::State;
use axum::response::Response;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use self::operations::{Access, Operation, operations};
use crate::app::App;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};
use crate::{anthropic, openai, responses, tokens};

/// Schemas of answers.
const ANSWERS: &str = include_str!("answers.json");

/// Requests that mean something, by the schemas of their bodies and by names. A test has every one of them answered.
const EXAMPLES: &str = include_str!("examples.json");

/// Names of the two ways to send a key, and of a browser's cookie.
const BEARER: &str = "bearer";
const HEADER: &str = "header";
const COOKIE: &str = "cookie";

pub(crate) async fn document(State(served): State<App>) -> Response {
    match describe(&served) {
        Ok(document) => json_response(&document),
        Err(error) => Dialect::OpenAi.refuse(&Problem::new(Kind::Defect, error.to_string())),
    }
}

fn describe(served: &App) -> Result<Value, serde_json::Error> {
    let mut schemas: Map<String, Value> = serde_json::from_str(ANSWERS)?;
    schemas.extend(requests(served));
    let examples: Value = serde_json::from_str(EXAMPLES)?;
    let mut paths = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let mut entry = entry(&operation, served.options.keys.is_open())?;
        for (name, example) in operation
            .takes
            .iter()
            .filter_map(|name| examples[name].as_object())
            .flatten()
        {
            let mut value = example.clone();
            value["model"] = served.options.name.as_str().into();
            entry["requestBody"]["content"]["application/json"]["examples"][name] = json!({"value": value});
        }
        path[operation.method] = entry;
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aurore",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A local model behind the APIs that clients speak",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                BEARER: {"type": "http", "scheme": "bearer"},
                HEADER: {"type": "apiKey", "in": "header", "name": "x-api-key"},
                COOKIE: {"type": "apiKey", "in": "cookie", "name": "aurore-PORT",
                    "description": "What a link that works once leaves in a browser."},
            },
        },
    }))
}

/// Schemas of what the handlers read.
fn requests(served: &App) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    generator.subschema_for::<openai::Chat>();
    generator.subschema_for::<openai::Completions>();
    generator.subschema_for::<openai::Embeddings>();
    generator.subschema_for::<responses::Create>();
    generator.subschema_for::<anthropic::Create>();
    generator.subschema_for::<tokens::Tokenize>();
    generator.subschema_for::<tokens::Detokenize>();
    let mut schemas = generator.take_definitions(true);
    let mut names: Vec<Value> = served.names().map(Value::from).collect();
    names.push(Value::Null);
    for schema in schemas.values_mut() {
        if let Some(model) = schema.pointer_mut("/properties/model") {
            *model = json!({"enum": names, "description": "The only model if absent."});
        }
    }
    schemas
}

fn entry(operation: &Operation, is_open: bool) -> Result<Value, serde_json::Error> {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let mut content = Map::new();
    let schema = match operation.gives {
        Some(name) => reference(name),
        None => json!({"type": "string"}),
    };
    content.insert(operation.kind.to_owned(), json!({"schema": schema}));
    if operation.streams {
        content.insert(
            "text/event-stream".to_owned(),
            json!({"schema": {"type": "object", "required": ["data"], "description": "An event.",
                "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}}),
        );
    }
    let mut answers = json!({"200": {"description": "Done.", "content": content}});
    let error = match Dialect::of(operation.path) {
        Dialect::OpenAi => "Error",
        Dialect::Anthropic => "AnthropicError",
    };
    for (status, description) in operation.refusals() {
        let content = if operation.path == "/open" {
            json!({"text/html": {"schema": {"type": "string"}}, "application/json": {"schema": reference(error)}})
        } else if status == "503" && operation.gives == Some("Status") {
            json!({"application/json": {"schema": reference("Status")}})
        } else {
            json!({"application/json": {"schema": reference(error)}})
        };
        answers[status] = json!({"description": description, "content": content});
        if status == "429" {
            answers[status]["headers"] = json!({"Retry-After": {
                "description": "Seconds after which it may go better.", "schema": {"type": "integer", "minimum": 1}}});
        }
    }
    let mut entry = json!({
        "operationId": operation.name(),
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": answers,
    });
    if let Some(name) = operation.takes {
        entry["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": reference(name)}}});
    }
    let mut parameters = Vec::new();
    for parameter in &operation.parameters {
        let schema: Value = serde_json::from_str(parameter.schema)?;
        parameters.push(
            json!({"name": parameter.name, "in": parameter.place, "description": parameter.description,
            "required": parameter.place == "path", "schema": schema}),
        );
    }
    if !parameters.is_empty() {
        entry["parameters"] = parameters.into();
    }
    entry["security"] = match operation.access {
        _ if is_open => json!([]),
        Access::Link => json!([]),
        Access::Any => json!([{BEARER: []}, {HEADER: []}]),
        Access::Page => json!([{COOKIE: []}, {BEARER: ["manage"]}, {HEADER: ["manage"]}]),
        Access::Kept => {
            json!([{BEARER: ["infer"]}, {HEADER: ["infer"]}, {BEARER: ["manage"]}, {HEADER: ["manage"]}])
        }
        Access::Scope(scope) => json!([{BEARER: [scope.name()]}, {HEADER: [scope.name()]}]),
    };
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Paths of the router, as its source has them.
    fn routes() -> BTreeSet<&'static str> {
        let sources = [include_str!("../router.rs"), include_str!("../page/mod.rs")];
        let parts = sources.iter().flat_map(|source| source.split(".route(").skip(1));
        let literal = |part: &'static str| {
            let part = part.trim_start();
            match part.strip_prefix('"') {
                Some(rest) => rest.split('"').next(),
                None => part
                    .starts_with("page::ENTRANCE")
                    .then_some(crate::page::ENTRANCE),
            }
        };
        parts.map(|part| literal(part).unwrap()).collect()
    }

    #[test]
    fn every_route_is_described() {
        let described: BTreeSet<&str> = operations().iter().map(|operation| operation.path).collect();
        assert_eq!(described, routes());
    }

    #[test]
    fn every_body_has_examples() {
        let examples: Value = serde_json::from_str(EXAMPLES).unwrap();
        for operation in operations() {
            if let Some(name) = operation.takes {
                assert!(
                    examples[name].as_object().is_some_and(|all| !all.is_empty()),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn every_answer_is_described() {
        let answers: Map<String, Value> = serde_json::from_str(ANSWERS).unwrap();
        for operation in operations() {
            if let Some(name) = operation.gives {
                assert!(answers.contains_key(name), "{name}");
            }
        }
    }
}
