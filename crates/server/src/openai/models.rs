//! `/v1/models`.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::dialect::{Dialect, json_response};

fn model(served: &App, name: &str) -> Value {
    let mut model = json!({
        "id": name,
        "object": "model",
        "created": served.since,
        "owned_by": "local",
        "max_model_len": served.scheduler.engine().context(),
    });
    if served.options.adapters.iter().any(|adapter| adapter.name == name) {
        // What it is an adapter over.
        model["parent"] = served.options.name.as_str().into();
    }
    model
}

pub(crate) async fn list(State(served): State<App>) -> Response {
    let models: Vec<Value> = served.names().map(|name| model(&served, name)).collect();
    json_response(&json!({"object": "list", "data": models}))
}

pub(crate) async fn one(State(served): State<App>, Path(name): Path<String>) -> Response {
    match served.of_model(Some(&name)) {
        Ok(_) => json_response(&model(&served, &name)),
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}
