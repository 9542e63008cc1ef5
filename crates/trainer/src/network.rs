//! The network as a list of blocks in order, forward and backward over a stream.

use aurore_checkpoint::{Config, Ffn, LayerType};
use aurore_model::positions::Rope;

use crate::Buffer;
use crate::blocks::attention::{self, Attention};
use crate::blocks::balance::{Balance, Usage};
use crate::blocks::deltanet::{self, DeltaNet};
use crate::blocks::embedding::Embedding;
use crate::blocks::head::Head;
use crate::blocks::moe::{self, Moe};
use crate::blocks::rms_norm::{self, RmsNorm};
use crate::blocks::rotary::Angles;
use crate::blocks::softmax_attention::Looks;
use crate::blocks::swiglu::{self, SwiGlu};
use crate::blocks::vision::{self, Tower};
use crate::pass::Pass;
use crate::stream::Stream;
use crate::weights::Weights;

/// The places of a network's parameters, and what to do with them.
#[derive(Clone, Debug)]
pub struct Network {
    config: Config,
    tower: Option<Tower>,
    /// Whether anything of the tower does: else nothing of it is kept for the way back.
    tower_learns: bool,
    embedding: Embedding,
    layers: Vec<Layer>,
    head: Head,
    rope: Rope,
}

/// One decoder layer: `x += mixer(norm(x)); x += ffn(norm(x))`.
#[derive(Clone, Debug)]
struct Layer {
    input_norm: RmsNorm,
    mixer: Mixer,
    post_attention_norm: RmsNorm,
    ffn: FeedForward,
}

#[derive(Clone, Debug)]
enum Mixer {
    Attention(Attention),
    DeltaNet(DeltaNet),
}

#[derive(Clone, Debug)]
enum FeedForward {
    Dense(SwiGlu),
    Moe(Box<Moe>),
}

/// Pictures that went through the tower, with what is kept for the way back.
struct Seen<'a> {
    tower: &'a Tower,
    places: vision::Places,
    features: Buffer,
    saved: vision::Saved,
}

/// How a pass learns.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a target of weight 1 counts: one over the sum of the whole batch's weights.
    pub scale: f32,
    /// What the balancing loss of this stream counts.
    pub balance_scale: f32,
    /// Over what it is taken.
    pub balance: Balance,
    /// What a row counts that misses what it is taught to look at ([`Stream::looks`]), in every attention layer.
    pub look_scale: f32,
    /// What a target of weight 1 counts that is read off after the first attention layer already, at rows that are taught
    /// where to look.
    pub early_scale: f32,
    /// What a reading of weight 1 counts that is read off what enters the first layer ([`Stream::readings`]).
    pub reading_scale: f32,
    /// The vision tower alone learns, from its readings: what comes after it is not run.
    pub tower_alone: bool,
    /// Keep only what enters each layer, and compute the layer again on the way back.
    pub recompute: bool,
}

/// What a stream cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Sum of weighted cross-entropies over the targets, in nats.
    pub weighted: f64,
    /// The same without weights.
    pub plain: f64,
    /// Targets.
    pub targets: usize,
    /// Of them, those that were the likeliest token.
    pub right: usize,
    /// The balancing loss of the experts; 0 without any.
    pub balance: f32,
    /// Sum over attention layers and rows of how badly what is to be looked at is missed, in nats.
    pub missed: f64,
    /// How many that were.
    pub looks: usize,
    /// Sum of weighted cross-entropies of what is read off early.
    pub early: f64,
    /// Sum of weighted cross-entropies of what pictures' tokens are read as.
    pub reading: f64,
}

struct SavedLayer {
    input_norm: rms_norm::Saved,
    /// What went into the mixer. `[T, H]`
    normed: Buffer,
    mixer: SavedMixer,
    post_attention_norm: rms_norm::Saved,
    /// What went into the feed-forward part. `[T, H]`
    ffn_normed: Buffer,
    ffn: SavedFfn,
}

enum SavedMixer {
    Attention(Box<attention::Saved>),
    DeltaNet(Box<deltanet::Saved>),
}

enum SavedFfn {
    Dense(swiglu::Saved),
    Moe(Box<moe::Saved>),
}

/// What is kept of a layer until the way back.
enum Kept {
    Whole(Box<SavedLayer>),
    /// What entered it. `[T, H]`
    Input(Buffer),
}

impl Network {
    /// The blocks that `config` calls for, over `weights` of its layout.
    pub fn new(config: &Config, weights: &mut Weights) -> Self {
        let text = &config.text;
        let (hidden, eps) = (text.hidden_size, text.rms_norm_eps);
        let layers = text
            .layer_types
            .iter()
            .enumerate()
            .map(|(index, kind)| {
                Layer::new(
                    weights,
                    &format!("model.language_model.layers.{index}"),
                    config,
                    *kind,
                )
            })
            .collect();
        let head = Head {
            norm: RmsNorm {
                weight: weights.vector("model.language_model.norm.weight"),
                eps,
            },
            matrix: weights.matrix(config.head_name(), text.vocab_size, hidden),
        };
        Self {
            tower: config.vision.as_ref().map(|vision| Tower::new(weights, vision)),
            tower_learns: weights.learns_any(vision::NAME),
            embedding: Embedding {
                weight: weights.vector("model.language_model.embed_tokens.weight"),
                hidden,
                image_token: config.image_token_id,
            },
            layers,
            head,
            rope: Rope::new(text),
            config: config.clone(),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Forward and backward: adds the stream's gradients to those of the pass.
    pub fn learn(&self, pass: &mut Pass<'_>, stream: &Stream, options: &Options) -> Losses {
        let angles = Angles::text(&self.rope, stream.positions());
        let seen = self.tower.as_ref().filter(|_| !stream.images().is_empty());
        let seen = seen.map(|tower| {
            let places = tower.places(stream.images());
            let (features, saved) = tower.forward(pass, stream.images(), &places, self.tower_learns);
            Seen {
                tower,
                places,
                features,
                saved,
            }
        });
        let features = seen.as_ref().map_or(&[][..], |seen| &seen.features);
        let mut x = self.embedding.forward(pass, stream.ids(), features);
        let mut reading = None;
        if options.reading_scale > 0.0 && !stream.readings().is_empty() {
            let mut dx = pass.zeros(x.len());
            let learn = Some((&mut *dx, options.reading_scale));
            let judged = self.head.judge(pass, &x, stream.readings(), learn);
            reading = Some((dx, judged.loss));
        }
        if options.tower_alone {
            let Some((slope, loss)) = reading else {
                return Losses::default();
            };
            self.learn_to_see(pass, stream, seen, &slope);
            return Losses {
                reading: loss,
                ..Losses::default()
            };
        }
        let mut kept = Vec::with_capacity(self.layers.len());
        let mut usages = Vec::new();
        let (mut missed, mut looks) = (0.0, 0);
        let mut early = None;
        for (number, layer) in self.layers.iter().enumerate() {
            let input = options.recompute.then(|| pass.copy(&x));
            let (saved, usage) = layer.forward(pass, stream, &angles, &mut x);
            usages.extend(usage);
            if let (Mixer::Attention(mixer), SavedMixer::Attention(saved)) = (&layer.mixer, &saved.mixer) {
                missed += mixer.misses(saved, stream.looks());
                looks += stream.looks().len();
                if early.is_none() && options.early_scale > 0.0 {
                    let mut dx = pass.zeros(x.len());
                    let learn = Some((&mut *dx, options.early_scale));
                    let judged = self.head.judge(pass, &x, &stream.looking(), learn);
                    early = Some((number, dx, judged.loss));
                }
            }
            kept.push(match input {
                Some(input) => Kept::Input(input),
                None => Kept::Whole(Box::new(saved)),
            });
        }

        let mut dx = pass.zeros(x.len());
        let judged = self
            .head
            .judge(pass, &x, stream.targets(), Some((&mut dx, options.scale)));
        drop(x);
        let (balance, mut slopes) = options.balance.loss(&usages);
        for slope in slopes.iter_mut().flatten() {
            *slope *= options.balance_scale;
        }
        for (number, (layer, kept)) in self.layers.iter().zip(kept).enumerate().rev() {
            let saved = match kept {
                Kept::Whole(saved) => *saved,
                Kept::Input(mut x) => layer.forward(pass, stream, &angles, &mut x).0,
            };
            let slopes = slopes.get(number).map_or(&[][..], Vec::as_slice);
            if let Some((_, slope, _)) = early.as_ref().filter(|(at, _, _)| *at == number) {
                crate::ops::rows::add(pass.isa(), &mut dx, slope);
            }
            layer.backward(
                pass,
                stream,
                &angles,
                saved,
                (slopes, options.look_scale),
                &mut dx,
            );
        }
        if let Some((slope, _)) = &reading {
            crate::ops::rows::add(pass.isa(), &mut dx, slope);
        }
        self.learn_to_see(pass, stream, seen, &dx);
        Losses {
            weighted: judged.loss,
            plain: judged.plain,
            targets: stream.targets().len(),
            right: judged.right,
            balance,
            missed,
            looks,
            early: early.map_or(0.0, |(_, _, loss)| loss),
            reading: reading.map_or(0.0, |(_, loss)| loss),
        }
    }

    /// The way back through what makes rows of tokens and pictures; `dx` is of what enters the first layer.
    fn learn_to_see(&self, pass: &mut Pass<'_>, stream: &Stream, seen: Option<Seen<'_>>, dx: &[f32]) {
        match seen.filter(|_| self.tower_learns) {
            Some(seen) => {
                let mut dfeatures = pass.take(seen.features.len());
                drop(seen.features);
                self.embedding.backward(pass, stream.ids(), dx, &mut dfeatures);
                seen.tower
                    .backward(pass, stream.images(), &seen.places, seen.saved, &dfeatures);
            }
            None => self.embedding.backward(pass, stream.ids(), dx, &mut []),
        }
    }

    /// What a stream costs, without learning from it.
    pub fn evaluate(&self, pass: &mut Pass<'_>, stream: &Stream) -> Losses {
        let (x, usages) = self.run(pass, stream);
        let judged = self.head.judge(pass, &x, stream.targets(), None);
        Losses {
            weighted: judged.loss,
            plain: judged.plain,
            targets: stream.targets().len(),
            right: judged.right,
            balance: Balance::default().loss(&usages).0,
            ..Losses::default()
        }
    }

    /// Logits of every token of a stream, `[T, V]`.
    pub fn logits(&self, pass: &mut Pass<'_>, stream: &Stream) -> Vec<f32> {
        let (x, _) = self.run(pass, stream);
        self.head.logits(pass, &x).to_vec()
    }

    /// Forward alone: what leaves the last layer, `[T, H]`.
    fn run(&self, pass: &mut Pass<'_>, stream: &Stream) -> (Buffer, Vec<Usage>) {
        let angles = Angles::text(&self.rope, stream.positions());
        let seen = self.tower.as_ref().filter(|_| !stream.images().is_empty());
        let features = seen.map(|tower| {
            let places = tower.places(stream.images());
            tower.forward(pass, stream.images(), &places, false).0
        });
        let features = features.as_deref().unwrap_or(&[]);
        let mut x = self.embedding.forward(pass, stream.ids(), features);
        let mut usages = Vec::new();
        for layer in &self.layers {
            let (_, usage) = layer.forward(pass, stream, &angles, &mut x);
            usages.extend(usage);
        }
        (x, usages)
    }
}

impl Layer {
    fn new(weights: &mut Weights, prefix: &str, config: &Config, kind: LayerType) -> Self {
        let text = &config.text;
        let hidden = text.hidden_size;
        let norm = |weights: &Weights, name: &str| RmsNorm {
            weight: weights.vector(&format!("{prefix}.{name}.weight")),
            eps: text.rms_norm_eps,
        };
        let mlp = format!("{prefix}.mlp");
        Self {
            input_norm: norm(weights, "input_layernorm"),
            mixer: match kind {
                LayerType::FullAttention => Mixer::Attention(Attention::new(weights, prefix, text)),
                LayerType::LinearAttention => Mixer::DeltaNet(DeltaNet::new(weights, prefix, text)),
            },
            post_attention_norm: norm(weights, "post_attention_layernorm"),
            ffn: match text.ffn {
                Ffn::Dense { intermediate } => {
                    FeedForward::Dense(SwiGlu::new(weights, &mlp, hidden, intermediate))
                }
                Ffn::Moe {
                    experts,
                    top_k,
                    intermediate,
                    shared_intermediate,
                } => {
                    let inner = [intermediate, shared_intermediate];
                    FeedForward::Moe(Box::new(Moe::new(weights, &mlp, hidden, experts, top_k, inner)))
                }
            },
        }
    }

    /// Adds to `x`, `[T, H]`.
    fn forward(
        &self,
        pass: &mut Pass<'_>,
        stream: &Stream,
        angles: &Angles,
        x: &mut [f32],
    ) -> (SavedLayer, Option<Usage>) {
        let documents = stream.documents();
        let (normed, input_norm) = self.input_norm.forward(pass, x);
        let mixer = match &self.mixer {
            Mixer::Attention(mixer) => {
                SavedMixer::Attention(Box::new(mixer.forward(pass, documents, angles, &normed, x)))
            }
            Mixer::DeltaNet(mixer) => {
                SavedMixer::DeltaNet(Box::new(mixer.forward(pass, documents, &normed, x)))
            }
        };
        let (ffn_normed, post_attention_norm) = self.post_attention_norm.forward(pass, x);
        let (ffn, usage) = match &self.ffn {
            FeedForward::Dense(ffn) => (SavedFfn::Dense(ffn.forward(pass, &ffn_normed, x, true)), None),
            FeedForward::Moe(ffn) => {
                let (saved, usage) = ffn.forward(pass, &ffn_normed, x);
                (SavedFfn::Moe(Box::new(saved)), Some(usage))
            }
        };
        let saved = SavedLayer {
            input_norm,
            normed,
            mixer,
            post_attention_norm,
            ffn_normed,
            ffn,
        };
        (saved, usage)
    }

    /// `dx`: `[T, H]`, of what left the layer, becomes that of what entered it.
    fn backward(
        &self,
        pass: &mut Pass<'_>,
        stream: &Stream,
        angles: &Angles,
        saved: SavedLayer,
        (balance, look_scale): (&[f32], f32),
        dx: &mut [f32],
    ) {
        let documents = stream.documents();
        let looks = Looks {
            list: stream.looks(),
            scale: look_scale,
        };
        let mut dnormed = pass.zeros(dx.len());
        match (&self.ffn, saved.ffn) {
            (FeedForward::Dense(ffn), SavedFfn::Dense(kept)) => {
                ffn.backward(pass, &saved.ffn_normed, kept, dx, &mut dnormed);
            }
            (FeedForward::Moe(ffn), SavedFfn::Moe(kept)) => {
                ffn.backward(pass, &saved.ffn_normed, *kept, balance, dx, &mut dnormed);
            }
            // What a layer keeps is of its own kind.
            _ => {}
        }
        self.post_attention_norm
            .backward(pass, &saved.post_attention_norm, &dnormed, dx);
        dnormed.fill(0.0);
        match (&self.mixer, saved.mixer) {
            (Mixer::Attention(mixer), SavedMixer::Attention(kept)) => {
                let x = &saved.normed;
                mixer.backward(pass, documents, angles, x, *kept, dx, looks, &mut dnormed);
            }
            (Mixer::DeltaNet(mixer), SavedMixer::DeltaNet(kept)) => {
                mixer.backward(pass, documents, &saved.normed, *kept, dx, &mut dnormed);
            }
            _ => {}
        }
        self.input_norm.backward(pass, &saved.input_norm, &dnormed, dx);
    }
}
