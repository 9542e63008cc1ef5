//! A model behind a server: Aurore's own with nano, and one that the test plays.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::ledger::{Deeds, Serve, ledger, model, press};
use crate::program::{Program, Said};

fn agent(program: &Program, page: &Serve, url: &str, more: &[&str]) -> Said {
    let page = format!("{}/", page.address);
    let args = [
        "agent",
        "Do deed 0.",
        "--browser",
        &page,
        "--model-url",
        url,
        "--json",
        "--headless",
    ];
    program.run(&[&args, more].concat())
}

fn end(said: &Said) -> Value {
    let lines = said.json_lines();
    let last = lines.last().unwrap_or_else(|| panic!("{}", said.err));
    last["outcome"]["end"].clone()
}

#[cfg(nano_embedded)]
#[test]
fn auroras_own_server_decides_as_the_program_itself() {
    let serving = crate::serve::Serving::new(&[]);
    let url = format!("http://{}/v1", serving.said["address"].as_str().unwrap());
    let program = Program::new();
    let deeds: Deeds = Arc::new(Mutex::new(vec![0]));
    let page = ledger(&deeds);
    let steps = ["--max-steps", "2", "--viewport", "160x210"];
    // It wants its key.
    let said = agent(&program, &page, &url, &steps);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--model-key-env"), "{}", said.err);

    let file = program.file("key", serving.said["key"].as_str().unwrap());
    let run = |more: &[&str]| -> Vec<Value> {
        let page = format!("{}/", page.address);
        let args = [
            &[
                "agent",
                "Close the message.",
                "--browser",
                &page,
                "--json",
                "--headless",
            ],
            &steps[..],
            more,
        ]
        .concat();
        let said = program.run_with(&args, &[("SERVER_KEY", &std::fs::read_to_string(&file).unwrap())]);
        let lines = said.json_lines();
        let steps: Vec<Value> = lines
            .iter()
            .filter(|line| line["event"] == "step")
            .map(|line| line["step"].clone())
            .collect();
        assert!(!steps.is_empty(), "{}{}", said.out, said.err);
        steps
    };
    let here = run(&[]);
    let there = run(&[
        "--model-url",
        &url,
        "--model-key-env",
        "SERVER_KEY",
        "--model-memory",
        "intents",
    ]);
    // The same model sees the same page: the first decision is the same.
    for part in ["thinking", "intent", "expect", "action"] {
        assert_eq!(here[0][part], there[0][part], "{part}");
    }
    let run = &program.run(&["replay", "last", "--json"]).json_lines()[0]["record"];
    assert_eq!(run["principal"], "model:nano");
    assert!(run["fingerprint"].as_str().unwrap().ends_with("/v1"), "{run}");
}

#[test]
fn a_server_that_dies_in_mid_step_is_asked_again_and_nothing_is_done_twice() {
    let program = Program::new();
    let deeds: Deeds = Arc::new(Mutex::new(vec![0]));
    let page = ledger(&deeds);
    let mut asked = 0;
    let mind = model({
        let deeds = Arc::clone(&deeds);
        move |_| {
            asked += 1;
            let done = deeds.lock().unwrap()[0] > 0;
            // Every other request is dropped.
            (asked % 2 == 0).then(|| {
                if done {
                    json!({"action": "terminate", "status": "success"})
                } else {
                    press(0)
                }
            })
        }
    });
    let said = agent(&program, &page, &mind.address, &[]);
    assert_eq!(
        (said.code, &end(&said)["kind"]),
        (0, &json!("finished")),
        "{}{}",
        said.out,
        said.err
    );
    assert_eq!(*deeds.lock().unwrap(), [1]);
    assert!(said.err.contains("the model server fails"), "{}", said.err);
}

#[test]
fn a_server_that_refuses_ends_the_run_in_a_clear_state_that_can_be_resumed() {
    let program = Program::new();
    let deeds: Deeds = Arc::new(Mutex::new(vec![0]));
    let page = ledger(&deeds);
    let refusing = Serve::start(|path, _| match path {
        "/v1/models" => Some((200, "application/json", r#"{"data": [{"id": "m"}]}"#.into())),
        _ => Some((
            400,
            "application/json",
            r#"{"error": {"message": "images are not supported"}}"#.into(),
        )),
    });
    let said = agent(&program, &page, &refusing.address, &[]);
    let ended = end(&said);
    assert_eq!((said.code, &ended["kind"]), (1, &json!("failed")));
    assert!(
        ended["message"]
            .as_str()
            .unwrap()
            .contains("images are not supported"),
        "{ended}"
    );
    assert_eq!(*deeds.lock().unwrap(), [0]);
    let verified = program
        .run(&["replay", "last", "--verify", "--json"])
        .json_lines();
    assert_eq!(verified[0]["whole"], true);

    // Another model goes on.
    let mind = model({
        let deeds = Arc::clone(&deeds);
        move |_| {
            let done = deeds.lock().unwrap()[0] > 0;
            Some(if done {
                json!({"action": "terminate", "status": "success"})
            } else {
                press(0)
            })
        }
    });
    let said = program.run(&[
        "agent",
        "--resume",
        "last",
        // Nothing was decided yet, so the journal knows no page.
        "--browser",
        &format!("{}/", page.address),
        "--model-url",
        &mind.address,
        "--json",
        "--headless",
    ]);
    assert_eq!(end(&said)["kind"], "finished", "{}{}", said.out, said.err);
    assert_eq!(*deeds.lock().unwrap(), [1]);
}

#[test]
fn the_models_own_server_is_out_of_the_agents_reach() {
    let program = Program::new();
    let deeds: Deeds = Arc::new(Mutex::new(vec![0]));
    let page = ledger(&deeds);
    let own = Arc::new(Mutex::new(String::new()));
    let mind = model({
        let own = Arc::clone(&own);
        move |_| Some(json!({"action": "open_url", "url": format!("{}/v1/models", own.lock().unwrap())}))
    });
    own.lock().unwrap().clone_from(&mind.address);
    let said = agent(&program, &page, &mind.address, &["--max-steps", "1"]);
    let steps = said.json_lines();
    assert_eq!(steps[0]["step"]["outcome"], "refused", "{}{}", said.out, said.err);
    assert!(
        steps[0]["step"]["result"].as_str().unwrap().contains("control"),
        "{}",
        steps[0]["step"]["result"]
    );
}
