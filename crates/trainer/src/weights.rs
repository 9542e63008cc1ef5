//! What a network multiplies with: weights that learn, or frozen ones with additions that learn.

use std::ops::Range;
use std::sync::Arc;

use aurore_kernels::{Isa, Pool, Precision, TrainedMatrix};

use crate::frozen::Frozen;
use crate::lora::{FIRST, SECOND};
use crate::parameters::{ParameterId, Parameters, Place};

/// A weight matrix, or a slice of a fused one: `[outputs, inputs]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    id: ParameterId,
    /// Where it begins in the parameter.
    offset: usize,
    outputs: usize,
    inputs: usize,
    /// Its place among the weights in multiplied form.
    slot: usize,
}

impl Matrix {
    pub(crate) fn id(&self) -> ParameterId {
        self.id
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Its part of the parameter.
    pub(crate) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.outputs * self.inputs
    }
}

/// What learns beside a frozen matrix: `s·B·A`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addition {
    /// A, `[rank, inputs]`
    pub(crate) first: Matrix,
    /// B, `[outputs, rank]`
    pub(crate) second: Matrix,
    pub(crate) scale: f32,
}

/// Everything that is learnt, what stays as it is, and the matrices in the form in which they are multiplied.
pub struct Weights {
    isa: Isa,
    precision: Precision,
    parameters: Parameters,
    /// What the parameters are added to, and what the additions are multiplied with.
    frozen: Option<(Arc<Frozen>, f32)>,
    /// Whether frozen matrices are kept in the form in which they are multiplied, too.
    ready: bool,
    matrices: Vec<Slot>,
}

struct Slot {
    matrix: Matrix,
    form: TrainedMatrix,
    addition: Option<Addition>,
}

impl Weights {
    /// Parameters whose matrices will be multiplied in that precision.
    pub fn new(parameters: Parameters, isa: Isa, precision: Precision) -> Self {
        Self {
            isa,
            precision,
            parameters,
            frozen: None,
            ready: false,
            matrices: Vec::new(),
        }
    }

    /// Frozen weights with additions ([`crate::LoraSettings::begin`]) that are multiplied by `scale`.
    pub fn over(
        frozen: Arc<Frozen>,
        additions: Parameters,
        scale: f32,
        isa: Isa,
        precision: Precision,
    ) -> Self {
        Self {
            frozen: Some((frozen, scale)),
            ..Self::new(additions, isa, precision)
        }
    }

    /// Keeps frozen matrices in the form in which they are multiplied, beside the one in which they were loaded: faster, and
    /// 4 bytes more for each number in bf16. On the way back through more than 256 outputs some sums are rounded otherwise. To be
    /// said before a network is made of it.
    #[must_use]
    pub fn made_ready(mut self) -> Self {
        self.ready = true;
        self
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters, to be changed; [`refresh`](Self::refresh) must follow.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// What the products are made of.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// What stays as it is, if anything does.
    pub fn frozen(&self) -> Option<&Arc<Frozen>> {
        self.frozen.as_ref().map(|(frozen, _)| frozen)
    }

    /// Whether anything whose name begins so learns.
    pub(crate) fn learns_any(&self, prefix: &str) -> bool {
        let mut names = self.parameters.iter().map(|parameter| parameter.name.as_str());
        names.any(|name| name.starts_with(prefix))
    }

    /// The place of a tensor that the layout has.
    pub(crate) fn vector(&self, name: &str) -> ParameterId {
        // Names come from the same configuration as the layout.
        self.parameters.find(name).unwrap_or_else(|| {
            let frozen = self.frozen();
            let vector = frozen.and_then(|frozen| frozen.find_vector(name));
            let rows = frozen.and_then(|frozen| frozen.find_rows(name, 0));
            ParameterId(match (vector, rows) {
                (Some(place), _) => Place::Vector(place),
                (None, Some((matrix, _))) => Place::Rows(matrix),
                (None, None) => Place::Missing,
            })
        })
    }

    /// A matrix that is multiplied.
    pub(crate) fn matrix(&mut self, name: &str, outputs: usize, inputs: usize) -> Matrix {
        self.slice(name, 0, [outputs, inputs], self.precision)
    }

    /// A matrix that is multiplied in f32 whatever the others are: the router, whose choices rounding would change.
    pub(crate) fn exact_matrix(&mut self, name: &str, outputs: usize, inputs: usize) -> Matrix {
        self.slice(name, 0, [outputs, inputs], Precision::Exact)
    }

    /// The matrix number `index` of a fused tensor.
    pub(crate) fn expert(&mut self, name: &str, index: usize, outputs: usize, inputs: usize) -> Matrix {
        self.slice(name, index, [outputs, inputs], self.precision)
    }

    fn slice(&mut self, name: &str, index: usize, sides: [usize; 2], precision: Precision) -> Matrix {
        let [outputs, inputs] = sides;
        let found = self.frozen.as_ref().and_then(|(frozen, scale)| {
            let (number, first) = frozen.find_rows(name, index)?;
            Some((Arc::clone(frozen.matrix(number)?), first, *scale))
        });
        let Some((matrix, first, scale)) = found else {
            let form = TrainedMatrix::new(self.isa, precision, outputs, inputs);
            return self.add(self.vector(name), index, sides, form, None);
        };
        let form = if self.ready {
            let mut values = vec![0.0; outputs * inputs];
            matrix.copy_rows(self.isa, first, &mut values);
            let mut form = TrainedMatrix::new(self.isa, precision, outputs, inputs);
            form.set(self.isa, &values);
            form
        } else {
            TrainedMatrix::frozen(self.isa, precision, matrix, first..first + outputs)
        };
        let pair = [FIRST, SECOND].map(|end| self.parameters.find(&format!("{name}{end}")));
        let addition = match pair {
            [Some(a), Some(b)] => {
                // A is `[rank, inputs]`, or `[experts, rank, inputs]`.
                let shape = &self.parameters.get(a).shape;
                let rank = shape[shape.len() - 2];
                let mut part = |id, sides: [usize; 2]| {
                    let form = TrainedMatrix::new(self.isa, self.precision, sides[0], sides[1]);
                    self.add(id, index, sides, form, None)
                };
                Some(Addition {
                    first: part(a, [rank, inputs]),
                    second: part(b, [outputs, rank]),
                    scale,
                })
            }
            _ => None,
        };
        self.add(ParameterId(Place::Missing), 0, sides, form, addition)
    }

    fn add(
        &mut self,
        id: ParameterId,
        index: usize,
        [outputs, inputs]: [usize; 2],
        form: TrainedMatrix,
        addition: Option<Addition>,
    ) -> Matrix {
        let matrix = Matrix {
            id,
            offset: index * outputs * inputs,
            outputs,
            inputs,
            slot: self.matrices.len(),
        };
        self.matrices.push(Slot {
            matrix,
            form,
            addition,
        });
        matrix
    }

    pub(crate) fn form(&self, matrix: Matrix) -> &TrainedMatrix {
        &self.matrices[matrix.slot].form
    }

    pub(crate) fn addition(&self, matrix: Matrix) -> Option<Addition> {
        self.matrices[matrix.slot].addition
    }

    /// A vector's values.
    pub(crate) fn values(&self, id: ParameterId) -> &[f32] {
        match id.0 {
            Place::Vector(place) => self.frozen().map_or(&[], |frozen| frozen.vector(place)),
            Place::Learnt(_) => &self.parameters.get(id).values,
            Place::Rows(_) | Place::Missing => &[],
        }
    }

    /// Copies a row of a table, such as the embedding.
    pub(crate) fn row(&self, id: ParameterId, row: usize, to: &mut [f32]) {
        if let Place::Rows(number) = id.0 {
            if let Some(matrix) = self.frozen().and_then(|frozen| frozen.matrix(number)) {
                matrix.copy_row(row, to);
            }
        } else {
            to.copy_from_slice(&self.values(id)[row * to.len()..][..to.len()]);
        }
    }

    /// Brings the multiplied forms up to date with the parameters.
    pub fn refresh(&mut self, pool: &Pool) {
        let (isa, parameters) = (self.isa, &self.parameters);
        pool.pieces(&mut self.matrices, 1, |_, piece| {
            for Slot { matrix, form, .. } in piece {
                if let Place::Learnt(_) = matrix.id.0 {
                    form.set(isa, &parameters.get(matrix.id).values[matrix.range()]);
                }
            }
        });
    }
}
