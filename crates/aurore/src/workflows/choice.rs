//! Which families of goals.

use aurore_apps::{Family, Suite};

use crate::failure::hinted;

/// Which apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SuiteChoice {
    /// Flights, hotels, calendar.
    Journey,
    /// Stock, suppliers, shipping.
    SupplyChain,
}

impl SuiteChoice {
    fn suite(self) -> Suite {
        match self {
            Self::Journey => Suite::Journey,
            Self::SupplyChain => Suite::SupplyChain,
        }
    }
}

/// The families of these names and of this suite; all names if there is none, or `all`.
///
/// # Errors
/// When a name is unknown, or nothing is left.
pub fn families(names: &[&str], suite: Option<SuiteChoice>) -> anyhow::Result<Vec<Family>> {
    let known: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
    for name in names.iter().filter(|name| **name != "all") {
        if Family::named(name).is_none() {
            return Err(hinted(
                format!("there is no family of goals `{name}`"),
                format!("there are: {}", known.join(", ")),
            ));
        }
    }
    let all = names.is_empty() || names.contains(&"all");
    let chosen: Vec<Family> = Family::ALL
        .into_iter()
        .filter(|family| all || names.contains(&family.name()))
        .filter(|family| suite.is_none_or(|suite| family.suite() == suite.suite()))
        .collect();
    if chosen.is_empty() {
        return Err(hinted(
            "the suite has none of these families of goals",
            "name the other suite, or no suite at all",
        ));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_chosen_by_name_and_suite() {
        let chosen = |names: &[&str], suite| families(names, suite).map(|found| found.len()).ok();
        assert_eq!(chosen(&[], None), Some(12));
        assert_eq!(chosen(&["all"], Some(SuiteChoice::Journey)), Some(6));
        assert_eq!(chosen(&["trip", "day"], None), Some(2));
        assert_eq!(chosen(&["trip"], Some(SuiteChoice::SupplyChain)), None);
        assert_eq!(chosen(&["nothing"], None), None);
    }
}
