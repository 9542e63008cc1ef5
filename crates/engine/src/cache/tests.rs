//! A hit equals a miss to the bit, over thousands of edits of conversations, with whatever memory.

use aurore_checkpoint::{Config, RandomWeights};
use aurore_model::{
    Among, ImagePatches, LoadOptions, Logits, Model, Segment, Sequence, Snapshot, Tokens, Want,
};

use super::*;
use crate::Prompt;

/// A small generator (SplitMix64), so that a run is a number.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Two layers of the family, one of each kind.
fn config() -> Config {
    let json = serde_json::json!({
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "model_type": "qwen3_5",
        "tie_word_embeddings": true,
        "image_token_id": 60, "video_token_id": 61, "vision_start_token_id": 62, "vision_end_token_id": 63,
        "text_config": {
            "model_type": "qwen3_5_text", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 2, "layer_types": ["linear_attention", "full_attention"],
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
            "linear_num_key_heads": 1, "linear_num_value_heads": 2, "linear_key_head_dim": 16,
            "linear_value_head_dim": 16, "linear_conv_kernel_dim": 4, "full_attention_interval": 2,
            "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "eos_token_id": 0, "hidden_act": "silu",
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
                                "mrope_section": [2, 1, 1], "mrope_interleaved": true},
        },
        "vision_config": {
            "model_type": "qwen3_5", "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
            "in_channels": 3, "patch_size": 4, "temporal_patch_size": 2, "spatial_merge_size": 2,
            "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [],
            "hidden_act": "gelu_pytorch_tanh",
        },
    });
    Config::from_json(&json.to_string(), "config.json").unwrap()
}

fn model() -> Model {
    let config = config();
    let options = LoadOptions {
        threads: 1,
        ..LoadOptions::default()
    };
    Model::load(&RandomWeights::new(&config, 3), &config, &options).unwrap()
}

/// The logits of a prompt's last token, read from where `sequence` stands.
fn read(
    model: &Model,
    sequence: &mut Sequence,
    ids: &[u32],
    stops: &[usize],
    mut at: impl FnMut(&Sequence),
) -> Vec<u32> {
    let mut logits = Logits::default();
    for stop in stops.iter().copied().chain([ids.len()]) {
        let from = sequence.len();
        let positions: Vec<[u32; 3]> = (from..stop).map(|place| [place as u32; 3]).collect();
        let segment = Segment {
            sequence: &mut *sequence,
            tokens: Tokens::Given {
                ids: &ids[from..stop],
                positions: &positions,
                features: &[],
            },
            want: Want::Last,
            among: Among::All,
        };
        model.forward(&mut [segment], &mut logits).unwrap();
        at(sequence);
    }
    logits.values.iter().map(|value| value.to_bits()).collect()
}

/// A conversation as a client keeps it: messages, some of which begin with thinking.
#[derive(Clone)]
struct Talk {
    messages: Vec<Vec<u32>>,
}

impl Talk {
    fn message(dice: &mut Dice) -> Vec<u32> {
        let length = [3, 20, 64, 90, 150][dice.below(5)] + dice.below(12);
        (0..length).map(|_| dice.below(60) as u32).collect()
    }

    fn new(dice: &mut Dice) -> Self {
        Self {
            messages: (0..=dice.below(3)).map(|_| Self::message(dice)).collect(),
        }
    }

    fn edit(&mut self, dice: &mut Dice) {
        let place = dice.below(self.messages.len());
        match dice.below(10) {
            // A turn more: by far the most frequent.
            0..=4 => self.messages.push(Self::message(dice)),
            // Goes back to an earlier turn, and on from there.
            5 => {
                self.messages.truncate(place + 1);
                self.messages.push(Self::message(dice));
            }
            // The thinking of an earlier turn is dropped.
            6 => {
                let message = &mut self.messages[place];
                message.drain(..message.len() / 2);
            }
            // The date in the system turn changes.
            7 => {
                let message = &mut self.messages[0];
                let place = dice.below(message.len());
                message[place] = dice.below(60) as u32;
            }
            // Another conversation with the same system turn.
            8 => {
                self.messages.truncate(1);
                self.messages.push(Self::message(dice));
            }
            // A tool's answer is cut.
            _ => self.messages[place].truncate(1 + dice.below(40)),
        }
        if self.messages.iter().map(Vec::len).sum::<usize>() > 700 {
            self.messages.drain(1..self.messages.len() - 1);
        }
    }

    fn prompt(&self) -> Prompt {
        let mut prompt = Prompt::text(self.messages.concat());
        let mut end = 0;
        for message in &self.messages {
            end += message.len();
            prompt.marks.push(end);
        }
        prompt
    }
}

#[test]
fn a_hit_equals_a_miss() {
    let model = model();
    let mut dice = Dice(11);
    let block_bytes = model.memory_plan().kv_per_token * 64;
    let mut cache = PrefixCache::new(block_bytes);
    let mut talks: Vec<Talk> = (0..5).map(|_| Talk::new(&mut dice)).collect();
    let (mut hits, mut known, mut tokens) = (0, 0, 0);
    for round in 0..3000 {
        let talk = dice.below(talks.len());
        talks[talk].edit(&mut dice);
        if dice.below(40) == 0 {
            let other = dice.below(talks.len());
            talks[other] = talks[talk].clone();
        }
        let prompt = talks[talk].prompt();
        if prompt.is_empty() {
            continue;
        }
        let keys = block_keys(&prompt, None, &[]);
        let end = last_place(prompt.len());
        let found = cache.find(&keys, end / Snapshot::EVERY);
        let mut sequence = found.sequence.unwrap_or_else(|| model.new_sequence());
        let from = sequence.len();
        assert_eq!(cache.reach(&keys, end / Snapshot::EVERY) * Snapshot::EVERY, from);
        hits += usize::from(from > 0);
        known += from;
        tokens += prompt.len();
        let stops: Vec<(usize, Place)> =
            places(prompt.len(), &prompt.marks, from, found.shared * Snapshot::EVERY);
        let at: Vec<usize> = stops.iter().map(|(tokens, _)| *tokens).collect();
        let mut number = 0;
        let answer = read(&model, &mut sequence, &prompt.ids, &at, |sequence| {
            if let Some((tokens, place)) = stops.get(number) {
                let snapshot = sequence.boundary().unwrap();
                cache.insert(&keys[..tokens / Snapshot::EVERY], snapshot, *place);
            }
            number += 1;
        });
        let cold = read(&model, &mut model.new_sequence(), &prompt.ids, &[], |_| ());
        assert_eq!(
            answer,
            cold,
            "round {round}, {from} of {} tokens known",
            prompt.len()
        );
        cache.check();
        // Plenty, then little, then none, and so on.
        let room = [1 << 30, 3_000_000, 400_000, 20_000, 0][round / 150 % 5];
        cache.shrink(room);
        assert!(cache.bytes() <= room);
        cache.check();
    }
    // Much of it, though the memory was small or none for most of the time.
    assert!(
        hits > 1000 && known * 4 > tokens,
        "{hits} hits, {known} of {tokens} tokens"
    );
}

#[test]
fn an_appended_turn_costs_its_own_tokens() {
    let model = model();
    let mut dice = Dice(5);
    let mut cache = PrefixCache::new(model.memory_plan().kv_per_token * 64);
    let mut talk = Talk::new(&mut dice);
    for _ in 0..30 {
        let prompt = talk.prompt();
        let keys = block_keys(&prompt, None, &[]);
        let end = last_place(prompt.len());
        let found = cache.find(&keys, end / Snapshot::EVERY);
        let from = found.sequence.as_ref().map_or(0, Sequence::len);
        // What was sent before, but for the tokens after the last multiple of 64.
        let before = prompt.marks.iter().rev().nth(1).copied().unwrap_or(0);
        if prompt.marks.len() > 3 {
            assert!(prompt.len() - from < prompt.len() - before + 64);
        }
        let mut sequence = found.sequence.unwrap_or_else(|| model.new_sequence());
        let stops = places(prompt.len(), &prompt.marks, from, 0);
        let at: Vec<usize> = stops.iter().map(|(tokens, _)| *tokens).collect();
        read(&model, &mut sequence, &prompt.ids, &at, |sequence| {
            if let Some(snapshot) = sequence.boundary() {
                cache.insert(&keys[..snapshot.len() / 64], snapshot, Place::Meaning);
            }
        });
        talk.messages.push(Talk::message(&mut dice));
    }
}

#[test]
fn blocks_are_told_apart_by_pictures_and_positions() {
    let picture = |value: f32| ImagePatches {
        grid: [1, 4, 4],
        patches: vec![value; 16 * 96],
    };
    let prompt = |pictures: &[f32]| {
        let mut ids = vec![1; 128];
        for (number, _) in pictures.iter().enumerate() {
            ids[60 + number * 4..64 + number * 4].fill(60);
        }
        let mut prompt = Prompt::text(ids);
        prompt.images = pictures.iter().map(|value| picture(*value)).collect();
        let hashes: Vec<(Digest, usize)> = prompt.images.iter().map(|image| (digest(image), 4)).collect();
        block_keys(&prompt, Some(60), &hashes)
    };
    let (one, other, two) = (prompt(&[1.0, 2.0]), prompt(&[1.0, 3.0]), prompt(&[2.0, 2.0]));
    assert_eq!(one.len(), 2);
    assert_eq!(one[0], other[0]);
    assert_ne!(one[1], other[1]);
    assert_ne!(one[0], two[0]);
    assert_eq!(one[1], two[1]);
    let mut moved = Prompt::text(vec![1; 128]);
    let still = block_keys(&moved, None, &[]);
    moved.positions[127][1] += 1;
    let moved = block_keys(&moved, None, &[]);
    assert_eq!(still[0], moved[0]);
    assert_ne!(still[1], moved[1]);
}

#[test]
fn what_is_used_and_what_has_meaning_stays_longest() {
    let model = model();
    let snapshot = |ids: &[u32]| {
        let mut sequence = model.new_sequence();
        read(&model, &mut sequence, ids, &[], |_| ());
        sequence.boundary().unwrap()
    };
    let mut cache = PrefixCache::new(model.memory_plan().kv_per_token * 64);
    let prompts: Vec<Vec<u32>> = (0..4).map(|first| vec![first; 64]).collect();
    let keys: Vec<_> = prompts
        .iter()
        .map(|ids| block_keys(&Prompt::text(ids.clone()), None, &[]))
        .collect();
    for (number, (ids, keys)) in prompts.iter().zip(&keys).enumerate() {
        let place = if number == 1 { Place::Grid } else { Place::Meaning };
        cache.find(keys, 1);
        cache.insert(keys, snapshot(ids), place);
    }
    let each = cache.bytes() / 4;
    // The first one is old, but in use; the grid's goes first, then the oldest.
    cache.find(&keys[0], 1);
    let there = |cache: &PrefixCache| keys.iter().map(|keys| cache.reach(keys, 1)).collect::<Vec<_>>();
    cache.shrink(3 * each);
    assert_eq!(there(&cache), [1, 0, 1, 1]);
    cache.shrink(2 * each);
    assert_eq!(there(&cache), [1, 0, 0, 1]);
    cache.shrink(each);
    assert_eq!(there(&cache), [1, 0, 0, 0]);
    cache.check();
}
