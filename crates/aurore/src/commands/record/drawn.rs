//! Drawn screens: a step for each question about one, some hundreds of screens a file.

use std::io::Cursor;

use anyhow::Context;
use aurore_action::{Action, Button, Size};
use aurore_chat::computer_use;
use aurore_drawn::{Answer, Density, Drawing, Fonts, Lesson, questions};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use serde_json::{Map, Value, json};

use super::{Args, Recorded};
use crate::commands::eval::progress;
use crate::global::Global;
use crate::workflows::Episode;

/// Screens of one file.
const BLOCK: usize = 500;
/// Steps of one screen, each with other questions.
const LESSONS: usize = 2;

/// Draws a screen for each seed.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<Option<Recorded>> {
    let fonts = Fonts::installed();
    let size = args.browser.viewport.unwrap_or(Size {
        width: 160,
        height: 210,
    });
    let density = if args.sparse {
        Density::Sparse
    } else if args.full {
        Density::Full
    } else {
        Density::Mixed
    };
    let mut recorded = Recorded::default();
    let bar = progress(args.seeds.count(), "drawn");
    for first in args.seeds.all().step_by(BLOCK) {
        let block = Episode::of_task("drawn", "drawn", first, &args.out);
        let seeds = first..args.seeds.all().end.min(first + BLOCK as u64);
        if block.exists() {
            bar.inc(seeds.end - seeds.start);
            continue;
        }
        let mut steps = Vec::new();
        for seed in seeds {
            if global.is_interrupted() {
                bar.finish_and_clear();
                return Ok(None);
            }
            let drawing = Drawing::new(seed, size, density, &fonts)?;
            let frame = block.write_frame(&seed.to_string(), &png(&drawing)?)?;
            let lessons = drawing.lessons.iter().take(LESSONS).enumerate();
            steps.extend(lessons.filter_map(|(number, lesson)| step(&drawing, seed, number, lesson, &frame)));
            bar.inc(1);
        }
        recorded.steps += block.write_steps(&steps)?;
        recorded.episodes += 1;
    }
    bar.finish_and_clear();
    Ok(Some(recorded))
}

fn step(
    drawing: &Drawing,
    seed: u64,
    number: usize,
    lesson: &Lesson,
    frame: &str,
) -> Option<Map<String, Value>> {
    let size = drawing.size;
    let (action, intent) = match &lesson.answer {
        Answer::Click(at) => {
            let click = Action::Click {
                button: Button::Left,
                count: 1,
                at: *at,
                modifiers: Vec::new(),
            };
            (click, lesson.goal.clone())
        }
        Answer::Say(text) => (
            Action::Answer { text: text.clone() },
            "Say what is there.".to_owned(),
        ),
    };
    let target = lesson.target;
    let asked = questions(seed ^ ((number as u64) << 48), &drawing.widgets, size);
    let step = json!({
        "seed": seed,
        "language": drawing.language,
        "step": 1,
        "goal": lesson.goal,
        "done": [],
        "did": [],
        "frame": frame,
        "size": [size.width, size.height],
        "thinking": lesson.thinking,
        "intent": intent,
        "expect": "It is done.",
        "action": computer_use::render(&action, size).arguments,
        "point": action.point().map(|point| json!([point.x, point.y])),
        "target": {"box": [target.x, target.y, target.width, target.height]},
        "questions": asked,
        "words": drawing.words,
    });
    step.as_object().cloned()
}

fn png(drawing: &Drawing) -> anyhow::Result<Vec<u8>> {
    let Size { width, height } = drawing.size;
    let mut bytes = Cursor::new(Vec::new());
    PngEncoder::new(&mut bytes)
        .write_image(&drawing.rgb, width, height, ExtendedColorType::Rgb8)
        .context("a drawing is no picture")?;
    Ok(bytes.into_inner())
}
