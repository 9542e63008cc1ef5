//! A gated softmax attention layer.

use aurore_checkpoint::TextConfig;
use aurore_checkpoint::matrices::{attention_input, attention_output};
use aurore_kernels::{Attention, Cpu, HeadNorm, Heads, KvFormat, Matrix, Rotation, Sees};

use crate::ModelError;
use crate::batch::{Kind, Pass, Segment, Span};
use crate::load::Loader;
use crate::pages::{Page, Pages};
use crate::scratch::{Scratch, part};
use crate::sequence::{LayerState, attention};

pub(crate) struct FullAttention {
    sizes: Attention,
    eps: f32,
    /// Rows: per query head its query and its gate, then keys, then values.
    input: Matrix,
    /// `[head_dim]`
    query_norm: Vec<f32>,
    /// `[head_dim]`
    key_norm: Vec<f32>,
    /// `[hidden, heads · head_dim]`
    output: Matrix,
}

impl FullAttention {
    pub(crate) fn load(
        loader: &Loader<'_>,
        config: &TextConfig,
        kv: KvFormat,
        prefix: &str,
    ) -> Result<Self, ModelError> {
        let sizes = attention(config, kv);
        let dim = config.head_dim;
        let name = |part: &str| format!("{prefix}.{part}.weight");
        Ok(Self {
            sizes,
            eps: config.rms_norm_eps,
            input: loader.matrix(&attention_input(config, prefix))?,
            query_norm: loader.norm(&name("q_norm"), dim)?,
            key_norm: loader.norm(&name("k_norm"), dim)?,
            output: loader.matrix(&attention_output(config, prefix))?,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        let vectors = self.query_norm.len() + self.key_norm.len();
        self.input.bytes() + self.output.bytes() + vectors * size_of::<f32>()
    }

    /// `x += mixer(normed)` for a pass's rows; `layer` is this layer's number. The scratch holds the
    /// rows' cosines and sines, `pairs` each.
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        pass: &mut Pass<'_, '_>,
        layer: usize,
        pairs: usize,
    ) {
        let (stride, hidden) = (self.input.rows(), self.output.rows());
        let (rows, width) = (pass.rows(), self.output.columns());
        let projected = part(&mut scratch.projected, rows * stride);
        let normed = &scratch.normed[..rows * hidden];
        cpu.matmul(&self.input, normed, projected);
        if let Some(addition) = pass.additions(layer).and_then(|own| own.input.as_ref()) {
            addition.add(cpu, normed, &mut scratch.low, projected);
        }
        part(&mut scratch.mixed, rows * width);
        let given = pass.spans.iter().filter(|span| span.kind == Kind::Prefill);
        for span in given {
            // `Segment::check` gives each sequence the layers of its own configuration.
            if let Some(pages) = pages(pass.segments, span, layer) {
                self.prefill(cpu, scratch, span, pages, pairs);
            }
        }
        // Steps are the last rows.
        let first = pass.spans.partition_point(|span| span.kind == Kind::Prefill);
        self.steps(cpu, scratch, pass.segments, &pass.spans[first..], layer, pairs);
        let (mixed, x) = (&scratch.mixed[..rows * width], &mut scratch.x[..rows * hidden]);
        cpu.matmul_add(&self.output, mixed, x);
        if let Some(addition) = pass.additions(layer).and_then(|own| own.output.as_ref()) {
            addition.add(cpu, mixed, &mut scratch.low, x);
        }
    }

    /// One span from `scratch.projected` to `scratch.mixed`.
    fn prefill(&self, cpu: &Cpu, scratch: &mut Scratch, span: &Span, pages: &mut Pages, pairs: usize) {
        let (row, tokens, start) = (span.row, span.tokens, span.start);
        self.prepare(cpu, scratch, row, tokens, pairs);
        let projected = &scratch.projected[row * self.input.rows()..];
        let first = start / Attention::PAGE * Attention::PAGE;
        cpu.pool
            .pieces(pages.writable(start, start + tokens), 1, |number, page| {
                let page_start = first + number * Attention::PAGE;
                let places = start.max(page_start)..(start + tokens).min(page_start + Attention::PAGE);
                for page in page {
                    for place in places.clone() {
                        self.write(page, place, projected, &scratch.keys, place - start);
                    }
                }
            });
        let len = self.sizes.queries_len(tokens);
        let attended = part(&mut scratch.attended, len);
        let queries = &scratch.queries[..len];
        let page = |number| pages.page(number);
        cpu.attention(self.sizes, queries, tokens, start, Sees::Past, page, attended);
        self.gather(cpu, scratch, row, tokens);
    }

    /// Spans of steps, in consecutive rows, from `scratch.projected` to `scratch.mixed`.
    fn steps(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        segments: &mut [Segment<'_>],
        spans: &[Span],
        layer: usize,
        pairs: usize,
    ) {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return;
        };
        let (row, rows) = (first.row, last.row + last.tokens - first.row);
        self.prepare(cpu, scratch, row, rows, pairs);
        let projected = &scratch.projected[row * self.input.rows()..];
        let mut steps = std::mem::take(&mut scratch.steps);
        steps.clear();
        for span in spans {
            let Some(pages) = pages(segments, span, layer) else {
                continue;
            };
            // A token sees what those before it have written, and not what those behind it have.
            for place in span.start..span.start + span.tokens {
                for page in pages.writable(place, place + 1) {
                    self.write(page, place, projected, &scratch.keys, steps.len());
                }
                steps.push((span.segment, place));
            }
        }
        let len = self.sizes.queries_len(rows);
        let pieces = part(&mut scratch.pieces, self.sizes.pieces_len(rows));
        let attended = part(&mut scratch.attended, len);
        let page = |row: usize, number: usize| match &segments[steps[row].0].sequence.layers[layer] {
            LayerState::Full { pages } => pages.page(number),
            LayerState::Linear { .. } => &[],
        };
        let place = |row: usize| steps[row].1;
        let queries = &scratch.queries[..len];
        cpu.attention_steps(self.sizes, queries, rows, place, page, pieces, attended);
        scratch.steps = steps;
        self.gather(cpu, scratch, row, rows);
    }

    /// Queries and keys of some rows, normalised and rotated, to `scratch.queries` and `scratch.keys`.
    fn prepare(&self, cpu: &Cpu, scratch: &mut Scratch, row: usize, rows: usize, pairs: usize) {
        let Attention {
            kv_heads,
            group,
            head_dim,
            ..
        } = self.sizes;
        let stride = self.input.rows();
        let projected = &scratch.projected[row * stride..][..rows * stride];
        let rotation = Some(Rotation {
            pairs,
            cos: &scratch.cos[row * pairs..][..rows * pairs],
            sin: &scratch.sin[row * pairs..][..rows * pairs],
        });
        let norm = |weight| {
            Some(HeadNorm {
                weight,
                eps: self.eps,
            })
        };
        let queries = part(&mut scratch.queries, self.sizes.queries_len(rows));
        cpu.prepare_heads(
            projected,
            self.query_heads(),
            head_dim,
            group,
            norm(&self.query_norm),
            rotation,
            (head_dim as f32).sqrt().recip(),
            self.sizes.padded(),
            rows,
            queries,
        );
        let keys = part(&mut scratch.keys, rows * kv_heads * head_dim);
        let key_heads = Heads {
            stride,
            start: 2 * kv_heads * group * head_dim,
            head_stride: head_dim,
        };
        let key_norm = norm(&self.key_norm);
        cpu.prepare_heads(
            projected, key_heads, head_dim, kv_heads, key_norm, rotation, 1.0, head_dim, rows, keys,
        );
    }

    fn query_heads(&self) -> Heads {
        Heads {
            stride: self.input.rows(),
            start: 0,
            head_stride: 2 * self.sizes.head_dim,
        }
    }

    /// Writes row `row`'s key and value to the page of the token at `place`.
    fn write(&self, page: &mut Page, place: usize, projected: &[f32], keys: &[f32], row: usize) {
        let Attention {
            kv_heads,
            group,
            head_dim,
            ..
        } = self.sizes;
        let len = kv_heads * head_dim;
        let values = row * self.input.rows() + 2 * kv_heads * group * head_dim + len;
        let (keys, values) = (&keys[row * len..][..len], &projected[values..][..len]);
        self.sizes
            .write(page.words(), place % Attention::PAGE, keys, values);
    }

    /// Attended values of some rows, gated, to `scratch.mixed`.
    fn gather(&self, cpu: &Cpu, scratch: &mut Scratch, row: usize, rows: usize) {
        let (stride, width) = (self.input.rows(), self.output.columns());
        let attended = &scratch.attended[..self.sizes.queries_len(rows)];
        let projected = &scratch.projected[row * stride..][..rows * stride];
        let gates = Heads {
            start: self.sizes.head_dim,
            ..self.query_heads()
        };
        let mixed = &mut scratch.mixed[row * width..][..rows * width];
        cpu.gather_heads(self.sizes, attended, Some((projected, gates)), mixed);
    }
}

/// A span's keys and values of one layer.
fn pages<'p>(segments: &'p mut [Segment<'_>], span: &Span, layer: usize) -> Option<&'p mut Pages> {
    match segments.get_mut(span.segment)?.sequence.layers.get_mut(layer)? {
        LayerState::Full { pages } => Some(pages),
        LayerState::Linear { .. } => None,
    }
}
