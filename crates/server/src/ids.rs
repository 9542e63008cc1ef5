//! Names of responses and calls.

/// Letters and digits of a name, behind its prefix.
const LENGTH: usize = 24;
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Letters of a name that people type.
const SHORT: usize = 10;

/// A name that nothing else has.
pub(crate) fn fresh(prefix: &str) -> String {
    named::<LENGTH>(prefix)
}

/// A name that is typed by people, of few things.
pub(crate) fn short() -> String {
    named::<SHORT>("")
}

fn named<const LENGTH: usize>(prefix: &str) -> String {
    let mut bytes = [0; LENGTH];
    // Without randomness names would repeat, which does less harm than no answer.
    let _ = getrandom::fill(&mut bytes);
    let letters = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    prefix.chars().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_differ() {
        let [first, second] = [super::fresh("call_"), super::fresh("call_")];
        assert!(first.starts_with("call_") && first.len() == 29 && first != second);
    }
}
