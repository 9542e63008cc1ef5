//! One picture, from pixels to the end of its prefill: what an agent's step costs before it thinks.

use std::str::FromStr;
use std::time::Instant;

use aurore_chat::image::Preprocess;
use aurore_chat::{DecodedImage, Run, positions};
use aurore_checkpoint::PreprocessorConfig;
use aurore_model::{Input, Model, Want};
use serde_json::json;

use super::figures::{deviation, median, peak_memory_bytes, round};
use super::{Args, quant_name};
use crate::failure::hinted;
use crate::global::Global;

/// A picture's size in pixels, written `1920x1080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    width: u32,
    height: u32,
}

/// Longer sides than any screen's are a slip of the keyboard.
const LONGEST: u32 = 16_384;

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| {
            text.parse::<u32>()
                .ok()
                .filter(|side| (1..=LONGEST).contains(side))
        };
        text.split_once(['x', '×'])
            .and_then(|(width, height)| Some((side(width)?, side(height)?)))
            .map(|(width, height)| Self { width, height })
            .ok_or_else(|| format!("a size such as 1920x1080, sides up to {LONGEST}"))
    }
}

/// Times a picture of random pixels: preprocessing, vision tower, prefill of its tokens.
pub(super) fn run(
    args: &Args,
    model: &Model,
    size: Size,
    load_seconds: f64,
    global: &Global,
) -> anyhow::Result<()> {
    let config = model.config();
    if config.vision.is_none() {
        return Err(hinted(
            format!("`{}` has no vision tower", args.choice.model),
            "leave out --image, or name a model that sees",
        ));
    }
    let preprocess = Preprocess::new(&PreprocessorConfig::default())?;
    let image = DecodedImage {
        width: size.width,
        height: size.height,
        rgb: noise(size).into(),
        note: None,
    };
    let (mut preprocessing, mut forward, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut tower = 0.0;
    let mut tokens = 0;
    for number in 0..=args.repeat {
        let started = Instant::now();
        let patches = preprocess.patches(&image)?;
        let ready = started.elapsed().as_secs_f64();
        if number == 0 {
            // Warms up; the tower alone is timed to say its share.
            let started = Instant::now();
            model.encode_images(std::slice::from_ref(&patches))?;
            tower = started.elapsed().as_secs_f64();
            continue;
        }
        let [_, rows, columns] = patches.grid.map(|side| side / preprocess.merge);
        let mut ids = vec![config.vision_start_token_id];
        ids.resize(1 + (rows * columns) as usize, config.image_token_id);
        ids.push(config.vision_end_token_id);
        tokens = ids.len();
        let input = Input {
            ids: &ids,
            positions: &positions(&[Run::Text(1), Run::Image { rows, columns }, Run::Text(1)]),
            images: &[patches],
        };
        model.prefill(&mut model.new_sequence(), &input, Want::Last)?;
        let seconds = started.elapsed().as_secs_f64();
        preprocessing.push(ready);
        forward.push(seconds - ready);
        all.push(seconds);
        if global.is_interrupted() {
            break;
        }
    }
    let preprocessing = median(&preprocessing);
    let language = (median(&forward) - tower).max(0.0);
    if global.json {
        let line = json!({
            "model": args.choice.model,
            "random_weights": args.random_weights,
            "quant": quant_name(args.quant),
            "isa": model.isa_name(),
            "threads": model.threads(),
            "kind": "image",
            "width": size.width,
            "height": size.height,
            "tokens": tokens,
            "beside": args.beside,
            "seconds": round(median(&all)),
            "stddev": round(deviation(&all)),
            "preprocessing_seconds": round(preprocessing),
            "vision_seconds": round(tower),
            "language_seconds": round(language),
            "peak_memory_bytes": peak_memory_bytes(),
            "load_seconds": round(load_seconds),
        });
        println!("{line}");
    } else {
        println!(
            "{}x{} pixels, {tokens} tokens: {:.2} s (± {:.2}); preprocessing {:.2}, tower {:.2}, language {:.2}",
            size.width,
            size.height,
            median(&all),
            deviation(&all),
            preprocessing,
            tower,
            language,
        );
    }
    Ok(())
}

/// Pixels without any order, the same every time. `[height, width, 3]`
fn noise(size: Size) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..size.width as usize * size.height as usize * 3)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let size = |width, height| Ok(Size { width, height });
        assert_eq!("1920x1080".parse(), size(1920, 1080));
        assert_eq!("28×28".parse(), size(28, 28));
        for wrong in ["", "1920", "1920x", "0x5", "-1x5", "99999x1", "1x2x3"] {
            assert!(
                wrong.parse::<Size>().unwrap_err().contains("1920x1080"),
                "{wrong}"
            );
        }
        assert_eq!(noise(Size { width: 5, height: 3 }).len(), 45);
    }
}
