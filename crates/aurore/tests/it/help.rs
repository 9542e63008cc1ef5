//! What the program says about itself.

use crate::program::Program;

#[test]
fn without_arguments_it_shows_what_it_can_do() {
    let said = Program::new().run(&[]);
    assert_eq!(said.code, 0);
    insta::assert_snapshot!("without_arguments", said.out);
}

#[test]
fn every_command_explains_itself() {
    let program = Program::new();
    for command in [
        "demo", "agent", "chat", "run", "serve", "eval", "apps", "record", "doctor", "replay", "runs",
        "policy", "train", "tune",
    ] {
        let said = program.run(&[command, "--help"]);
        assert_eq!(said.code, 0, "{command}");
        insta::assert_snapshot!(format!("help_{command}"), said.out);
    }
}

#[test]
fn doctor_says_what_is_there_as_json_lines() {
    let said = Program::new().run(&["doctor", "--json"]);
    let findings: Vec<String> = said
        .json_lines()
        .iter()
        .map(|finding| finding["what"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        findings,
        [
            "processor",
            "instructions",
            "memory",
            "huge pages",
            "model nano",
            "browser",
            "fonts",
            "MiniWoB++"
        ]
    );
}
