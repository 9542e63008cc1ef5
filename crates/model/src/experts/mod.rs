//! Routed experts that stay in their packed file: a machine too small for all of them keeps those in memory
//! that are used most, and reads the others while it computes.
//!
//! A layer's pass orders what is not in memory, computes what is, and then the rest as it arrives, in waves.
//! Which experts go together, and where they lie, changes no bit of what comes out.

mod cache;
mod reader;
mod sizes;
#[cfg(test)]
mod tests;

use std::io::Error;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aurore_checkpoint::matrices::expert;
use aurore_checkpoint::{Config, Ffn, MatrixSpec, StoredMatrix, Weights};
use aurore_kernels::{Cpu, Format, Group, Layout, Matrix, Routing};

use self::cache::Cache;
use self::reader::{Arrival, Place, Readers, Stored};
pub use self::sizes::ExpertSizes;
use crate::ModelError;
use crate::load::{Found, checked_format};

/// What the routed experts' memory was good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpertStats {
    /// Bytes of memory for experts.
    pub memory_bytes: u64,
    /// Routed experts of all layers.
    pub experts: usize,
    /// How many of them memory is kept for.
    pub kept: usize,
    /// How often an expert was used: once for each layer's pass, by however many rows.
    pub uses: u64,
    /// How many of these found it in memory.
    pub hits: u64,
    /// How many of the others found it under way, read ahead.
    pub ahead: u64,
    /// Experts that were read.
    pub reads: u64,
    /// Bytes of these.
    pub bytes_read: u64,
    /// How long computing stood still for them.
    pub waited: Duration,
}

/// The routed experts of all layers, some of them in memory.
pub(crate) struct ExpertStore {
    /// Of a layer.
    experts: usize,
    layers: usize,
    top_k: usize,
    /// Of one expert's matrices.
    pair_bytes: usize,
    /// Places that are read to, while the cache keeps what it has.
    ahead: usize,
    kept: usize,
    readers: Readers,
    state: Mutex<State>,
}

struct State {
    cache: Cache,
    /// The cache's slots.
    gate_up: Vec<Matrix>,
    down: Vec<Matrix>,
    /// Places that nobody uses.
    spare: Vec<Place>,
    /// Per expert of all layers: it was ordered and has not landed.
    coming: Vec<bool>,
    landed: Landed,
    /// What this layer still has to compute, `matrix` being the expert among all layers'.
    wanted: Vec<Group>,
    /// Experts of the next layer that are still to be read ahead, last one first, and all of that layer's, among
    /// all layers'.
    next: Vec<usize>,
    next_layer: Range<usize>,
    /// For one product.
    groups: Vec<Group>,
    stats: ExpertStats,
}

/// Experts that were read and are not in the cache.
struct Landed {
    experts: Vec<usize>,
    gate_up: Vec<Matrix>,
    down: Vec<Matrix>,
}

impl ExpertStore {
    /// The experts of a packed checkpoint, with at most `budget` bytes of memory for them.
    ///
    /// # Errors
    /// When there are none, they are not packed or not what they should be, or the budget is smaller than what one
    /// token needs in one layer.
    pub(crate) fn open(weights: &dyn Weights, config: &Config, budget: u64) -> Result<Self, ModelError> {
        let text = &config.text;
        let Ffn::Moe { experts, top_k, .. } = text.ffn else {
            return Err(ModelError::NoExperts);
        };
        let layers = text.layer_types.len();
        let mut stored: Vec<Stored> = Vec::with_capacity(layers * experts);
        let mut formats = None;
        for layer in 0..layers {
            let prefix = format!("model.language_model.layers.{layer}.mlp");
            for index in 0..experts {
                let [gate_up, down] = expert(text, &prefix, index).ok_or(ModelError::NoExperts)?;
                let (gate_up, gate_up_format) = find(weights, &gate_up)?;
                let (down, down_format) = find(weights, &down)?;
                let found = [gate_up_format, down_format];
                if *formats.get_or_insert(found) != found {
                    return Err(ModelError::Config(format!(
                        "{} is packed in another format than the experts before it",
                        gate_up.key
                    )));
                }
                stored.push([gate_up, down]);
            }
        }
        let (Some([gate_up_format, down_format]), Some([gate_up, down])) = (formats, stored.first()) else {
            return Err(ModelError::NoExperts);
        };
        let shapes = [
            (gate_up_format, gate_up.rows, gate_up.columns),
            (down_format, down.rows, down.columns),
        ];
        let too_large = || ModelError::Config("its experts are larger than memory can be".to_owned());
        let mut pair_bytes = 0;
        for (format, rows, columns) in shapes {
            let layout = Layout::new(format, rows, columns).ok_or_else(too_large)?;
            // As slots have it.
            pair_bytes += (layout.elements + layout.scales).next_multiple_of(4096);
        }
        let places = usize::try_from(budget / pair_bytes as u64).unwrap_or(usize::MAX);
        let least = top_k.max(1);
        if places < least {
            return Err(ModelError::ExpertMemory {
                budget,
                needed: (least * pair_bytes) as u64,
                top_k,
            });
        }
        let ahead = (places / 8).clamp(least, 8 * least);
        let kept = (places - ahead).min(stored.len());
        let [gate_up, down] =
            shapes.map(|(format, rows, columns)| Matrix::slots(format, rows, columns, kept + ahead));
        let (mut gate_up, mut down) = gate_up.zip(down).ok_or_else(too_large)?;
        let spare = gate_up.drain(kept..).zip(down.drain(kept..));
        let spare = spare.map(|(gate_up, down)| Place { gate_up, down }).collect();
        let all = stored.len();
        Ok(Self {
            experts,
            layers,
            top_k,
            pair_bytes,
            ahead,
            kept,
            readers: Readers::new(stored, ahead)?,
            state: Mutex::new(State {
                cache: Cache::new(all, kept),
                gate_up,
                down,
                spare,
                coming: vec![false; all],
                landed: Landed::new(ahead),
                wanted: Vec::with_capacity(experts),
                next: Vec::with_capacity(experts),
                next_layer: 0..0,
                groups: Vec::with_capacity(experts),
                stats: ExpertStats {
                    memory_bytes: (pair_bytes * (kept + ahead)) as u64,
                    experts: all,
                    kept,
                    ..ExpertStats::default()
                },
            }),
        })
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.pair_bytes * (self.kept + self.ahead)
    }

    /// Bytes of the experts of one layer that one token goes to.
    pub(crate) fn bytes_per_token(&self) -> usize {
        self.pair_bytes * self.top_k
    }

    /// Figures since loading.
    pub(crate) fn stats(&self) -> ExpertStats {
        self.state().stats
    }

    /// Bytes a second that the file gives.
    pub(crate) fn read_rate(&self) -> Result<f64, ModelError> {
        /// A prime, so that one expert after another is far from the last.
        const STRIDE: usize = 7919;
        let mut state = self.state();
        let (mut ordered, mut done) = (0, 0);
        let started = Instant::now();
        loop {
            while started.elapsed() < Duration::from_millis(500)
                && let Some(place) = state.spare.pop()
            {
                self.readers
                    .order(ordered * STRIDE % (self.experts * self.layers), place);
                ordered += 1;
            }
            let Some(arrival) = self.readers.next() else { break };
            arrival.outcome?;
            state.spare.push(arrival.place);
            done += 1;
        }
        Ok((done * self.pair_bytes) as f64 / started.elapsed().as_secs_f64())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a layer's pass over so many tokens that are routed to these groups of rows: what is not in memory
    /// is being read from here on.
    pub(crate) fn begin(&self, layer: usize, groups: &[Group], tokens: usize) -> Pass<'_> {
        let mut pass = Pass {
            store: self,
            state: self.state(),
        };
        let state = &mut *pass.state;
        if layer == 0 {
            state.cache.begin_pass(tokens);
        }
        state.wanted.clear();
        state.stats.uses += groups.len() as u64;
        for group in groups {
            let matrix = layer * self.experts + group.matrix;
            state.cache.note(matrix, group.end - group.start);
            state.wanted.push(Group { matrix, ..*group });
        }
        // Where most experts have a token, the next layer will want most of its own.
        state.next_layer = if tokens * self.top_k >= 2 * self.experts && layer + 1 < self.layers {
            (layer + 1) * self.experts..(layer + 2) * self.experts
        } else {
            0..0
        };
        state.next.clear();
        state.next.extend(state.next_layer.clone().rev());
        while let Some(arrival) = self.readers.try_next() {
            // What could not be read before is tried again now, if it is wanted.
            let _ = state.land(arrival);
        }
        // What was read in vain may take a slot over: only then it is known what is where.
        state.clear_landed();
        let State {
            cache,
            wanted,
            groups,
            ..
        } = state;
        groups.clear();
        wanted.retain(|group| {
            let slot = cache.slot(group.matrix);
            groups.extend(slot.map(|matrix| Group { matrix, ..*group }));
            slot.is_none()
        });
        state.stats.hits += state.groups.len() as u64;
        let ahead = |group: &&Group| state.coming[group.matrix] || state.landed.has(group.matrix);
        state.stats.ahead += state.wanted.iter().filter(ahead).count() as u64;
        pass.state.order(self);
        pass
    }
}

/// A layer's pass. Others wait until it is over.
pub(crate) struct Pass<'a> {
    store: &'a ExpertStore,
    state: MutexGuard<'a, State>,
}

/// What a layer's experts compute with, and the buffers for it.
pub(crate) struct Rows<'a> {
    /// The token of each routed row.
    pub(crate) routing: &'a Routing,
    /// `[tokens, hidden]`
    pub(crate) x: &'a [f32],
    /// `[rows, 2 · intermediate]`
    pub(crate) gate_up: &'a mut [f32],
    /// `[rows, intermediate]`
    pub(crate) inner: &'a mut [f32],
    /// `[rows, hidden]`
    pub(crate) results: &'a mut [f32],
}

impl Pass<'_> {
    /// Computes all groups' rows.
    ///
    /// # Errors
    /// When an expert cannot be read.
    pub(crate) fn finish(mut self, cpu: &Cpu, mut rows: Rows<'_>) -> Result<(), ModelError> {
        let state = &mut *self.state;
        rows.compute(cpu, &state.gate_up, &state.down, &mut state.groups);
        // Reads go on while a wave is computed.
        let wave = self.store.top_k.max(1);
        while !self.state.wanted.is_empty() {
            let least = wave.min(self.state.wanted.len());
            while self.state.pick() < least {
                self.wait()?;
                while let Some(arrival) = self.store.readers.try_next() {
                    self.state.land(arrival)?;
                }
                // Read ahead in vain: its place may be what others wait for.
                self.state.clear_landed();
                self.state.order(self.store);
            }
            let State {
                landed,
                groups,
                wanted,
                ..
            } = &mut *self.state;
            rows.compute(cpu, &landed.gate_up, &landed.down, groups);
            wanted.retain(|group| !landed.has(group.matrix));
            self.state.clear_landed();
            self.state.order(self.store);
        }
        Ok(())
    }

    /// Waits for one expert. There must be one on its way.
    fn wait(&mut self) -> Result<(), ModelError> {
        let started = Instant::now();
        let arrival = self.store.readers.next();
        self.state.stats.waited += started.elapsed();
        self.state
            .land(arrival.ok_or_else(|| ModelError::Threads(Error::other("nothing is being read")))?)
    }
}

impl State {
    /// Has read what is wanted, then what the next layer will want, as far as there are places.
    fn order(&mut self, store: &ExpertStore) {
        let State {
            cache,
            spare,
            coming,
            landed,
            wanted,
            next,
            stats,
            ..
        } = self;
        let mut wanted = wanted.iter().map(|group| group.matrix);
        while !spare.is_empty() {
            let Some(expert) = wanted.next().or_else(|| next.pop()) else {
                return;
            };
            if cache.slot(expert).is_some() || coming[expert] || landed.has(expert) {
                continue;
            }
            let Some(place) = spare.pop() else { return };
            coming[expert] = true;
            stats.reads += 1;
            stats.bytes_read += store.pair_bytes as u64;
            store.readers.order(expert, place);
        }
    }

    fn wants(&self, expert: usize) -> bool {
        self.wanted.iter().any(|group| group.matrix == expert)
    }

    /// Takes in an expert that arrived. One that was only read ahead and could not be is no error yet.
    fn land(&mut self, arrival: Arrival) -> Result<(), ModelError> {
        let Arrival {
            expert,
            place,
            outcome,
        } = arrival;
        self.coming[expert] = false;
        match outcome {
            Ok(()) => self.landed.push(expert, place),
            Err(error) => {
                self.spare.push(place);
                if self.wants(expert) {
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Puts the groups that can be computed of what landed into `groups`, and counts them.
    fn pick(&mut self) -> usize {
        let landed = &self.landed.experts;
        let groups = self.wanted.iter().filter_map(|group| {
            let matrix = landed.iter().position(|expert| *expert == group.matrix)?;
            Some(Group { matrix, ..*group })
        });
        self.groups.clear();
        self.groups.extend(groups);
        self.groups.len()
    }

    /// Whatever landed and is wanted neither now nor in the next layer goes to the cache, or away. What the next layer may
    /// want waits only if nothing that is wanted now waits for a place: it may be late from the pass before.
    fn clear_landed(&mut self) {
        let under_way = |group: &Group| self.coming[group.matrix] || self.landed.has(group.matrix);
        let has_places = self.wanted.iter().all(under_way);
        for index in (0..self.landed.experts.len()).rev() {
            let expert = self.landed.experts[index];
            if (has_places && self.next_layer.contains(&expert)) || self.wants(expert) {
                continue;
            }
            let mut place = self.landed.take(index);
            if let Some(slot) = self.cache.admit(expert) {
                std::mem::swap(&mut self.gate_up[slot], &mut place.gate_up);
                std::mem::swap(&mut self.down[slot], &mut place.down);
            }
            self.spare.push(place);
        }
    }
}

impl Landed {
    fn new(most: usize) -> Self {
        Self {
            experts: Vec::with_capacity(most),
            gate_up: Vec::with_capacity(most),
            down: Vec::with_capacity(most),
        }
    }

    fn has(&self, expert: usize) -> bool {
        self.experts.contains(&expert)
    }

    fn push(&mut self, expert: usize, place: Place) {
        self.experts.push(expert);
        self.gate_up.push(place.gate_up);
        self.down.push(place.down);
    }

    fn take(&mut self, index: usize) -> Place {
        self.experts.swap_remove(index);
        Place {
            gate_up: self.gate_up.swap_remove(index),
            down: self.down.swap_remove(index),
        }
    }
}

impl Rows<'_> {
    /// The groups' rows of the results. Their starts and ends become places among those rows.
    fn compute(&mut self, cpu: &Cpu, gate_up: &[Matrix], down: &[Matrix], groups: &mut [Group]) {
        let (Some(first), Some(last), Some(shape)) = (groups.first(), groups.last(), down.first()) else {
            return;
        };
        let (hidden, width) = (shape.rows(), shape.columns());
        let (start, end) = (first.start, last.end);
        for group in &mut *groups {
            group.start -= start;
            group.end -= start;
        }
        let index = Some(&self.routing.tokens[start..end]);
        let projected = &mut self.gate_up[start * 2 * width..end * 2 * width];
        cpu.matmul_grouped(gate_up, groups, index, self.x, projected);
        let inner = &mut self.inner[start * width..end * width];
        cpu.silu_mul(projected, width, inner);
        let results = &mut self.results[start * hidden..end * hidden];
        cpu.matmul_grouped(down, groups, None, inner, results);
    }
}

/// A matrix of the file, checked against what it should be.
fn find(weights: &dyn Weights, spec: &MatrixSpec) -> Result<(StoredMatrix, Format), ModelError> {
    let stored = weights.stored(&spec.key)?.ok_or(ModelError::NotPacked)?;
    let format = checked_format(
        spec,
        &Found {
            file: &stored.file(),
            layout: stored.layout,
            format: &stored.format,
            rows: stored.rows,
            columns: stored.columns,
            bytes: stored.bytes,
        },
    )?;
    Ok((stored, format))
}
