//! `bench` on a tiny shape: what it prints, never how fast.

use std::path::PathBuf;

use serde_json::Value;

use crate::program::Program;

fn bench(options: &[&str]) -> Vec<Value> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../reference/goldens/moe"
    ));
    let model = folder.to_str().unwrap();
    let arguments = [
        &[
            "bench",
            "--random-weights",
            "--model",
            model,
            "--json",
            "--repeat",
            "2",
        ],
        options,
    ]
    .concat();
    let said = Program::new().run(&arguments);
    assert_eq!(said.code, 0, "{options:?}: {}", said.err);
    said.json_lines()
}

#[test]
fn text_beside_a_busy_process() {
    let lines = bench(&[
        "--prompt",
        "8",
        "--generate",
        "2",
        "--beside",
        "1",
        "--first-layers",
        "1",
    ]);
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["prefill", "decode"]);
    for line in &lines {
        assert!(line["tokens_per_second"].as_f64().unwrap() > 0.0, "{line}");
        assert_eq!((&line["beside"], &line["first_layers"]), (&1.into(), &1.into()));
    }
}

#[test]
fn sequences_together_at_a_depth() {
    for layers in ["hybrid", "full", "linear"] {
        let lines = bench(&[
            "--prompt",
            "0",
            "--generate",
            "3",
            "--batch",
            "1,3",
            "--depth",
            "70,5000",
            "--fill",
            "repeat",
            "--kv",
            "int8",
            "--context",
            "6000",
            "--layer-types",
            layers,
        ]);
        let found: Vec<(u64, u64)> = lines
            .iter()
            .map(|line| (line["depth"].as_u64().unwrap(), line["batch"].as_u64().unwrap()))
            .collect();
        assert_eq!(found, [(70, 1), (70, 3), (5000, 1), (5000, 3)]);
        for line in &lines {
            let number = |name: &str| line[name].as_f64().unwrap();
            let each = number("tokens_per_second_each") * number("batch");
            assert!((each / number("tokens_per_second") - 1.0).abs() < 1e-2, "{line}");
            assert!(number("ratio_to_one") > 0.0 && number("planned_bytes") > 0.0);
            assert_eq!(
                (&line["kv"], &line["layer_types"]),
                (&"int8".into(), &layers.into())
            );
        }
    }
}

#[test]
fn lengths_beyond_the_context_or_memory_are_refused_with_what_helps() {
    for (options, hint) in [
        (&["--depth", "262144", "--model", "0.8B"][..], "--context 262656"),
        (
            &["--batch", "40", "--depth", "200000", "--model", "0.8B"],
            "would fit: --context",
        ),
        (&["--model", "397B-A17B", "--quant", "f32"], "fewer bits"),
    ] {
        let said = Program::new().run(&[&["bench", "--random-weights"], options].concat());
        assert_eq!(said.code, 1, "{options:?}: {}", said.out);
        assert!(said.err.contains(hint), "{options:?}: {}", said.err);
    }
}

#[test]
fn a_picture_from_pixels_on() {
    let lines = bench(&["--image", "640x512"]);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["kind"], "image");
    // 20 × 16 squares of 32 pixels, and the two tokens around them.
    assert_eq!(line["tokens"], 322);
    for part in ["seconds", "preprocessing_seconds", "vision_seconds"] {
        assert!(line[part].as_f64().unwrap() > 0.0, "{part}: {line}");
    }
}

#[test]
fn a_start_is_one_token() {
    let lines = bench(&["--start"]);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["kind"], "start");
    assert!(line["seconds"].as_f64().unwrap() >= line["load_seconds"].as_f64().unwrap());
}

#[test]
fn sizes_that_are_none_are_refused() {
    let said = Program::new().run(&["bench", "--image", "1920"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("1920x1080"), "{}", said.err);
}

#[test]
fn experts_in_their_file_give_the_same_logits() {
    let program = Program::new();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/goldens/moe");
    let said = program.run(&[
        "quantize",
        golden,
        "--to",
        "q4",
        "--nearest",
        "--output",
        "moe.aurore",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let bench = |options: &[&str]| {
        let command = [
            "bench",
            "--json",
            "--model",
            "moe.aurore",
            "--prompt",
            "40",
            "--generate",
            "3",
        ];
        let said = program.run(&[&command[..], options].concat());
        assert_eq!(said.code, 0, "{options:?}: {}", said.err);
        said.json_lines()
    };
    let (all, some) = (bench(&[]), bench(&["--expert-memory", "1MiB"]));
    assert_eq!((all.len(), some.len()), (2, 2));
    for (all, some) in all.iter().zip(&some) {
        assert_eq!(all["logits"], some["logits"]);
        assert!(all["experts"].is_null(), "{all}");
        assert!(some["experts"]["hits"].as_f64().unwrap() > 0.0, "{some}");
    }

    let said = program.run(&["inspect", "moe.aurore", "--json", "--expert-memory", "1MiB"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let experts = &said.json_lines()[0]["experts"];
    assert!(
        experts["disk_bytes_per_second"].as_f64().unwrap() > 0.0,
        "{experts}"
    );
    let bound = |name: &str| experts[name].as_f64().unwrap();
    assert!(bound("bound_tokens_per_second") <= bound("bound_tokens_per_second_in_memory"));

    for command in [
        &["bench", "--expert-memory", "1GB"][..],
        &["inspect", "--expert-memory", "1GB"],
        &["inspect", "35B-A3B", "--expert-memory", "1GB"],
    ] {
        let said = program.run(command);
        assert!(
            said.code != 0 && said.err.contains("hint:"),
            "{command:?}: {}",
            said.err
        );
    }
}

#[test]
fn a_step_of_the_agent_is_measured_part_by_part() {
    let said = Program::new().run(&["bench", "agent", "--steps", "5", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines = said.json_lines();
    let parts: Vec<&str> = lines.iter().map(|line| line["part"].as_str().unwrap()).collect();
    assert_eq!(
        parts,
        [
            "target", "verdict", "journal", "input", "capture", "rest", "overhead", "settle"
        ]
    );
    for line in &lines {
        assert_eq!(
            (&line["viewport"], &line["steps"]),
            (&serde_json::json!([1280, 800]), &5.into())
        );
        let spread = ["median_ms", "p90_ms", "max_ms"].map(|name| line[name].as_f64().unwrap());
        assert!(spread.is_sorted() && spread[0] >= 0.0, "{line}");
    }
}
