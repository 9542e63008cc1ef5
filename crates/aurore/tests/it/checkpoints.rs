//! `inspect` and `verify` on the committed goldens.

use std::path::PathBuf;

use crate::program::Program;

fn golden(name: &str) -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/goldens"));
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn official_shapes_are_described_without_files() {
    let said = Program::new().run(&["inspect", "0.8B", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let facts = &said.json_lines()[0];
    let billions = facts["parameters"]["total"].as_f64().unwrap() / 1e9;
    assert!((billions - 0.8734).abs() < 1e-4, "{billions}");
    assert_eq!(facts["files"], serde_json::Value::Null);
    assert_eq!(facts["shape"]["full_layers"], 6);
    // Six layers of two key-value heads of 256, keys and values, bf16.
    assert_eq!(facts["memory"]["kv_bytes_per_token"], 6 * 2 * 256 * 2 * 2);
    let text = Program::new().run(&["inspect", "35B-A3B"]).out;
    for part in [
        "256 experts of 512, 8 a token",
        "35.952 B",
        "active for a token",
        "GB",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_plan_says_what_fits_and_how_fast_at_most() {
    let said = Program::new().run(&[
        "inspect",
        "0.8B",
        "--context",
        "1010000",
        "--kv",
        "int8",
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let plan = &said.json_lines()[0]["plan"];
    assert_eq!(
        (&plan["context"], &plan["yarn_factor"]),
        (&1_010_000.into(), &4.0.into())
    );
    assert!(plan["machine"]["read_bytes_per_second"].as_f64().unwrap() > 1e6);
    let formats = plan["formats"].as_array().unwrap();
    let names: Vec<&str> = formats
        .iter()
        .map(|plan| plan["weights"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["f32", "bf16", "q8", "mixed", "q4"]);
    for plan in formats {
        let number = |name: &str| plan[name].as_u64().unwrap();
        // 8 bits and a scale for each token, head, and keys or values of six layers, in whole pages.
        assert_eq!(number("kv_bytes_per_token"), 6 * 2 * 2 * (256 + 4));
        assert_eq!(number("kv_bytes"), 6 * 2 * 2 * (256 + 4) * 1_010_048);
        let parts = [
            "weights",
            "kv",
            "delta",
            "convolution",
            "chunk",
            "undo",
            "buffers",
        ];
        let sum: u64 = parts.map(|part| number(&format!("{part}_bytes"))).iter().sum();
        assert_eq!(sum, number("total_bytes"));
        let most = &plan["tokens_per_second_at_most"];
        assert!(most["start"].as_f64().unwrap() > most["end"].as_f64().unwrap());
    }
    let text = Program::new()
        .run(&["inspect", "397B-A17B", "--context", "262144", "--sequences", "3"])
        .out;
    for part in [
        "3 sequences of 262144 tokens",
        "a page of 64 tokens",
        "fits",
        "at most",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A checkpoint's own plan: its context ends at 262,144.
    let text = Program::new()
        .run(&["inspect", &golden("moe"), "--context", "300000"])
        .out;
    assert!(text.contains("YaRN with factor"), "{text}");
}

#[test]
fn all_shapes_are_planned_in_one_table() {
    let said = Program::new().run(&["inspect", "all", "--context", "262144"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for name in ["0.8B", "27B", "397B-A17B"] {
        assert!(said.out.contains(name), "{name}: {}", said.out);
    }
    let lines = Program::new()
        .run(&["inspect", "all", "--context", "4096", "--json"])
        .json_lines();
    assert_eq!(lines.len(), 8);
    assert!(lines[7]["plan"]["formats"][4]["experts_bytes"].as_u64().unwrap() > 200_000_000_000);
}

#[test]
fn a_context_larger_than_memory_is_refused_before_anything_is_loaded() {
    let arguments = ["run", "Hello", "--context", "100000000000"];
    let said = Program::new().run(&arguments);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.err.contains("tokens need") && said.err.contains("would fit: --context"),
        "{}",
        said.err
    );
}

#[test]
fn checkpoints_are_described_from_their_files() {
    let said = Program::new().run(&["inspect", &golden("moe"), "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let facts = &said.json_lines()[0];
    assert_eq!(facts["shape"]["ffn"]["num_experts"], 8);
    let stored = facts["files"]["bytes_by_dtype"].as_object().unwrap();
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["BF16", "F32"]);
    let parts = facts["parameters"]["parts"].as_object().unwrap();
    let sum: u64 = parts.values().map(|part| part.as_u64().unwrap()).sum();
    assert_eq!(facts["parameters"]["total"], sum);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let said = Program::new().run(&["inspect", "36B"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("0.8B, 2B"), "{}", said.err);
}

#[test]
fn goldens_pass_on_both_paths() {
    for (path, precision) in [("fast", "f32"), ("fast", "bf16"), ("reference", "f32")] {
        let cases = golden("moe/cases");
        let said = Program::new().run(&[
            "verify",
            &golden("moe"),
            &cases,
            "--json",
            "--path",
            path,
            "--precision",
            precision,
        ]);
        assert_eq!(said.code, 0, "{path} {precision}: {}{}", said.out, said.err);
        let lines = said.json_lines();
        assert_eq!(lines.len(), 10);
        for line in &lines {
            assert_eq!(line["status"], "pass", "{line}");
            assert!(line["max_abs"].as_f64().unwrap() < 5e-3, "{line}");
            assert!(line["kl"].is_number() && line["top1"].is_number() && line["rms"].is_number());
        }
        assert!(lines.iter().any(|line| line["greedy_match"] == true));
    }
}

#[test]
fn a_failed_case_is_exit_code_one() {
    let arguments = [&golden("text-only"), &golden("text-only/cases")];
    let said = Program::new().run(&["verify", arguments[0], arguments[1], "--tolerance", "0"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("0 passed, 2 failed, 0 skipped"), "{}", said.out);
    assert!(said.out.contains("logits: largest difference"), "{}", said.out);
}

#[test]
fn broken_case_folders_are_named() {
    let program = Program::new();
    let said = program.run(&["verify", &golden("text-only"), "nowhere"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("index.json") && said.err.contains("hint:"),
        "{}",
        said.err
    );
    program.file(
        "cases/index.json",
        r#"{"cases":[{"case":"a","file":"a.safetensors","kind":"text"}]}"#,
    );
    // A header that promises more than the file holds.
    program.file("cases/a.safetensors", [9, 0, 0, 0, 0, 0, 0, 0, b'{']);
    let said = program.run(&["verify", &golden("text-only"), "cases"]);
    assert_eq!(said.code, 1);
    assert!(
        said.out
            .contains("a.safetensors: at byte 0: the header claims 9 bytes"),
        "{}",
        said.out
    );
}
