//! One lane's way through the network: the weights it reads, the gradients it adds to, its buffers and its products.

use aurore_kernels::{Isa, Pool, Precision, Products, TrainedMatrix};

use crate::parameters::{Gradients, ParameterId, Parameters};
use crate::{Buffer, Buffers};

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
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }
}

/// Everything that is learnt, and the matrices in the form in which they are multiplied.
pub struct Weights {
    isa: Isa,
    precision: Precision,
    parameters: Parameters,
    matrices: Vec<(Matrix, TrainedMatrix)>,
}

impl Weights {
    /// Parameters whose matrices will be multiplied in that precision.
    pub fn new(parameters: Parameters, isa: Isa, precision: Precision) -> Self {
        Self {
            isa,
            precision,
            parameters,
            matrices: Vec::new(),
        }
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

    /// The place of a parameter that the layout has.
    pub(crate) fn vector(&self, name: &str) -> ParameterId {
        // Names come from the same configuration as the layout.
        self.parameters.find(name).unwrap_or(ParameterId(usize::MAX))
    }

    /// A matrix that is multiplied.
    pub(crate) fn matrix(&mut self, name: &str, outputs: usize, inputs: usize) -> Matrix {
        self.slice(name, 0, outputs, inputs, self.precision)
    }

    /// A matrix that is multiplied in f32 whatever the others are: the router, whose choices rounding would change.
    pub(crate) fn exact_matrix(&mut self, name: &str, outputs: usize, inputs: usize) -> Matrix {
        self.slice(name, 0, outputs, inputs, Precision::Exact)
    }

    /// The matrix number `index` of a fused tensor.
    pub(crate) fn expert(&mut self, name: &str, index: usize, outputs: usize, inputs: usize) -> Matrix {
        self.slice(name, index * outputs * inputs, outputs, inputs, self.precision)
    }

    fn slice(
        &mut self,
        name: &str,
        offset: usize,
        outputs: usize,
        inputs: usize,
        precision: Precision,
    ) -> Matrix {
        let matrix = Matrix {
            id: self.vector(name),
            offset,
            outputs,
            inputs,
            slot: self.matrices.len(),
        };
        let form = TrainedMatrix::new(self.isa, precision, outputs, inputs);
        self.matrices.push((matrix, form));
        matrix
    }

    /// Brings the multiplied forms up to date with the parameters.
    pub fn refresh(&mut self, pool: &Pool) {
        let (isa, parameters) = (self.isa, &self.parameters);
        pool.pieces(&mut self.matrices, 1, |_, piece| {
            for (matrix, form) in piece {
                let values = &parameters.get(matrix.id).values;
                form.set(isa, &values[matrix.offset..][..matrix.outputs * matrix.inputs]);
            }
        });
    }
}

/// A lane. Its products run on the calling thread.
pub struct Pass<'a> {
    weights: &'a Weights,
    /// What the lane adds its gradients to.
    pub gradients: &'a mut Gradients,
    products: &'a mut Products,
    buffers: Buffers,
    /// Multiply-adds of matrix products so far.
    pub(crate) operations: u64,
}

impl<'a> Pass<'a> {
    /// A lane over `weights`.
    pub fn new(
        weights: &'a Weights,
        gradients: &'a mut Gradients,
        products: &'a mut Products,
        buffers: Buffers,
    ) -> Self {
        Self {
            weights,
            gradients,
            products,
            buffers,
            operations: 0,
        }
    }

    pub(crate) fn isa(&self) -> Isa {
        self.weights.isa
    }

    /// f32 products of activations with one another.
    pub(crate) fn products(&mut self) -> &mut Products {
        self.products
    }

    /// Memory of `length` numbers, whatever they were.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        self.buffers.take(length)
    }

    /// Zeros.
    pub(crate) fn zeros(&self, length: usize) -> Buffer {
        self.buffers.zeros(length)
    }

    /// A copy.
    pub(crate) fn copy(&self, values: &[f32]) -> Buffer {
        self.buffers.copy(values)
    }

    /// A parameter's values.
    pub(crate) fn values(&self, id: ParameterId) -> &'a [f32] {
        &self.weights.parameters.get(id).values
    }

    /// A parameter's gradient.
    pub(crate) fn gradient(&mut self, id: ParameterId) -> &mut [f32] {
        self.gradients.get_mut(id)
    }

    /// `x·Wᵀ`: `[rows, inputs]` → `[rows, outputs]`.
    pub(crate) fn linear(&mut self, matrix: Matrix, x: &[f32]) -> Buffer {
        let rows = x.len() / matrix.inputs;
        let mut y = self.take(rows * matrix.outputs);
        self.forward(matrix, x, &mut y, false);
        y
    }

    /// `y (+)= x·Wᵀ`
    pub(crate) fn forward(&mut self, matrix: Matrix, x: &[f32], y: &mut [f32], add: bool) {
        let rows = x.len() / matrix.inputs;
        self.operations += (rows * matrix.inputs * matrix.outputs) as u64;
        let form = &self.weights.matrices[matrix.slot].1;
        self.products.forward(form, rows, x, y, add);
    }

    /// `dx (+)= dy·W`
    pub(crate) fn input_gradient(&mut self, matrix: Matrix, dy: &[f32], dx: &mut [f32], add: bool) {
        let rows = dy.len() / matrix.outputs;
        self.operations += (rows * matrix.inputs * matrix.outputs) as u64;
        let form = &self.weights.matrices[matrix.slot].1;
        self.products.input_gradient(form, rows, dy, dx, add);
    }

    /// `dW += dyᵀ·x`
    pub(crate) fn weight_gradient(&mut self, matrix: Matrix, x: &[f32], dy: &[f32]) {
        let rows = x.len() / matrix.inputs;
        let size = matrix.outputs * matrix.inputs;
        self.operations += (rows * size) as u64;
        let dw = &mut self.gradients.get_mut(matrix.id)[matrix.offset..][..size];
        self.products
            .weight_gradient(rows, matrix.inputs, x, matrix.outputs, dy, dw);
    }

    /// Both gradients.
    pub(crate) fn backward(&mut self, matrix: Matrix, x: &[f32], dy: &[f32], dx: &mut [f32], add: bool) {
        self.weight_gradient(matrix, x, dy);
        self.input_gradient(matrix, dy, dx, add);
    }
}
