//! The examples of docs/rules.md do what it says.

use crate::program::Program;

const PAGE: &str = include_str!("../../../../docs/rules.md");

/// The blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    PAGE.split(opening.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// The words of a command line; double and single quotes hold together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_rule_file_is_sound() {
    let program = Program::new();
    let files = blocks("toml");
    assert!(files.len() > 1);
    for text in files {
        let file = program.file("mine.toml", text);
        let said = program.run(&["policy", "check", file.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{text}\n{}", said.err);
    }
}

#[test]
fn every_verdict_is_explained_as_shown() {
    let program = Program::new();
    let mut explained = 0;
    for block in blocks("console") {
        for command in block.split("$ aurore ").skip(1) {
            let (line, expected) = command.split_once('\n').unwrap();
            let line = words(line);
            if line[..2] != ["policy", "explain"] {
                continue;
            }
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            assert_eq!(program.run(&line).out, expected, "{line:?}");
            explained += 1;
        }
    }
    assert!(explained > 3);
}

/// The table of attacks names tests that exist.
#[test]
fn every_attack_has_its_test() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = |path: &str| std::fs::read_to_string(crates.join(path)).unwrap();
    let made_up = source("policy/src/classify/tool/tests.rs") + &source("policy/src/judge/laws.rs");
    let table = PAGE.split("## Attacks").nth(1).unwrap();
    let mut named = 0;
    for cell in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let tests = cell.rsplit('|').nth(1).unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            let (text, name) = match test.split_once("::") {
                Some((family, name)) => (source(&format!("agent/tests/it/attacks/{family}.rs")), name),
                None => (made_up.clone(), test),
            };
            assert!(text.contains(&format!("fn {name}(")), "{test}");
            named += 1;
        }
    }
    assert!(named > 20);
}
