//! One lane's way through the network: the weights it reads, the gradients it adds to, its buffers and its products.

use aurore_kernels::{Isa, Products};

use crate::ops::rows;
use crate::parameters::{Gradients, ParameterId};
use crate::weights::{Addition, Matrix, Weights};
use crate::{Buffer, Buffers};

/// A lane. Its products run on the calling thread.
pub struct Pass<'a> {
    weights: &'a Weights,
    /// What the lane adds its gradients to.
    pub gradients: &'a mut Gradients,
    products: &'a mut Products,
    buffers: Buffers,
    /// Where gradients of what is frozen go: nobody reads them.
    dropped: Vec<f32>,
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
            dropped: Vec::new(),
            operations: 0,
        }
    }

    pub(crate) fn isa(&self) -> Isa {
        self.weights.isa()
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

    /// A vector's values.
    pub(crate) fn values(&self, id: ParameterId) -> &'a [f32] {
        self.weights.values(id)
    }

    /// Copies a row of a table.
    pub(crate) fn row(&self, id: ParameterId, row: usize, to: &mut [f32]) {
        self.weights.row(id, row, to);
    }

    /// A parameter's gradient; of what is frozen, room for what nobody reads.
    pub(crate) fn gradient(&mut self, id: ParameterId) -> &mut [f32] {
        if id.learns() {
            return self.gradients.get_mut(id);
        }
        let length = self.weights.values(id).len();
        self.dropped.resize(length.max(self.dropped.len()), 0.0);
        &mut self.dropped[..length]
    }

    /// `x·Wᵀ`: `[rows, inputs]` → `[rows, outputs]`.
    pub(crate) fn linear(&mut self, matrix: Matrix, x: &[f32]) -> Buffer {
        let rows = x.len() / matrix.inputs();
        let mut y = self.take(rows * matrix.outputs());
        self.forward(matrix, x, &mut y, false);
        y
    }

    /// `y (+)= x·Wᵀ`
    pub(crate) fn forward(&mut self, matrix: Matrix, x: &[f32], y: &mut [f32], add: bool) {
        let rows = x.len() / matrix.inputs();
        self.count(rows, matrix);
        let form = self.weights.form(matrix);
        self.products.forward(form, rows, x, y, add);
        if let Some(addition) = self.weights.addition(matrix) {
            let low = self.low(addition, x);
            self.forward(addition.second, &low, y, true);
        }
    }

    /// `dx (+)= dy·W`
    pub(crate) fn input_gradient(&mut self, matrix: Matrix, dy: &[f32], dx: &mut [f32], add: bool) {
        let rows = dy.len() / matrix.outputs();
        self.count(rows, matrix);
        let form = self.weights.form(matrix);
        self.products.input_gradient(form, rows, dy, dx, add);
        if let Some(addition) = self.weights.addition(matrix) {
            let dlow = self.dlow(addition, dy);
            self.input_gradient(addition.first, &dlow, dx, true);
        }
    }

    /// `dW += dyᵀ·x`; where W is frozen, the gradients of what is added to it.
    pub(crate) fn weight_gradient(&mut self, matrix: Matrix, x: &[f32], dy: &[f32]) {
        if let Some(addition) = self.weights.addition(matrix) {
            let low = self.low(addition, x);
            self.weight_gradient(addition.second, &low, dy);
            drop(low);
            let dlow = self.dlow(addition, dy);
            self.weight_gradient(addition.first, x, &dlow);
        }
        if !matrix.id().learns() {
            return;
        }
        let rows = x.len() / matrix.inputs();
        self.count(rows, matrix);
        let own = matrix.range();
        let dw = &mut self.gradients.get_mut(matrix.id())[own];
        self.products
            .weight_gradient(rows, matrix.inputs(), x, matrix.outputs(), dy, dw);
    }

    /// Both gradients.
    pub(crate) fn backward(&mut self, matrix: Matrix, x: &[f32], dy: &[f32], dx: &mut [f32], add: bool) {
        self.weight_gradient(matrix, x, dy);
        self.input_gradient(matrix, dy, dx, add);
    }

    /// `s·x·Aᵀ`
    fn low(&mut self, addition: Addition, x: &[f32]) -> Buffer {
        let mut low = self.linear(addition.first, x);
        rows::scale(self.isa(), &mut low, addition.scale);
        low
    }

    /// `s·dy·B`, the gradient of `x·Aᵀ`.
    fn dlow(&mut self, addition: Addition, dy: &[f32]) -> Buffer {
        let rows = dy.len() / addition.second.outputs();
        let mut dlow = self.take(rows * addition.second.inputs());
        self.input_gradient(addition.second, dy, &mut dlow, false);
        rows::scale(self.isa(), &mut dlow, addition.scale);
        dlow
    }

    fn count(&mut self, rows: usize, matrix: Matrix) {
        self.operations += (rows * matrix.inputs() * matrix.outputs()) as u64;
    }
}
