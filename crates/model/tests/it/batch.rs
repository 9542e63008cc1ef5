//! Invariant 3: in whatever company, order and pieces a sequence's tokens are fed, and by how many
//! threads, its logits keep every bit.

use aurore_checkpoint::{Config, Ffn, RandomWeights};
use aurore_model::{
    Among, Input, LoadOptions, Logits, Model, Precision, Segment, Sequence, Snapshot, TokenId, Tokens, Want,
};
use proptest::prelude::*;

use crate::goldens::{Prompt, cases, checkpoint, difference, prompt};

/// Every format of weights.
const PRECISIONS: [Precision; 4] = [Precision::F32, Precision::Bf16, Precision::Q8, Precision::Q4];

/// A prompt and what is then generated, with the logits of a model that does nothing else.
struct Script {
    prompt: Prompt,
    /// `[placeholders, hidden]`
    features: Vec<f32>,
    generated: Vec<TokenId>,
    /// Bits of the logits after each token of prompt and answer.
    expected: Vec<Vec<u32>>,
}

/// A script under way.
struct Live {
    script: usize,
    sequence: Sequence,
    /// Tokens fed.
    fed: usize,
    /// A moment to go back to, and the tokens fed then.
    kept: Option<(Snapshot, usize)>,
}

/// What a tick feeds of a sequence.
struct Feed {
    live: usize,
    tokens: usize,
    /// The last ones, which are wrong and are taken back.
    drafts: usize,
    want: Want,
    among: Among<'static>,
}

/// Some tokens that a grammar may leave.
const AMONG: &[TokenId] = &[200, 7, 8, 130];

/// A small generator (SplitMix64), so that a schedule is a number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

impl Script {
    fn len(&self) -> usize {
        self.prompt.ids.len() + self.generated.len()
    }

    /// The next generated tokens, some of them at once, and behind them drafts that are wrong, and how many of these.
    fn step(&self, live: &Live, dice: &mut Dice) -> (Vec<TokenId>, usize) {
        let Some(done) = live.fed.checked_sub(self.prompt.ids.len()) else {
            return (Vec::new(), 0);
        };
        let left = &self.generated[done..];
        let mut step = left[..left.len().min(1 + dice.below(10))].to_vec();
        let most = (1 + live.sequence.most_drafts()).saturating_sub(step.len());
        let drafts = dice.below(most.min(3) + 1);
        step.extend((0..drafts).map(|_| dice.below(200) as TokenId));
        (step, drafts)
    }

    /// The next tokens, at most `tokens` of the prompt, or those of the step.
    fn tokens<'a>(
        &'a self,
        fed: usize,
        tokens: usize,
        step: &'a [TokenId],
        image: TokenId,
        hidden: usize,
    ) -> Tokens<'a> {
        let ids = &self.prompt.ids;
        if fed >= ids.len() {
            return Tokens::Generated(step);
        }
        let end = ids.len().min(fed + tokens);
        let placeholders = |ids: &[TokenId]| ids.iter().filter(|id| **id == image).count() * hidden;
        Tokens::Given {
            ids: &ids[fed..end],
            positions: &self.prompt.positions[fed..end],
            features: &self.features[placeholders(&ids[..fed])..placeholders(&ids[..end])],
        }
    }
}

/// `dense`, `moe`, or `alike`: experts of which the shared one has the others' shape.
fn load(name: &str, precision: Precision, threads: usize) -> Model {
    let options = LoadOptions {
        precision,
        threads,
        // Of these small heads too.
        shortlist: Some(precision == Precision::Bf16),
        ..LoadOptions::default()
    };
    if name == "alike" {
        let config = alike();
        return Model::load(&RandomWeights::new(&config, 5), &config, &options).unwrap();
    }
    let checkpoint = checkpoint(name);
    Model::load(&checkpoint, checkpoint.config(), &options).unwrap()
}

pub(crate) fn alike() -> Config {
    let mut config = checkpoint("moe").config().clone();
    if let Ffn::Moe {
        intermediate,
        shared_intermediate,
        ..
    } = &mut config.text.ffn
    {
        *shared_intermediate = *intermediate;
    }
    config
}

#[test]
fn a_shared_expert_alike_the_others_is_what_the_reference_says() {
    let config = alike();
    let weights = RandomWeights::new(&config, 5);
    let ids: Vec<TokenId> = (0..40).map(|i| i * 7 % 300).collect();
    let positions: Vec<[u32; 3]> = (0..40).map(|i| [i; 3]).collect();
    let input = Input {
        ids: &ids,
        positions: &positions,
        images: &[],
    };
    let reference = aurore_model::reference::Model::load(&weights, &config).unwrap();
    let (expected, _) = reference.forward(&input).unwrap();
    let model = load("alike", Precision::F32, 2);
    let found = model
        .prefill(&mut model.new_sequence(), &input, Want::All)
        .unwrap();
    let (max, rms) = difference(&found.values, &expected.logits);
    assert!(max < 5e-3 && rms < 2e-4, "max {max}, rms {rms}");
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The `count` greatest numbers with their places, lower ones first among equals.
fn greatest_of(bits: &[u32], count: usize) -> Vec<(u32, usize)> {
    let mut all: Vec<_> = bits.iter().copied().zip(0..).collect();
    all.sort_by(|a, b| {
        f32::from_bits(b.0)
            .total_cmp(&f32::from_bits(a.0))
            .then(a.1.cmp(&b.1))
    });
    all.truncate(count);
    all
}

#[test]
fn the_likeliest_tokens_are_found_without_reading_the_whole_head() {
    let mut config = alike();
    config.text.vocab_size = 5_000;
    let load = |shortlist| {
        let options = LoadOptions {
            threads: 2,
            shortlist: Some(shortlist),
            ..LoadOptions::default()
        };
        Model::load(&RandomWeights::new(&config, 5), &config, &options).unwrap()
    };
    let (with, without) = (load(true), load(false));
    assert!(with.memory_bytes() > without.memory_bytes());
    assert!(with.bytes_per_token() < without.bytes_per_token());
    let among = |count, below| Among::Greatest { count, below };
    let (mut one, mut other) = (with.new_sequence(), without.new_sequence());
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    let mut short = 0;
    for (step, (count, below)) in [(1, 5_000), (1, 4_900), (3, 5_000), (20, 5_000)]
        .into_iter()
        .cycle()
        .take(48)
        .enumerate()
    {
        let id = step as TokenId * 97;
        with.step_among(&mut one, id, among(count, below), &mut found)
            .unwrap();
        without
            .step_among(&mut other, id, among(count, below), &mut expected)
            .unwrap();
        assert!(expected.iter().all(|logit| logit.is_finite()), "no shortlist");
        let (found, expected) = (bits(&found), bits(&expected));
        let of = |bits: &[u32]| greatest_of(&bits[..below], count);
        assert_eq!(of(&found), of(&expected), "step {step}");
        let all: Vec<bool> = found.iter().zip(&expected).map(|(a, b)| a == b).collect();
        let left_out = found
            .iter()
            .filter(|bits| f32::from_bits(**bits) == f32::NEG_INFINITY);
        assert_eq!(
            all.iter().filter(|same| !**same).count(),
            left_out.count(),
            "what is not left out is exact"
        );
        short += usize::from(all.contains(&false));
    }
    assert!(short > 10, "the shortlist was short {short} times");

    // Together the head is read once for both.
    let mut second = with.new_sequence();
    let segment = |sequence| Segment {
        sequence,
        tokens: Tokens::Generated(&[3]),
        want: Want::Last,
        among: among(1, 5_000),
    };
    let mut logits = Logits::default();
    with.forward(&mut [segment(&mut one), segment(&mut second)], &mut logits)
        .unwrap();
    assert!(logits.values.iter().all(|logit| logit.is_finite()));
}

/// Prompts with and without images, some of them twice with different answers.
fn scripts(name: &str, precision: Precision, dice: &mut Dice) -> Vec<Script> {
    let model = load(name, precision, 1);
    let cases = cases(if name == "alike" { "moe" } else { name });
    let names = [
        "text-513",
        "text-200",
        "text-200",
        "text-065",
        "image-two",
        "image-two",
        "text-003",
    ];
    let script = |case: &&str| {
        let (_, case, config) = cases.iter().find(|(entry, ..)| entry.case == **case).unwrap();
        let prompt = prompt(case, config);
        let features = model.encode_images(&prompt.images).unwrap().rows;
        let generated: Vec<TokenId> = (0..dice.below(40)).map(|_| dice.below(200) as TokenId).collect();
        let mut sequence = model.new_sequence();
        let input = Input {
            ids: &prompt.ids,
            positions: &prompt.positions,
            images: &prompt.images,
        };
        let logits = model.prefill(&mut sequence, &input, Want::All).unwrap();
        let mut expected: Vec<_> = logits.values.chunks(logits.vocab_size).map(bits).collect();
        let mut row = Vec::new();
        for id in &generated {
            model.step(&mut sequence, *id, &mut row).unwrap();
            expected.push(bits(&row));
        }
        Script {
            prompt,
            features,
            generated,
            expected,
        }
    };
    names.iter().map(script).collect()
}

/// Runs all scripts to their ends in a random schedule.
fn run(model: &Model, scripts: &[Script], dice: &mut Dice) -> Result<(), TestCaseError> {
    let (image, hidden) = (model.config().image_token_id, model.config().text.hidden_size);
    let mut waiting: Vec<usize> = (0..scripts.len()).collect();
    let mut live: Vec<Live> = Vec::new();
    let mut logits = Logits::default();
    while !(waiting.is_empty() && live.is_empty()) {
        if !waiting.is_empty() && dice.below(3) > 0 {
            let script = waiting.swap_remove(dice.below(waiting.len()));
            let ids = &scripts[script].prompt.ids;
            // A sequence with the same prompt shares what it has seen of it.
            let other = live
                .iter()
                .find(|other| scripts[other.script].prompt.ids == *ids && other.fed <= ids.len());
            live.push(Live {
                script,
                sequence: other.map_or_else(|| model.new_sequence(), |other| other.sequence.fork()),
                fed: other.map_or(0, |other| other.fed),
                kept: None,
            });
        }
        for live in &mut live {
            match (dice.below(12), &live.kept) {
                (0, _) => live.kept = Some((live.sequence.snapshot(), live.fed)),
                (1, Some((snapshot, fed))) => {
                    live.sequence.restore(snapshot);
                    live.fed = *fed;
                    live.kept = None;
                }
                _ => {}
            }
        }
        let mut feeds = Vec::new();
        let mut batch = Vec::new();
        let scripted = |live: &Live| scripts[live.script].step(live, dice);
        let steps: Vec<_> = live.iter().map(scripted).collect();
        for (number, (live, (step, drafts))) in live.iter_mut().zip(&steps).enumerate() {
            let script = &scripts[live.script];
            if live.fed == script.len() || dice.below(4) == 0 {
                continue;
            }
            let tokens = script.tokens(live.fed, dice.below(300), step, image, hidden);
            let greatest = |count| Among::Greatest { count, below: 250 };
            let all = [
                Among::All,
                Among::Only(AMONG),
                Among::Only(&[]),
                greatest(1),
                greatest(2),
            ];
            let among = all[dice.below(all.len())];
            let segment = Segment {
                sequence: &mut live.sequence,
                tokens,
                want: [Want::None, Want::Last, Want::All, Want::Hidden][dice.below(4)],
                among,
            };
            feeds.push(Feed {
                live: number,
                tokens: segment.len(),
                drafts: *drafts,
                want: segment.want,
                among,
            });
            batch.push(segment);
        }
        model.forward(&mut batch, &mut logits).unwrap();
        let mut rows = logits.values.chunks(logits.vocab_size);
        for feed in feeds {
            let live = &mut live[feed.live];
            let (script, right) = (live.script, feed.tokens - feed.drafts);
            let from = match feed.want {
                Want::None | Want::Hidden => feed.tokens,
                Want::Last => feed.tokens.saturating_sub(1),
                Want::All => 0,
            };
            for token in from..feed.tokens {
                let found = bits(rows.next().unwrap());
                if token >= right {
                    continue;
                }
                let place = live.fed + token;
                let expected = &scripts[script].expected[place];
                let same = match feed.among {
                    Among::All => found == *expected,
                    Among::Only(ids) => ids.iter().all(|id| found[*id as usize] == expected[*id as usize]),
                    Among::Greatest { count, below } => {
                        greatest_of(&found[..below], count) == greatest_of(&expected[..below], count)
                    }
                };
                prop_assert!(same, "script {script}, token {place}");
            }
            live.sequence.take_back(feed.drafts).unwrap();
            live.fed += right;
        }
        prop_assert!(rows.next().is_none());
        live.retain(|live| live.fed < scripts[live.script].len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn company_changes_no_bit(
        seed in any::<u64>(),
        threads in 1_usize..4,
        name in prop::sample::select(&["dense", "moe", "alike"][..]),
        precision in prop::sample::select(&PRECISIONS[..]),
    ) {
        let mut dice = Dice(seed);
        let scripts = scripts(name, precision, &mut dice);
        run(&load(name, precision, threads), &scripts, &mut dice)?;
    }
}

#[test]
fn a_wrong_segment_leaves_all_sequences() {
    let model = load("dense", Precision::F32, 1);
    let mut sequences = [model.new_sequence(), model.new_sequence()];
    let [good, bad] = &mut sequences;
    let given = |features| Tokens::Given {
        ids: &[1, 2],
        positions: &[[0; 3], [1; 3]],
        features,
    };
    let segment = |sequence, tokens| Segment {
        sequence,
        tokens,
        want: Want::Last,
        among: Among::All,
    };
    let mut batch = [segment(good, given(&[])), segment(bad, given(&[0.0]))];
    assert!(model.check(&batch[0]).is_ok());
    let error = model.forward(&mut batch, &mut Logits::default()).unwrap_err();
    assert!(error.to_string().contains("placeholder"), "{error}");
    assert!(sequences.iter().all(Sequence::is_empty));
    let mut logits = Logits::default();
    model.forward(&mut [], &mut logits).unwrap();
    assert!(logits.is_empty());
}

#[test]
fn only_drafts_are_taken_back() {
    let model = load("dense", Precision::F32, 1);
    let mut sequence = model.new_sequence();
    let mut logits = Logits::default();
    let mut feed = |sequence: &mut Sequence, tokens: Tokens<'_>| {
        let segment = Segment {
            sequence,
            tokens,
            want: Want::Last,
            among: Among::All,
        };
        model.forward(&mut [segment], &mut logits).unwrap();
        logits.values.clone()
    };
    let ids: Vec<TokenId> = (1..=200).collect();
    assert_eq!(sequence.most_drafts(), 6);
    feed(&mut sequence, Tokens::Generated(&ids[..3]));
    let error = sequence.take_back(3).unwrap_err();
    assert!(error.to_string().contains("only 2"), "{error}");
    assert_eq!((sequence.len(), sequence.next_position()), (3, 3));
    // A copy has no step to take back.
    assert!(sequence.fork().take_back(1).is_err());
    sequence.take_back(1).unwrap();
    assert_eq!((sequence.len(), sequence.next_position()), (2, 2));
    assert!(sequence.take_back(1).is_err(), "once for a step");
    sequence.take_back(0).unwrap();
    // What follows is as if the third had never been, wherever the states are written.
    for place in 2..150 {
        let mut alone = sequence.fork();
        let drafts = sequence.most_drafts();
        let step = &ids[place..=place + drafts];
        feed(&mut sequence, Tokens::Generated(step));
        sequence.take_back(drafts).unwrap();
        feed(&mut alone, Tokens::Generated(&ids[place..=place]));
        let mut same = |next: Tokens<'_>| {
            let found = feed(&mut sequence.fork(), next);
            bits(&found) == bits(&feed(&mut alone.fork(), next))
        };
        assert!(same(Tokens::Generated(&[7])), "place {place}");
        // A token that is read sees the states as they are written.
        let read = Tokens::Given {
            ids: &[9],
            positions: &[[place as u32 + 1; 3]],
            features: &[],
        };
        assert!(same(read), "place {place}");
    }
    // As much as the plan says is put aside at the most.
    let mut longest = model.new_sequence();
    for id in &ids[..Sequence::MOST_DRAFTS] {
        feed(&mut longest, Tokens::Generated(&[*id]));
    }
    assert_eq!(longest.most_drafts(), Sequence::MOST_DRAFTS);
    feed(&mut longest, Tokens::Generated(&ids[..=Sequence::MOST_DRAFTS]));
    let plan = aurore_model::MemoryPlan::new(model.config(), Precision::F32);
    assert_eq!(longest.memory_bytes() as u64, plan.sequence(15));
    longest.take_back(Sequence::MOST_DRAFTS).unwrap();
    assert_eq!(longest.memory_bytes() as u64, plan.sequence(8) - plan.undo);
    // Those that have become part of the state stay.
    let mut all = model.new_sequence();
    feed(&mut all, Tokens::Generated(&ids[..10]));
    assert!(all.take_back(3).is_err());
    all.take_back(2).unwrap();
    feed(
        &mut all,
        Tokens::Given {
            ids: &[1],
            positions: &[[8; 3]],
            features: &[],
        },
    );
    assert!(all.take_back(1).is_err(), "given tokens stay");
}

#[test]
fn a_sequence_stays_within_its_memory() {
    let mut model = load("dense", Precision::F32, 1);
    let mut sequence = model.new_sequence();
    let plan = aurore_model::MemoryPlan::new(model.config(), Precision::F32);
    model.limit_sequences(plan.sequence(0));
    let error = model.step(&mut sequence, 1, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("inspect"), "{error}");
    assert!(sequence.is_empty());
    model.limit_sequences(u64::MAX);
    model.step(&mut sequence, 1, &mut Vec::new()).unwrap();
    // A page is enough for 64 tokens.
    model.limit_sequences(plan.sequence(1));
    for id in 1..64 {
        model.step(&mut sequence, id, &mut Vec::new()).unwrap();
    }
    assert!(model.step(&mut sequence, 1, &mut Vec::new()).is_err());
}
