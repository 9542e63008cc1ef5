//! In which format each kind of matrix is kept.

use aurore_checkpoint::Role;
use aurore_kernels::Format;

use crate::Precision;

/// A format for each role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formats([Format; Role::ALL.len()]);

impl Formats {
    /// One format for all but the matrices that decide where tokens go: the router of the experts and
    /// the shared expert's gate are tiny, and stay f32.
    pub fn new(precision: Precision) -> Self {
        let mut formats = Self([precision.format(); Role::ALL.len()]);
        for role in [Role::Router, Role::SharedGate] {
            formats.set(role, Format::F32);
        }
        formats
    }

    /// 4 bits where most of the weights are, 8 bits elsewhere: a reasoned choice, whose roles were not measured
    /// one by one (docs/quantisation.md measures the whole). 8 bits keep the mixers' inputs, whose errors stay in a state or a cache, their outputs, and the
    /// vision tower, through which every screenshot passes.
    pub fn mixed() -> Self {
        let mut formats = Self::new(Precision::Q8);
        for role in [
            Role::Embedding,
            Role::GateUp,
            Role::Down,
            Role::SharedGateUp,
            Role::SharedDown,
            Role::ExpertGateUp,
            Role::ExpertDown,
        ] {
            formats.set(role, Format::Q4);
        }
        formats
    }

    /// The format of a role.
    pub fn of(&self, role: Role) -> Format {
        self.0[role as usize]
    }

    /// Chooses a role's format.
    pub fn set(&mut self, role: Role, format: Format) {
        self.0[role as usize] = format;
    }

    /// In words: `q4; router f32, shared-gate f32`.
    pub fn describe(&self) -> String {
        let most = [Format::Q4, Format::Q8, Format::Bf16, Format::F32]
            .into_iter()
            .max_by_key(|format| self.0.iter().filter(|own| *own == format).count())
            .unwrap_or(Format::F32);
        let others: Vec<String> = Role::ALL
            .iter()
            .filter(|role| self.of(**role) != most)
            .map(|role| format!("{} {}", role.name(), format_name(self.of(*role))))
            .collect();
        if others.is_empty() {
            return format_name(most).to_owned();
        }
        format!("{}; {}", format_name(most), others.join(", "))
    }
}

/// A format's name in packed files and on the command line.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Bf16 => "bf16",
        Format::F32 => "f32",
        Format::Q8 => "q8",
        Format::Q4 => "q4",
    }
}

/// The format of that name.
pub fn format_named(name: &str) -> Option<Format> {
    [Format::Bf16, Format::F32, Format::Q8, Format::Q4]
        .into_iter()
        .find(|format| format_name(*format) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_own_place() {
        for (index, role) in Role::ALL.iter().enumerate() {
            assert_eq!(*role as usize, index);
        }
        let mut formats = Formats::new(Precision::Q4);
        assert_eq!(formats.describe(), "q4; router f32, shared-gate f32");
        formats.set(Role::Head, Format::Q8);
        assert_eq!(formats.of(Role::Head), Format::Q8);
        assert_eq!(formats.of(Role::Embedding), Format::Q4);
        assert!(formats.describe().contains("head q8"));
    }
}
