//! Goals in a real browser, decided by scripts.

use std::sync::Arc;

use serde_json::Value;
use tiny_http::{Header, Response, Server};

use crate::program::Program;

fn click(x: i32, y: i32) -> String {
    format!(
        "{{\"thinking\": \"It is there.\", \"intent\": \"Click it.\", \"expect\": \"It is done.\", \
         \"arguments\": {{\"action\": \"left_click\", \"coordinate\": [{x}, {y}]}}}}\n"
    )
}

fn scripts(program: &Program) -> String {
    // Where the buttons stand on the pages of the demo's seeds.
    program.file("scripts/cookies.jsonl", click(719, 519));
    program.file("scripts/dialog.jsonl", click(856, 257));
    program.file("scripts/checkout.jsonl", click(319, 652).repeat(5));
    program.home().join("scripts").display().to_string()
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn the_demo_reaches_goals_is_refused_and_leaves_a_report() {
    let program = Program::new();
    let folder = scripts(&program);
    let said = program.run(&[
        "demo",
        "--json",
        "--no-miniwob",
        "--scripts",
        &folder,
        "--goals",
        "cookies,dialog,checkout",
    ]);
    let lines = said.json_lines();
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let ends: Vec<&Value> = of(&lines, "outcome")
        .iter()
        .map(|line| &line["outcome"]["end"]["kind"])
        .collect();
    assert_eq!(ends[..2], ["reached", "reached"]);
    let refused = of(&lines, "outcome")[2];
    assert_eq!(refused["as_expected"], true);
    assert!(refused["outcome"]["refused"].as_u64().unwrap() > 0);

    let step = &of(&lines, "step")[0]["step"];
    assert_eq!(step["target"]["role"], "button");
    assert_eq!(step["target"]["label"], "Accept");
    assert_eq!(step["verdict"]["decision"], "allow");

    // The report is the user's alone, and shows the goal.
    let report = of(&lines, "summary")[0]["report"]
        .as_str()
        .unwrap()
        .replace("HOME", &program.home().display().to_string());
    assert!(
        std::fs::read_to_string(report)
            .unwrap()
            .contains("Pay for the order.")
    );

    // The journal holds three whole runs.
    let runs = program.run(&["runs", "--json"]).json_lines();
    assert_eq!(runs.len(), 3);
    for run in &runs {
        let said = program.run(&["replay", run["run"].as_str().unwrap(), "--verify", "--json"]);
        assert_eq!(said.json_lines()[0]["whole"], true, "{}", said.out);
    }
    let text = program.run(&["replay", "last"]).out;
    assert!(
        text.contains("Pay for the order.") && text.contains("button 'Pay now'"),
        "{text}"
    );
    let deleted = program.run(&["runs", "--delete", runs[0]["run"].as_str().unwrap()]);
    assert_eq!(deleted.code, 0, "{}", deleted.err);
    assert_eq!(program.run(&["runs", "--json"]).json_lines().len(), 2);
}

#[test]
fn a_goal_that_is_missed_fails_the_demo() {
    let program = Program::new();
    let folder = scripts(&program);
    // The button beside the right one.
    program.file("scripts/cookies.jsonl", click(280, 519));
    let said = program.run(&[
        "demo",
        "--json",
        "--no-miniwob",
        "--scripts",
        &folder,
        "--goals",
        "cookies",
    ]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert_eq!(
        of(&said.json_lines(), "outcome")[0]["outcome"]["end"]["kind"],
        "missed"
    );
}

/// A shop with a button over the whole page.
struct Shop {
    server: Arc<Server>,
    address: String,
    worker: Option<std::thread::JoinHandle<()>>,
}

impl Shop {
    fn open(label: &str) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let page = format!(
            "<!doctype html><title>Shop</title><button style='position: fixed; inset: 0; width: 100%'>{label}</button>"
        );
        let worker = std::thread::spawn({
            let server = Arc::clone(&server);
            move || {
                for request in server.incoming_requests() {
                    let html = Header::from_bytes("Content-Type", "text/html").unwrap();
                    let _ = request.respond(Response::from_string(page.clone()).with_header(html));
                }
            }
        });
        Self {
            address: format!("http://{}/", server.server_addr()),
            server,
            worker: Some(worker),
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.unblock();
        self.worker.take().unwrap().join().unwrap();
    }
}

fn agent(program: &Program, shop: &Shop, script: &str, more: &[&str]) -> crate::program::Said {
    let script = program.file("script.jsonl", script);
    let args = [
        "agent",
        "Get it done.",
        "--browser",
        &shop.address,
        "--script",
        script.to_str().unwrap(),
        "--json",
    ];
    program.run(&[&args, more].concat())
}

const TERMINATE: &str =
    "{\"intent\": \"End.\", \"arguments\": {\"action\": \"terminate\", \"status\": \"success\"}}\n";

#[test]
fn an_agent_that_is_refused_says_so_by_its_exit_code() {
    let program = Program::new();
    let shop = Shop::open("Pay now");
    let said = agent(&program, &shop, &click(500, 500).repeat(4), &[]);
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
}

#[test]
fn an_agent_is_done_when_it_says_so_and_its_run_can_be_shown() {
    let program = Program::new();
    let shop = Shop::open("Show more");
    let said = agent(
        &program,
        &shop,
        &(click(500, 500) + TERMINATE),
        &["--report", "report.html"],
    );
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let page = std::fs::read_to_string(program.home().join("report.html")).unwrap();
    assert!(page.contains("Get it done."));
}

#[test]
fn a_program_may_answer_the_question() {
    let program = Program::new();
    let shop = Shop::open("Pay now");
    let script = click(500, 500) + TERMINATE;
    let said = agent(
        &program,
        &shop,
        &script,
        &["--approve-with", "cat >/dev/null; echo '{\"answer\": \"yes\"}'"],
    );
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let steps = said.json_lines();
    assert_eq!(steps[0]["step"]["approval"]["allowed"], true, "{}", steps[0]);
}

#[test]
fn rules_of_this_run_bind() {
    let program = Program::new();
    let shop = Shop::open("Show more");
    let rules = program.file(
        "run.toml",
        "[[rule]]\nname = \"hands-off\"\ndecision = \"deny\"\naction = \"left_click\"\nreason = \"no clicks today\"\n",
    );
    let said = agent(
        &program,
        &shop,
        &click(500, 500).repeat(4),
        &["--rules", rules.to_str().unwrap()],
    );
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    assert_eq!(
        said.json_lines()[0]["step"]["verdict"]["rule"]["name"],
        "hands-off",
        "{}",
        said.out
    );
}

#[test]
fn a_run_that_stopped_goes_on_where_it_was() {
    let program = Program::new();
    let shop = Shop::open("Show more");
    let stopped = agent(&program, &shop, &click(500, 500), &[]);
    assert_eq!(
        stopped.code, 1,
        "the script ends before the goal\n{}",
        stopped.err
    );
    let script = program.file("rest.jsonl", TERMINATE);
    let said = program.run(&[
        "agent",
        "--resume",
        "last",
        "--script",
        script.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = said.json_lines();
    assert_eq!(lines[0]["step"]["number"], 2);
    assert_eq!(of(&lines, "end")[0]["outcome"]["goal"], "Get it done.");
    assert_eq!(program.run(&["runs", "--json"]).json_lines().len(), 1);
}
