//! Screens that clients operate: calls in the dialect's own words, there and back.

use serde_json::{Value, json};

use crate::client::Running;

/// A white picture of 64 by 32 pixels.
fn picture() -> String {
    use base64::Engine as _;
    let mut png = Vec::new();
    let image = image::RgbImage::from_pixel(64, 32, image::Rgb([255; 3]));
    image
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .unwrap();
    base64::engine::general_purpose::STANDARD.encode(png)
}

#[test]
fn openai_items_go_there_and_back() {
    let running = Running::new();
    let tools = json!([{"type": "computer_use_preview", "display_width": 64, "display_height": 32, "environment": "browser"}]);
    let ask = |more: Value| {
        let mut body = json!({"input": "Close the message.", "temperature": 0, "max_output_tokens": 200, "tools": tools,
            "reasoning": {"effort": "none"}});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        running.post("/v1/responses", &body)
    };
    let shot = format!("data:image/png;base64,{}", picture());
    let seen = json!({"type": "computer_call_output", "call_id": "c1", "current_url": "http://127.0.0.1/",
        "output": {"type": "computer_screenshot", "image_url": shot}});
    let told =
        |call: Value| json!({"input": [{"role": "user", "content": "Close the message."}, call, seen]});
    for call in [
        json!({"type": "computer_call", "call_id": "c1", "action": {"type": "click", "button": "left", "x": 3, "y": 30}}),
        json!({"type": "computer_call", "call_id": "c1", "actions": [{"type": "move", "x": 3, "y": 30}, {"type": "wait"}]}),
    ] {
        let reply = ask(told(call));
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for (more, param) in [
        (told(json!({"type": "computer_call"})), "input[1].action"),
        (
            told(json!({"type": "computer_call", "action": {"type": "fly"}})),
            "input[1].action.type",
        ),
        (
            json!({"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "f"}}]}),
            "input[0].output.image_url",
        ),
    ] {
        let reply = ask(more.clone());
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!(param)),
            "{more}"
        );
    }
    // What a person should look at is acknowledged before the conversation goes on.
    let check = json!({"id": "cu_sc_1", "code": "tier-2-ask", "message": "it acts on a page whose origin is not known"});
    let call = json!({"type": "computer_call", "call_id": "c1", "pending_safety_checks": [check],
        "action": {"type": "click", "button": "left", "x": 3, "y": 30}});
    let mut answered = told(call.clone());
    answered["input"][2]["acknowledged_safety_checks"] = json!([check]);
    assert_eq!(ask(answered).status, 200);
    let refused = ask(told(call));
    let error = &refused.json()["error"];
    assert_eq!(
        (refused.status, &error["param"], &error["code"]),
        (
            400,
            &json!("input[2].acknowledged_safety_checks"),
            &json!("safety_check_not_acknowledged")
        )
    );
    // A call that must come is an item of the screen's, or at least a call that says what was wanted.
    let choice = json!({"type": "computer_use_preview"});
    let whole =
        ask(json!({"tool_choice": choice, "parallel_tool_calls": false, "max_output_tokens": 400})).json();
    let item = whole["output"].as_array().unwrap().last().unwrap();
    if item["type"] == "computer_call" {
        assert!(
            item["action"]["type"].is_string() && item["pending_safety_checks"].is_array(),
            "{item}"
        );
        let mut seen = seen.clone();
        seen["call_id"] = item["call_id"].clone();
        seen["acknowledged_safety_checks"] = item["pending_safety_checks"].clone();
        let more = json!({"previous_response_id": whole["id"], "input": [seen]});
        assert_eq!(ask(more).status, 200);
    } else {
        assert!(
            item["name"] == "computer_use" || whole["status"] == "incomplete",
            "{whole}"
        );
    }
}

#[test]
fn anthropic_calls_go_there_and_back() {
    let running = Running::new();
    let tool = json!({"type": "computer_20250124", "name": "computer", "display_width_px": 64, "display_height_px": 32});
    let ask = |more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "Close the message."}], "max_tokens": 100,
            "temperature": 0, "tools": [tool]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        running.post("/v1/messages", &body)
    };
    let told = |input: Value| {
        json!({"messages": [
            {"role": "user", "content": "Close the message."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "computer", "input": input}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture()}}]}]},
        ]})
    };
    let reply = ask(told(json!({"action": "left_click", "coordinate": [3, 30]})));
    assert_eq!(reply.status, 200, "{reply:?}");
    let said = |reply: &Value| reply["error"]["message"].as_str().unwrap().to_owned();
    let wrong = ask(told(json!({"action": "fly"})));
    assert_eq!(wrong.status, 400);
    assert!(
        said(&wrong.json()).starts_with("messages[1].content[0].input.action"),
        "{wrong:?}"
    );
    let sizeless = ask(json!({"tools": [{"type": "computer_20250124", "name": "computer"}]}));
    assert!(
        sizeless.status == 400 && said(&sizeless.json()).contains("display_width_px"),
        "{sizeless:?}"
    );
    let choice = json!({"type": "tool", "name": "computer"});
    let whole = ask(json!({"tool_choice": choice, "max_tokens": 400})).json();
    let block = whole["content"].as_array().unwrap().last().unwrap();
    if block["type"] == "tool_use" {
        assert!(
            ["computer", "computer_use"].contains(&block["name"].as_str().unwrap()),
            "{block}"
        );
        assert!(block["input"]["action"].is_string());
    }
}
