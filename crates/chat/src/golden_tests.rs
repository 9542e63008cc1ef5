//! Against files of the repository: what the official processor and tokeniser make of the same input.

use std::path::{Path, PathBuf};

use aurore_checkpoint::{Config, Files, PreprocessorConfig, SafetensorsFile};
use serde_json::Value;

use crate::{
    Chat, Message, PromptOptions, ToolCall,
    image::{DecodedImage, Limits, Preprocess, decode},
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The official processor resizes with torchvision, this one as Pillow does: they differ by a few levels where pixels
/// are noisy, so the largest difference is bounded loosely and the mean strictly.
#[test]
fn patches_are_the_official_processors() {
    let folder = repository("reference/goldens/images");
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    for case in index["images"].as_array().unwrap() {
        let name = case["image"].as_str().unwrap();
        let image = decode(&std::fs::read(folder.join(name)).unwrap(), &Limits::default()).unwrap();
        let config = serde_json::json!({"size": case["size"], "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]});
        let config = PreprocessorConfig::from_json(&config.to_string(), "index.json").unwrap();
        let found = Preprocess::new(&config).unwrap().patches(&image).unwrap();
        let file = case["file"].as_str().unwrap();
        let golden = SafetensorsFile::open(&folder.join(file)).unwrap();
        let expected = golden.tensor("pixel_values").unwrap();
        let [_, rows, columns] = found.grid;
        assert_eq!(expected.shape, [(rows * columns) as usize, 1536], "{name}");
        let levels: Vec<f64> = expected
            .to_f32()
            .iter()
            .zip(&found.patches)
            .map(|(a, b)| f64::from((a - b).abs()) * 127.5)
            .collect();
        let most = levels.iter().copied().fold(0.0, f64::max);
        let mean = levels.iter().sum::<f64>() / levels.len() as f64;
        assert!(
            most < 11.5 && mean < 0.5,
            "{name}: {most} levels at most, {mean} in the mean"
        );
        if name.starts_with("as-is") {
            assert!(most < 1e-3, "{name} was resized");
        }
    }
}

fn nano() -> Chat {
    let folder = repository("models/nano");
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    Chat::from_files(
        &Files::folder(folder),
        &Config::from_json(&config, "config.json").unwrap(),
    )
    .unwrap()
}

/// Ids as Python's `tokenizers` gives them for an answer in the form that nano was taught.
const ANSWER: &[u32] = &[
    273, 302, 272, 268, 261, 325, 293, 11, 285, 283, 287, 276, 13, 198, 2028, 2029, 287, 261, 1733, 302,
    2030, 261, 302, 272, 384, 68, 67, 756, 2023, 2031, 271, 291, 606, 2032, 20, 16, 17, 11, 220, 18, 15, 15,
    2033, 2024,
];

/// Ids as Python's `tokenizers` gives them for the rendered text.
#[test]
fn the_embedded_model_is_spoken_to_as_it_was_trained() {
    let chat = nano();
    let picture = DecodedImage {
        width: 160,
        height: 210,
        rgb: vec![0; 160 * 210 * 3].into(),
        note: None,
    };
    let messages = [Message::user_with_image(
        picture,
        "Click the button \"Ok\" – größer.\nDone: left_click type",
    )];
    let prompt = chat
        .prompt(&messages, &[], &PromptOptions::thinking(true))
        .unwrap();
    let expected = [
        &[2017, 969, 198, 2019][..],
        &[2021; 80],
        &[
            2020, 281, 261, 302, 386, 1455, 1, 220, 158, 222, 241, 390, 81, 127, 114, 1577, 286, 13, 198,
            1009, 25, 293, 606, 451, 2018, 198, 2017, 1014, 960, 198, 2027, 198,
        ],
    ]
    .concat();
    assert_eq!(prompt.ids, expected);
    assert_eq!(prompt.images[0].grid, [1, 20, 16]);
    assert!(chat.starts_in_thinking(&prompt));
}

#[test]
fn the_embedded_models_answer_is_read() {
    let chat = nano();
    let turn = chat.parse(ANSWER, true, &[crate::computer_use::schema(false)], true);
    let step = crate::step::parse(&turn).unwrap();
    assert_eq!(
        (step.intent.as_str(), step.expect.as_str()),
        ("click the Ok button", "the button is pressed")
    );
    let ToolCall { name, arguments } = step.call;
    assert_eq!(name, "computer_use");
    assert_eq!(
        Value::Object(arguments),
        serde_json::json!({"action": "left_click", "coordinate": [512, 300]})
    );
}

/// Every token of a trained answer is one that the grammar allows.
#[test]
fn the_embedded_models_answer_fits_the_grammar() {
    let chat = nano();
    let grammar = crate::computer_use::step_grammar(
        chat.tags(),
        crate::computer_use::StepForm {
            thinking: true,
            ..Default::default()
        },
    );
    let mut constraint = aurore_engine::Constraint::new(&grammar, &chat.vocabulary()).unwrap();
    for &id in ANSWER {
        assert!(constraint.try_push(id).unwrap(), "token {id}");
    }
    assert!(constraint.is_complete());
}
