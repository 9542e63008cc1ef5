//! What is allowed from now on: kept, shown, in force in the next run, revoked. And the journal of those runs under
//! other rules.

use tiny_http::{Header, Response, Server};

use crate::program::{Program, Said};

/// A page that is one button, as large as the window.
fn page() -> String {
    let server = Server::http("127.0.0.1:0").unwrap();
    let address = format!(
        "http://127.0.0.1:{}/",
        server.server_addr().to_ip().unwrap().port()
    );
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let html: Header = "Content-Type: text/html; charset=utf-8".parse().unwrap();
            let body = "<!doctype html><title>Door</title><button style='position:fixed;inset:0;width:100%' \
                        onclick=\"this.style.background='green'\">Log in</button>";
            let _ = request.respond(Response::from_string(body).with_header(html));
        }
    });
    address
}

struct Door {
    program: Program,
    script: String,
    address: String,
}

impl Door {
    fn new() -> Self {
        let program = Program::new();
        let script = program.file(
            "press.jsonl",
            "{\"intent\": \"Press it.\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [500, 500]}}\n",
        );
        Self {
            script: script.display().to_string(),
            program,
            address: page(),
        }
    }

    fn press(&self, answering: &[&str]) -> Said {
        let line = [
            "agent",
            "Look at the door",
            "--browser",
            &self.address,
            "--script",
            &self.script,
            "--json",
        ];
        self.program.run(&[&line, answering].concat())
    }
}

fn verdict(said: &Said) -> (String, String) {
    let lines = said.json_lines();
    let step = lines
        .iter()
        .find(|line| line["event"] == "step")
        .unwrap_or_else(|| panic!("{}", said.err));
    let verdict = &step["step"]["verdict"];
    (
        verdict["decision"].as_str().unwrap().to_owned(),
        format!(
            "{}/{}",
            verdict["rule"]["layer"].as_str().unwrap(),
            verdict["rule"]["name"].as_str().unwrap()
        ),
    )
}

#[cfg(unix)]
#[test]
fn an_allowance_outlives_the_run_until_it_is_revoked() {
    let door = Door::new();
    // The offers for the run come first; the fourth is the narrowest that is kept.
    let copy = door.program.home().join("question.json");
    let keeping = format!(
        "cat > {}; echo '{{\"answer\": \"yes\", \"scope\": 3}}'",
        copy.display()
    );
    let asked = door.press(&["--approve-with", &keeping]);
    assert_eq!(verdict(&asked), ("ask".into(), "builtin/tier-2-ask".into()));
    let question: serde_json::Value = serde_json::from_slice(&std::fs::read(copy).unwrap()).unwrap();
    let offers: Vec<&str> = question["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scope| scope["words"].as_str().unwrap())
        .collect();
    assert!(
        offers[3].contains("Log in") && offers[3].contains("from now on (kept in your rules)"),
        "{offers:#?}"
    );

    let listed = door.program.run(&["policy", "allowances", "--json"]).json_lines();
    assert_eq!(listed.len(), 1);
    let name = listed[0]["name"].as_str().unwrap();
    let reason = listed[0]["reason"].as_str().unwrap();
    assert!(
        name.starts_with("allowed-2") && reason.contains("click button 'Log in'"),
        "{name}: {reason}"
    );
    assert!(
        door.program
            .run(&["policy", "allowances"])
            .out
            .contains("label = ")
    );

    // Nobody is there, and nobody needs to be.
    let (decision, rule) = verdict(&door.press(&["--headless"]));
    assert_eq!((decision.as_str(), rule), ("allow", format!("user/{name}")));

    assert_eq!(door.program.run(&["policy", "revoke", name]).code, 0);
    assert_eq!(verdict(&door.press(&["--headless"])).0, "deny");
    let again = door.program.run(&["policy", "revoke", name]);
    assert!(
        again.code == 1 && again.err.contains("policy allowances"),
        "{}",
        again.err
    );
}

#[test]
fn past_runs_are_judged_again_under_other_rules() {
    let door = Door::new();
    door.press(&["--headless"]);
    let simulate = |rule: &str| {
        let file = door.program.file("tried.toml", rule);
        door.program
            .run(&["policy", "simulate", file.to_str().unwrap(), "--json"])
    };
    let steps = |said: &Said| {
        let lines = said.json_lines();
        (lines[0].clone(), lines.last().unwrap()["summary"].clone())
    };
    let (step, summary) = steps(&simulate(
        "[[rule]]\nname = \"no-doors\"\ndecision = \"deny\"\nlabel = \"log*\"\nreason = \"a test\"\n",
    ));
    assert_eq!(step["words"], "click button 'Log in'");
    assert_eq!(
        (&step["was"], &step["now"]["decision"]),
        (&"ask".into(), &"deny".into())
    );
    assert_eq!(step["now"]["rule"]["name"], "no-doors");
    assert_eq!((&summary["denied"], &summary["changed"]), (&1.into(), &1.into()));

    let (step, summary) = steps(&simulate(
        "[[rule]]\nname = \"doors\"\ndecision = \"allow\"\neffect = \"log-in\"\nreason = \"a test\"\n",
    ));
    assert_eq!(step["now"]["decision"], "allow");
    assert_eq!((&summary["allowed"], &summary["steps"]), (&1.into(), &1.into()));

    let file = door.program.file("nothing.toml", "");
    let said = door
        .program
        .run(&["policy", "simulate", file.to_str().unwrap(), "--run", "last"]);
    assert!(
        said.out.contains("1 asked about") && said.out.contains("as it was"),
        "{}{}",
        said.out,
        said.err
    );
    let missing = door
        .program
        .run(&["policy", "simulate", file.to_str().unwrap(), "--run", "nonesuch"]);
    assert_eq!(missing.code, 1);
}

#[test]
fn a_projects_folder_can_only_tighten() {
    let program = Program::new();
    let explain = ["policy", "explain", "left_click", "--label", "Next", "--json"];
    assert_eq!(program.run(&explain).json_lines()[0]["decision"], "allow");
    program.file(
        ".aurore/rules.toml",
        "[[rule]]\nname = \"ask-next\"\ndecision = \"ask\"\nlabel = \"next\"\nreason = \"a test\"\n",
    );
    let verdict = &program.run(&explain).json_lines()[0];
    assert_eq!(
        (&verdict["decision"], &verdict["rule"]["layer"]),
        (&"ask".into(), &"project".into())
    );
    let loose = program.file(
        ".aurore/rules.toml",
        "[[rule]]\nname = \"all\"\ndecision = \"allow\"\nreason = \"a test\"\n",
    );
    let said = program.run(&explain);
    assert!(
        said.code == 1 && said.err.contains("may only ask or deny"),
        "{}",
        said.err
    );
    assert_eq!(
        program
            .run(&["policy", "check", "--project", loose.to_str().unwrap()])
            .code,
        1
    );
}
