//! Official tensor names, whatever a file calls them.

/// The official name for a name in a file: text-only checkpoints write `model.layers.…`, some
/// fine-tunes `visual.…`.
pub(crate) fn official(name: &str) -> String {
    const OFFICIAL: [&str; 4] = ["model.language_model.", "model.visual.", "lm_head.", "mtp."];
    if OFFICIAL.iter().any(|prefix| name.starts_with(prefix)) {
        return name.to_owned();
    }
    for (prefix, replacement) in [
        ("visual.", "model.visual."),
        ("language_model.model.", "model.language_model."),
        ("language_model.lm_head.", "lm_head."),
        ("model.", "model.language_model."),
    ] {
        if let Some(rest) = name.strip_prefix(prefix) {
            return format!("{replacement}{rest}");
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::official;

    #[test]
    fn other_writers_names_become_official() {
        for (stored, expected) in [
            (
                "model.language_model.norm.weight",
                "model.language_model.norm.weight",
            ),
            ("model.norm.weight", "model.language_model.norm.weight"),
            (
                "model.layers.3.mlp.gate.weight",
                "model.language_model.layers.3.mlp.gate.weight",
            ),
            ("visual.merger.norm.bias", "model.visual.merger.norm.bias"),
            ("lm_head.weight", "lm_head.weight"),
            ("mtp.norm.weight", "mtp.norm.weight"),
            ("something.else", "something.else"),
        ] {
            assert_eq!(official(stored), expected);
        }
    }
}
