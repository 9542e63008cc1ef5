//! What is added to the experts of a layer: matrices of one shape, so that they go through grouped products as the
//! experts do.

use aurore_checkpoint::{Adapter, MatrixSpec};
use aurore_kernels::{Cpu, Group, Matrix};

use super::addition::{matrices, ranks};
use crate::scratch::part;

/// Per expert.
pub(crate) struct ExpertAdditions {
    pub(crate) gate_up: GroupedAddition,
    pub(crate) down: GroupedAddition,
}

/// Per expert `[ranks, inputs]` and `[outputs, ranks]`, as many ranks for each.
pub(crate) struct GroupedAddition {
    first: Vec<Matrix>,
    second: Vec<Matrix>,
}

impl ExpertAdditions {
    /// `None` where none of `experts` has one.
    pub(super) fn new(cpu: &Cpu, adapter: &Adapter, experts: &[[MatrixSpec; 2]]) -> Option<Self> {
        let has_some = |spec: &MatrixSpec| !adapter.of(spec).is_empty();
        let some = experts.iter().flatten().any(has_some);
        some.then(|| Self {
            gate_up: GroupedAddition::new(cpu, adapter, experts.iter().map(|[gate_up, _]| gate_up)),
            down: GroupedAddition::new(cpu, adapter, experts.iter().map(|[_, down]| down)),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let all = [&self.gate_up, &self.down];
        all.iter()
            .flat_map(|addition| addition.first.iter().chain(&addition.second))
            .map(Matrix::bytes)
            .sum()
    }
}

impl GroupedAddition {
    fn new<'s>(cpu: &Cpu, adapter: &Adapter, specs: impl Iterator<Item = &'s MatrixSpec> + Clone) -> Self {
        let most = specs
            .clone()
            .map(|spec| ranks(&adapter.of(spec)))
            .max()
            .unwrap_or(0);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for spec in specs.filter(|_| most > 0) {
            let [a, b] = matrices(cpu, spec, &adapter.of(spec), most);
            first.push(a);
            second.push(b);
        }
        Self { first, second }
    }

    /// Adds to the groups' rows, whose inputs are rows of `x`, by `index` or in their order.
    pub(crate) fn add(
        &self,
        cpu: &Cpu,
        groups: &[Group],
        index: Option<&[u32]>,
        x: &[f32],
        low: &mut Vec<f32>,
        y: &mut [f32],
    ) {
        let (Some(first), Some(second)) = (self.first.first(), self.second.first()) else {
            return;
        };
        let low = part(low, y.len() / second.rows().max(1) * first.rows());
        cpu.matmul_grouped(&self.first, groups, index, x, low);
        cpu.matmul_grouped_add(&self.second, groups, None, low, y);
    }
}
