//! Products of matrices for training, on the calling thread: the forward one and its two gradients.
//!
//! With a weight `W` of `[outputs, inputs]` and `rows` tokens: `Y = X·Wᵀ`, `dX = dY·W`, `dW += dYᵀ·X`. In bf16 both
//! operands are rounded and sums are f32 ([`Precision::Bf16`]); the f32 form is the reference, and what processors
//! without pair products compute. Matrix tiles multiply bf16 where the processor has them. Always a sum has a fixed order.

mod convolution;
mod exact;
mod frozen;
mod left;
mod pairs;
mod right;
#[cfg(test)]
mod tests;
mod tiled;

pub use exact::View;

use crate::Isa;
use frozen::Frozen;
use left::{LeftOperand, Sums};
use right::{PairPanels, Panels};

/// What products are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout.
    Exact,
    /// Operands rounded to bf16, sums in f32; where the processor has no such products, as `Exact`.
    Bf16,
}

/// Multiplies, and keeps the buffers that it needs for it: they grow once.
pub struct Products {
    isa: Isa,
    precision: Precision,
    /// The right-hand side in panels.
    panels: Vec<f32>,
    /// A last, narrow panel of sums.
    tail: Vec<f32>,
    left: LeftOperand,
    right: PairPanels,
    /// A tile of weights that are kept in another form.
    expanded: Vec<f32>,
}

/// A weight in the forms in which it is multiplied. Made anew whenever the weight changes, or [frozen](Self::frozen).
pub struct TrainedMatrix {
    outputs: usize,
    inputs: usize,
    form: Form,
}

enum Form {
    /// `[outputs, inputs]`, a copy.
    Exact(Vec<f32>),
    /// For `X·Wᵀ`, panels of outputs; for `dY·W`, panels of inputs.
    Pairs { forward: PairPanels, back: PairPanels },
    /// As the engine keeps it; made ready by tiles.
    Frozen(Frozen),
}

/// Whether products with such a weight are made of bf16 pairs.
fn in_pairs(isa: Isa, precision: Precision, outputs: usize, inputs: usize) -> bool {
    // Pairs are pairs of numbers that are summed over: inputs forward, outputs backward.
    precision == Precision::Bf16 && isa.has_pairs() && outputs.is_multiple_of(2) && inputs.is_multiple_of(2)
}

impl TrainedMatrix {
    /// An empty one; [`set`](Self::set) fills it.
    pub fn new(isa: Isa, precision: Precision, outputs: usize, inputs: usize) -> Self {
        let form = if in_pairs(isa, precision, outputs, inputs) {
            Form::Pairs {
                forward: PairPanels::default(),
                back: PairPanels::default(),
            }
        } else {
            Form::Exact(Vec::new())
        };
        Self {
            outputs,
            inputs,
            form,
        }
    }

    /// Takes the weight's values, `[outputs, inputs]`; a frozen one keeps its own.
    ///
    /// # Panics
    /// When there are more or fewer of them.
    pub fn set(&mut self, isa: Isa, weight: &[f32]) {
        assert_eq!(
            weight.len(),
            self.outputs * self.inputs,
            "a weight of another shape"
        );
        match &mut self.form {
            Form::Exact(copy) => {
                copy.clear();
                copy.extend_from_slice(weight);
            }
            Form::Pairs { forward, back } => {
                let (outputs, inputs) = (self.outputs, self.inputs);
                forward.round(isa, View::transposed(weight, inputs), [inputs, outputs]);
                back.round(isa, View::rows(weight, inputs), [outputs, inputs]);
            }
            Form::Frozen(_) => {}
        }
    }

    /// Rows of the weight.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the weight.
    pub fn inputs(&self) -> usize {
        self.inputs
    }
}

impl Products {
    /// Products of one thread.
    pub fn new(isa: Isa, precision: Precision) -> Self {
        Self {
            isa,
            precision,
            panels: Vec::new(),
            tail: Vec::new(),
            left: LeftOperand::default(),
            right: PairPanels::default(),
            expanded: Vec::new(),
        }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// `Y = X·Wᵀ`, or `Y += X·Wᵀ`. `x`: `[rows, inputs]`, `y`: `[rows, outputs]`.
    ///
    /// # Panics
    /// When a buffer is too small for these sizes.
    pub fn forward(&mut self, weight: &TrainedMatrix, rows: usize, x: &[f32], y: &mut [f32], add: bool) {
        let (outputs, inputs) = (weight.outputs, weight.inputs);
        assert!(
            x.len() >= rows * inputs && y.len() >= rows * outputs,
            "buffers of another shape"
        );
        match &weight.form {
            Form::Exact(values) => {
                let (left, right) = (View::rows(x, inputs), View::transposed(values, inputs));
                self.product([rows, inputs, outputs], left, right, y, outputs, add);
            }
            Form::Pairs { forward, .. } => self.by_rows(forward.panels(), [rows, inputs, outputs], x, y, add),
            Form::Frozen(frozen) => frozen.forward(self, [rows, inputs, outputs], x, y, add),
        }
    }

    /// `dX = dY·W`, or `dX += dY·W`. `dy`: `[rows, outputs]`, `dx`: `[rows, inputs]`.
    ///
    /// # Panics
    /// When a buffer is too small for these sizes.
    pub fn input_gradient(
        &mut self,
        weight: &TrainedMatrix,
        rows: usize,
        dy: &[f32],
        dx: &mut [f32],
        add: bool,
    ) {
        let (outputs, inputs) = (weight.outputs, weight.inputs);
        assert!(
            dy.len() >= rows * outputs && dx.len() >= rows * inputs,
            "buffers of another shape"
        );
        match &weight.form {
            Form::Exact(values) => {
                let (left, right) = (View::rows(dy, outputs), View::rows(values, inputs));
                self.product([rows, outputs, inputs], left, right, dx, inputs, add);
            }
            Form::Pairs { back, .. } => self.by_rows(back.panels(), [rows, outputs, inputs], dy, dx, add),
            Form::Frozen(frozen) => frozen.input_gradient(self, [rows, outputs, inputs], dy, dx, add),
        }
    }

    /// `dW += dYᵀ·X`. `x`: `[rows, inputs]`, `dy`: `[rows, outputs]`, `dw`: `[outputs, inputs]`.
    ///
    /// # Panics
    /// When a buffer is too small for these sizes.
    pub fn weight_gradient(
        &mut self,
        rows: usize,
        inputs: usize,
        x: &[f32],
        outputs: usize,
        dy: &[f32],
        dw: &mut [f32],
    ) {
        assert!(
            x.len() >= rows * inputs && dy.len() >= rows * outputs && dw.len() >= outputs * inputs,
            "buffers of another shape"
        );
        let (left, right) = (View::transposed(dy, outputs), View::rows(x, inputs));
        self.rounded_product([outputs, rows, inputs], left, right, dw, inputs, true);
    }

    /// As [`product`](Self::product), with both operands rounded to bf16 where products of weights are.
    ///
    /// # Panics
    /// As there.
    pub fn rounded_product(
        &mut self,
        [rows, k, columns]: [usize; 3],
        left: View<'_>,
        right: View<'_>,
        out: &mut [f32],
        stride: usize,
        add: bool,
    ) {
        if self.precision == Precision::Exact || !self.isa.has_pairs() {
            self.product([rows, k, columns], left, right, out, stride, add);
            return;
        }
        assert!(
            left.holds(rows, k) && right.holds(k, columns),
            "an operand is too small"
        );
        self.right.round(self.isa, right, [k, columns]);
        self.left.round(self.isa, left, [rows, k]);
        let sums = Sums { out, stride, add };
        self.left
            .multiply(self.isa, rows, columns, self.right.panels(), sums);
    }

    /// `out (+)= left · panels`, left in rows.
    fn by_rows(
        &mut self,
        panels: Panels<'_>,
        [rows, k, columns]: [usize; 3],
        left: &[f32],
        out: &mut [f32],
        add: bool,
    ) {
        self.left.round(self.isa, View::rows(left, k), [rows, k]);
        let sums = Sums {
            out,
            stride: columns,
            add,
        };
        self.left.multiply(self.isa, rows, columns, panels, sums);
    }
}
