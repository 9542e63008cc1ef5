//! What is learnt: every tensor of the official layout in f32, and gradients of the same shapes.

use std::collections::HashMap;

use aurore_checkpoint::{CheckpointError, Config, Part, Slot, Weights, layout};

/// A parameter's place in [`Parameters`] and [`Gradients`], or among what is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParameterId(pub(crate) Place);

/// Where a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// Among the parameters.
    Learnt(usize),
    /// Among the frozen vectors.
    Vector(usize),
    /// The frozen matrix of that number, whose rows are looked up.
    Rows(usize),
    /// Nowhere.
    Missing,
}

/// One tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Official name; experts by their fused names.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// What it belongs to.
    pub part: Part,
    /// The master copy.
    pub values: Vec<f32>,
}

/// Every tensor of a network, in the order of the layout.
#[derive(Clone, Debug)]
pub struct Parameters {
    list: Vec<Parameter>,
    places: HashMap<String, usize>,
}

/// A gradient for every parameter.
#[derive(Clone, Debug)]
pub struct Gradients {
    list: Vec<Vec<f32>>,
}

impl ParameterId {
    /// Whether it does, rather than being frozen.
    pub(crate) fn learns(self) -> bool {
        matches!(self.0, Place::Learnt(_))
    }

    /// Its index among the parameters; beyond all of them if it does not learn.
    fn learnt(self) -> usize {
        match self.0 {
            Place::Learnt(place) => place,
            Place::Vector(_) | Place::Rows(_) | Place::Missing => usize::MAX,
        }
    }
}

impl Parameters {
    /// Zeros in the shapes that `config` calls for; the multi-token-prediction head is left out.
    pub fn zeros(config: &Config) -> Self {
        let list: Vec<Parameter> = layout(config)
            .into_iter()
            .filter(|slot| slot.part != Part::Mtp)
            .map(|Slot { name, shape, part }| {
                let count = shape.iter().product();
                Parameter {
                    name,
                    shape,
                    part,
                    values: vec![0.0; count],
                }
            })
            .collect();
        Self::new(list)
    }

    /// These parameters.
    pub(crate) fn new(list: Vec<Parameter>) -> Self {
        let places = list
            .iter()
            .enumerate()
            .map(|(place, parameter)| (parameter.name.clone(), place))
            .collect();
        Self { list, places }
    }

    /// The tensors of a checkpoint.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(weights: &dyn Weights, config: &Config) -> Result<Self, CheckpointError> {
        let mut parameters = Self::zeros(config);
        for parameter in &mut parameters.list {
            let shape = &parameter.shape;
            let fused = parameter
                .name
                .strip_suffix(".experts.gate_up_proj")
                .map(|prefix| (prefix, true))
                .or_else(|| {
                    parameter
                        .name
                        .strip_suffix(".experts.down_proj")
                        .map(|prefix| (prefix, false))
                });
            let Some((prefix, gate_up)) = fused else {
                parameter.values = weights.tensor(&parameter.name)?.expect_shape(shape)?.to_f32();
                continue;
            };
            let (rows, columns) = (shape[1], shape[2]);
            parameter.values.clear();
            for index in 0..shape[0] {
                let expert = weights.expert(prefix, index)?;
                let parts = if gate_up {
                    vec![(expert.gate, rows / 2), (expert.up, rows / 2)]
                } else {
                    vec![(expert.down, rows)]
                };
                for (part, rows) in parts {
                    parameter
                        .values
                        .extend(part.expect_shape(&[rows, columns])?.to_f32());
                }
            }
        }
        Ok(parameters)
    }

    /// The place of the parameter of that official name.
    pub fn find(&self, name: &str) -> Option<ParameterId> {
        self.places
            .get(name)
            .map(|place| ParameterId(Place::Learnt(*place)))
    }

    /// One parameter.
    ///
    /// # Panics
    /// When it is none of these.
    pub fn get(&self, id: ParameterId) -> &Parameter {
        &self.list[id.learnt()]
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.list.iter()
    }

    /// All of them, to be changed.
    pub fn list_mut(&mut self) -> &mut [Parameter] {
        &mut self.list
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.list.iter().map(|parameter| parameter.values.len()).sum()
    }
}

impl Gradients {
    /// Zeros for all of `parameters`.
    pub fn zeros(parameters: &Parameters) -> Self {
        let list = parameters
            .iter()
            .map(|parameter| vec![0.0; parameter.values.len()])
            .collect();
        Self { list }
    }

    /// The gradient of one parameter.
    ///
    /// # Panics
    /// When it does not learn.
    pub fn get(&self, id: ParameterId) -> &[f32] {
        &self.list[id.learnt()]
    }

    /// The gradient of one parameter, to be changed.
    ///
    /// # Panics
    /// When it does not learn.
    pub fn get_mut(&mut self, id: ParameterId) -> &mut [f32] {
        &mut self.list[id.learnt()]
    }

    /// All of them, in the order of the parameters.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.list.iter().map(Vec::as_slice)
    }

    /// All of them, to be changed.
    pub fn list_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.list
    }
}
