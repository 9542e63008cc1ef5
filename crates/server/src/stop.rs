//! Texts that end an answer, found while it comes.

/// Looks for the first of some texts; holds back what may become one.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    texts: Vec<String>,
    held: String,
}

impl Stops {
    pub(crate) fn new(texts: Vec<String>) -> Self {
        Self {
            texts,
            held: String::new(),
        }
    }

    /// The text that is certainly before a stop, and the stop if one has come.
    pub(crate) fn push(&mut self, text: &str) -> (String, Option<String>) {
        if self.texts.is_empty() {
            return (text.to_owned(), None);
        }
        self.held.push_str(text);
        let found = self
            .texts
            .iter()
            .filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)));
        // The first to begin; of those that begin together, the shortest was whole first.
        if let Some((at, stop)) = found.min_by_key(|(at, stop)| (*at, stop.len())) {
            let stop = stop.clone();
            let before = self.held[..at].to_owned();
            self.held.clear();
            return (before, Some(stop));
        }
        let mut starts = self.held.char_indices().map(|(at, _)| at);
        let may_begin = |at: &usize| self.texts.iter().any(|stop| stop.starts_with(&self.held[*at..]));
        let keep = starts.find(may_begin).unwrap_or(self.held.len());
        let rest = self.held.split_off(keep);
        (std::mem::replace(&mut self.held, rest), None)
    }

    /// What was held back, when nothing more comes.
    pub(crate) fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], parts: &[&str]) -> (String, Option<String>) {
        let mut matcher = Stops::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut said = String::new();
        for part in parts {
            let (text, stop) = matcher.push(part);
            said += &text;
            if stop.is_some() {
                return (said, stop);
            }
        }
        (said + &matcher.flush(), None)
    }

    #[test]
    fn stops_are_found_across_pieces() {
        let found = |stop: &str| Some(stop.to_owned());
        assert_eq!(run(&["END"], &["a E", "N", "D b"]), ("a ".into(), found("END")));
        assert_eq!(run(&["END"], &["a EN", "d EN"]), ("a ENd EN".into(), None));
        assert_eq!(run(&["bcd", "c"], &["ab", "c"]), ("ab".into(), found("c")));
        assert_eq!(run(&["öö"], &["aö", "öb"]), ("a".into(), found("öö")));
        assert_eq!(run(&[], &["a", "b"]), ("ab".into(), None));
        assert_eq!(run(&["aab"], &["aa", "ab"]), ("a".into(), found("aab")));
    }

    #[test]
    fn what_cannot_become_a_stop_is_not_held() {
        let mut matcher = Stops::new(vec!["###".to_owned()]);
        assert_eq!(matcher.push("ab#c##").0, "ab#c");
        assert_eq!(matcher.push("x").0, "##x");
    }
}
