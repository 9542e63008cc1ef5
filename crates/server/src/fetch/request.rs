//! Addresses of pictures in a request, replaced by the pictures.

use std::time::{Duration, Instant};

use axum::extract::Request;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Fetcher;
use crate::app::App;
use crate::body::{read_json, typed};
use crate::problem::Problem;
use crate::work;

/// Pictures of a request that are fetched.
const MOST: usize = 16;
/// Bytes of one.
const BYTES: u64 = 20 << 20;
/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads a request's body as JSON of some type, with pictures from elsewhere in it where they are fetched.
///
/// # Errors
/// Those of [`read_json`], and for pictures that cannot be had, with their places.
pub(crate) async fn read<T: DeserializeOwned>(request: Request, app: &App) -> Result<T, Problem> {
    let Some(fetcher) = &app.fetcher else {
        return read_json(request, &app.options).await;
    };
    let mut body: Value = read_json(request, &app.options).await?;
    if !places(&mut body).is_empty() {
        let _place = fetcher.enter()?;
        let (app, most) = (app.clone(), app.options.body_bytes as u64);
        body = work::apart(move || {
            if let Some(fetcher) = &app.fetcher {
                fill(&mut body, fetcher, most)?;
            }
            Ok(body)
        })
        .await?;
    }
    typed(body)
}

fn fill(body: &mut Value, fetcher: &Fetcher, most: u64) -> Result<(), Problem> {
    let (until, mut left) = (Instant::now() + PATIENCE, most);
    for (number, (param, address)) in places(body).into_iter().enumerate() {
        let refuse = |why: String| Problem::invalid(param.clone(), why).coded("invalid_image_url");
        if number == MOST {
            let why = format!("at most {MOST} pictures of a request are fetched: send the others themselves");
            return Err(refuse(why));
        }
        let Value::String(url) = address else { continue };
        let bytes = fetcher
            .fetch(url, left.min(BYTES), until)
            .map_err(|error| refuse(error.to_string()))?;
        left = left.saturating_sub(bytes.len() as u64);
        // What kind of picture it is will be seen in its bytes: nobody believes what its server says.
        *url = format!("data:;base64,{}", BASE64_STANDARD.encode(bytes));
    }
    Ok(())
}

/// Addresses of pictures that are elsewhere, in every dialect's words, each with its place in the request.
fn places(body: &mut Value) -> Vec<(String, &mut Value)> {
    let mut found = Vec::new();
    let Value::Object(fields) = body else { return found };
    for (list, items) in fields {
        if let ("messages" | "input", Value::Array(items)) = (list.as_str(), items) {
            for (number, item) in items.iter_mut().enumerate() {
                parts(&format!("{list}[{number}]"), item, &mut found);
            }
        }
    }
    found
}

/// Those in the parts of a message, of an item, or of a result of a tool.
fn parts<'a>(param: &str, item: &'a mut Value, found: &mut Vec<(String, &'a mut Value)>) {
    let Value::Object(fields) = item else { return };
    let is_result = fields.get("type").is_some_and(|kind| kind == "tool_result");
    let is_message = !fields.contains_key("type") || fields.contains_key("role");
    for (name, value) in fields {
        let param = format!("{param}.{name}");
        match (name.as_str(), value) {
            ("content" | "output", Value::Array(list)) => {
                for (number, part) in list.iter_mut().enumerate() {
                    let param = format!("{param}[{number}]");
                    if part["type"] == "tool_result" && !is_result {
                        parts(&param, part, found);
                    } else {
                        picture(&param, part, found);
                    }
                }
            }
            ("output", part @ Value::Object(_)) if !is_message => picture(&param, part, found),
            _ => {}
        }
    }
}

/// That of one part.
fn picture<'a>(param: &str, part: &'a mut Value, found: &mut Vec<(String, &'a mut Value)>) {
    let Value::Object(fields) = part else { return };
    for (name, value) in fields {
        let place = match (name.as_str(), value) {
            ("image_url", text @ Value::String(_)) => (format!("{param}.image_url"), text),
            ("image_url", Value::Object(inner)) => match inner.get_mut("url") {
                Some(text) => (format!("{param}.image_url"), text),
                None => continue,
            },
            ("source", Value::Object(inner)) if inner.get("type").is_some_and(|kind| kind == "url") => {
                match inner.get_mut("url") {
                    Some(text) => (format!("{param}.source.url"), text),
                    None => continue,
                }
            }
            _ => continue,
        };
        if place.1.as_str().is_some_and(|text| !text.starts_with("data:")) {
            found.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(body: &Value) -> Vec<String> {
        let mut body = body.clone();
        places(&mut body)
            .into_iter()
            .map(|(param, url)| format!("{param} {}", url.as_str().unwrap()))
            .collect()
    }

    #[test]
    fn every_dialects_pictures_are_found() {
        let chat = json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "http://x"},
            {"type": "image_url", "image_url": {"url": "http://a"}},
            {"type": "image_url", "image_url": "http://b"},
            {"type": "image_url", "image_url": {"url": "data:;base64,"}}]}]});
        assert_eq!(
            found(&chat),
            [
                "messages[0].content[1].image_url http://a",
                "messages[0].content[2].image_url http://b"
            ]
        );
        let messages = json!({"messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "url", "url": "http://a"}},
            {"type": "image", "source": {"type": "base64", "data": "http://b"}},
            {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": "http://c"}}]}]}]});
        assert_eq!(
            found(&messages),
            [
                "messages[0].content[0].source.url http://a",
                "messages[0].content[2].content[0].source.url http://c"
            ]
        );
        let responses = json!({"input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": "http://a"}]},
            {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "http://b"}},
            {"type": "function_call_output", "output": [{"type": "input_image", "image_url": "http://c"}]}]});
        assert_eq!(
            found(&responses),
            [
                "input[0].content[0].image_url http://a",
                "input[1].output.image_url http://b",
                "input[2].output[0].image_url http://c"
            ]
        );
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        for body in [
            json!({"input": "http://a", "image_url": "http://a"}),
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": {"image_url": "http://a"}}}]}]}),
            json!({"messages": [{"role": "user", "content": "http://a"}, 7, [{"image_url": "http://a"}]]}),
            json!({"messages": [{"content": [{"type": "tool_use", "input": {"source": {"type": "url", "url": "http://a"}}}]}]}),
            json!([{"image_url": "http://a"}]),
            json!({"messages": {"image_url": "http://a"}}),
            json!({"messages": [{"content": [{"image_url": 7}, {"image_url": {"url": 7}}, {"source": {"type": "url"}}]}]}),
        ] {
            assert_eq!(found(&body), [""; 0], "{body}");
        }
    }
}
