//! Items as they are kept and listed.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::computer::Screen;
use super::request::Item;
use super::told::Told;
use crate::ids;
use crate::problem::{Kind, Problem};

/// A request's input as items that have names.
pub(super) fn named(input: &Value) -> Vec<Value> {
    let mut items = match input {
        Value::Array(items) => items.clone(),
        text => vec![json!({"role": "user", "content": [{"type": "input_text", "text": text}]})],
    };
    for item in &mut items {
        let Value::Object(fields) = item else { continue };
        let absent = |fields: &Map<String, Value>, name: &str| fields.get(name).is_none_or(Value::is_null);
        if absent(fields, "type") {
            fields.insert("type".to_owned(), "message".into());
        }
        let prefix = match fields["type"].as_str() {
            Some("message") => "msg_",
            Some("reasoning") => "rs_",
            Some("function_call") => "fc_",
            Some("function_call_output") => "fco_",
            Some("computer_call") => "cu_",
            Some("computer_call_output") => "cuo_",
            _ => "item_",
        };
        if absent(fields, "id") {
            fields.insert("id".to_owned(), ids::fresh(prefix).into());
        }
    }
    items
}

/// What kept items tell.
///
/// # Errors
/// When they are not what they were when they were kept.
pub(super) fn told(items: Vec<Value>, screen: Option<Screen>) -> Result<Told, Problem> {
    let mut told = Told::on(screen);
    for item in items {
        let item = Item::deserialize(&item).map_err(|error| {
            let message = format!("a kept response is damaged: {error}");
            Problem::new(Kind::Storage, message).coded("storage_failed")
        })?;
        told.add("previous_response_id", item)?;
    }
    Ok(told)
}

/// Most items of a page.
const MOST: usize = 100;
/// Items of a page that says no number.
const USUAL: usize = 20;

/// A page of items, as `limit`, `order` (`desc` unless `asc`) and `after` of a query ask for it.
///
/// # Errors
/// For parameters that mean nothing.
pub(super) fn page(mut items: Vec<Value>, query: &str) -> Result<Value, Problem> {
    let (mut limit, mut ascending, mut after) = (USUAL, false, None);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match (name, value) {
            ("limit", _) => {
                let number = value.parse().ok().filter(|number| (1..=MOST).contains(number));
                let message = format!("{value:?} is no number from 1 to {MOST}");
                limit = number.ok_or_else(|| Problem::invalid("limit", message))?;
            }
            ("order", "asc" | "desc") => ascending = value == "asc",
            ("order", _) => {
                let message = format!("{value:?} is no order: use asc or desc");
                return Err(Problem::invalid("order", message));
            }
            ("after", _) => after = Some(value),
            _ => {}
        }
    }
    if !ascending {
        items.reverse();
    }
    if let Some(after) = after {
        let Some(place) = items.iter().position(|item| item["id"] == after) else {
            let message = format!("there is no item {after:?} among them");
            return Err(Problem::invalid("after", message));
        };
        items.drain(..=place);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let (first, last) = (id(items.first()), id(items.last()));
    Ok(json!({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let items: Vec<Value> = (0..5).map(|number| json!({"id": format!("i{number}")})).collect();
        let ids = |query: &str| {
            let page = page(items.clone(), query).unwrap();
            let data = page["data"].as_array().unwrap().iter();
            let ids: Vec<String> = data.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
            (ids.join(" "), page["has_more"].as_bool().unwrap())
        };
        assert_eq!(ids(""), ("i4 i3 i2 i1 i0".to_owned(), false));
        assert_eq!(ids("order=asc&limit=2"), ("i0 i1".to_owned(), true));
        assert_eq!(ids("order=asc&limit=2&after=i1"), ("i2 i3".to_owned(), true));
        assert_eq!(ids("limit=2&after=i1&x"), ("i0".to_owned(), false));
        for (query, param) in [
            ("limit=0", "limit"),
            ("limit=x", "limit"),
            ("order=up", "order"),
            ("after=q", "after"),
        ] {
            assert_eq!(
                page(items.clone(), query).unwrap_err().param.as_deref(),
                Some(param)
            );
        }
    }

    #[test]
    fn items_get_names_and_kinds() {
        let items = named(&json!("Hello."));
        assert_eq!(
            (&items[0]["type"], &items[0]["content"][0]["text"]),
            (&json!("message"), &json!("Hello."))
        );
        let items = named(
            &json!([{"type": "function_call_output", "call_id": "c", "output": "3"}, {"id": "mine"}, 7]),
        );
        assert!(items[0]["id"].as_str().unwrap().starts_with("fco_"));
        assert_eq!((&items[1]["id"], &items[2]), (&json!("mine"), &json!(7)));
    }
}
