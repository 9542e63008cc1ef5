//! Rules from files, and what they lead to.

use crate::program::Program;

const PAY: &[&str] = &[
    "policy",
    "explain",
    "left_click",
    "--role",
    "button",
    "--label",
    "Pay now",
];

#[test]
fn a_verdict_names_its_rule() {
    let program = Program::new();
    let said = program.run(PAY);
    assert_eq!(said.code, 0);
    insta::assert_snapshot!("explain_pay", said.out);
}

#[test]
fn a_rule_of_the_users_changes_the_verdict() {
    let program = Program::new();
    let json = [PAY, &["--json"]].concat();
    assert_eq!(program.run(&json).json_lines()[0]["decision"], "ask");
    program.file(
        "rules.toml",
        "[[rule]]\nname = \"no-payments\"\ndecision = \"deny\"\nlabel = \"pay*\"\nreason = \"I pay myself\"\n",
    );
    let verdict = &program.run(&json).json_lines()[0];
    assert_eq!(verdict["decision"], "deny");
    assert_eq!(verdict["rule"]["reason"], "I pay myself");
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_line() {
    let program = Program::new();
    let file = program.file(
        "mine.toml",
        "[[rule]]\nname = \"a\"\ndecision = \"deny\"\nreason = \"b\"\nlable = \"pay*\"\n",
    );
    let said = program.run(&["policy", "check", file.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    insta::assert_snapshot!("rules_mistake", said.err);
    // A run with such rules does not start: fewer rules than the person wrote are no way out.
    program.file("rules.toml", std::fs::read(&file).unwrap());
    assert_eq!(program.run(&["demo"]).code, 1);
}

#[test]
fn a_sound_file_is_counted() {
    let program = Program::new();
    let file = program.file(
        "mine.toml",
        "[[rule]]\nname = \"a\"\ndecision = \"ask\"\nreason = \"b\"\naction = \"type\"\n",
    );
    let said = program.run(&["policy", "check", file.to_str().unwrap(), "--json"]);
    assert_eq!(said.json_lines()[0]["rules"], 1);
}
