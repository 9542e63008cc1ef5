//! `export`: what it writes is a checkpoint again.

use std::path::PathBuf;

use crate::program::Program;

fn golden(name: &str) -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/goldens"));
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn an_exported_checkpoint_gives_the_same_logits() {
    let program = Program::new();
    let said = program.run(&["export", &golden("moe"), "--output", "out", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let line = &said.json_lines()[0];
    assert_eq!(line["files"], serde_json::json!(["model.safetensors"]));
    let said = program.run(&["verify", "out", &golden("moe/cases"), "--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn random_weights_of_fewer_layers_with_a_tokeniser() {
    let program = Program::new();
    program.file("words/tokenizer.json", "{}");
    let export = [
        "export",
        &golden("moe"),
        "--random-weights",
        "--layers",
        "2",
        "--without",
        "vision,mtp",
        "--tokenizer",
        "words",
        "--output",
        "out",
    ];
    let said = program.run(&export);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("copied: tokenizer.json"), "{}", said.out);
    let facts = &program.run(&["inspect", "out", "--json"]).json_lines()[0];
    assert_eq!(facts["shape"]["num_hidden_layers"], 2);
    assert_eq!(facts["shape"]["vision"], serde_json::Value::Null);
    // Never over what is there.
    let said = program.run(&export);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("not empty") && said.err.contains("hint:"),
        "{}",
        said.err
    );
}

#[test]
fn what_cannot_be_exported_is_said() {
    let program = Program::new();
    for (arguments, says) in [
        (vec!["0.8B"], "--random-weights"),
        (vec!["37B", "--random-weights"], "official shapes are 0.8B"),
        (
            vec!["0.8B", "--random-weights", "--layers", "25"],
            "this model has 24",
        ),
    ] {
        let arguments: Vec<&str> = ["export"]
            .into_iter()
            .chain(arguments)
            .chain(["--output", "out"])
            .collect();
        let said = program.run(&arguments);
        assert_eq!(said.code, 1, "{arguments:?}");
        assert!(said.err.contains(says), "{says}: {}", said.err);
    }
}
