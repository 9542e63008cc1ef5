//! Sizes in bytes, as people write them.

/// `500MB`, `4GB`, `2GiB`, `8G`, or a plain number.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_lowercase().as_str() {
        "" | "b" => 1,
        "mb" | "m" => 1_000_000,
        "mib" => 1 << 20,
        "gb" | "g" => 1_000_000_000,
        "gib" => 1 << 30,
        _ => return Err(format!("`{text}` is no size; write 500MB or 4GB")),
    };
    digits
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|size| *size >= 1 << 20)
        .ok_or_else(|| format!("`{text}` is no size from 1 MiB on; write 500MB or 4GB"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse("4GB"), Ok(4_000_000_000));
        assert_eq!(parse("8G"), Ok(8_000_000_000));
        assert_eq!(parse("2GiB"), Ok(2 << 30));
        assert_eq!(parse("500mb"), Ok(500_000_000));
        for wrong in ["", "GB", "4TB", "-1GB", "1.5GB", "10", "99999999999999GB"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
