//! Guesses at what comes next, which the network checks several at a time: a step reads all weights whether it feeds one
//! token or a few. Nothing but the speed depends on them.
//!
//! An answer that quotes, corrects or repeats says again what stands in its prompt or in itself. Where its last tokens
//! stood before, what followed them then is the guess (prompt lookup decoding).

/// Tokens that must have stood before for what followed them to be a guess.
const FEWEST: usize = 3;
/// Tokens that are compared: what stood so long alike is the same text.
const MOST: usize = 12;
/// Drafts of the first step that has any.
const FIRST: usize = 3;
/// Longest pause after guesses that were wrong, in steps.
const LONGEST_PAUSE: u32 = 32;

/// Guesses for one answer, and how far they were right of late.
#[derive(Debug, Clone)]
pub(crate) struct Drafting {
    /// Drafts of the next step at most.
    length: usize,
    /// Steps with drafts in a row of which the first was wrong.
    misses: u32,
    /// Steps to be taken without.
    pause: u32,
    /// Whether the last step's drafts were guesses.
    guessed: bool,
}

impl Default for Drafting {
    fn default() -> Self {
        Self {
            length: FIRST,
            misses: 0,
            pause: 0,
            guessed: false,
        }
    }
}

impl Drafting {
    /// Adds to `step` what will follow, at most `most` tokens: nothing is learnt from that.
    pub(crate) fn know(&mut self, next: &[u32], most: usize, step: &mut Vec<u32>) {
        self.guessed = false;
        step.extend(next.iter().take(most));
    }

    /// Adds to `step` what may follow `prompt` and `answer`, at most `most` tokens, and fewer while guesses are wrong.
    pub(crate) fn guess(&mut self, prompt: &[u32], answer: &[u32], most: usize, step: &mut Vec<u32>) {
        self.guessed = false;
        if most == 0 {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        let Some(place) = place_of_the_like(prompt, answer) else {
            return;
        };
        let (read, written) = (prompt.len(), answer.len());
        let prompt = prompt.iter().skip(place);
        let text = prompt.chain(answer.iter().skip(place.saturating_sub(read)));
        debug_assert!(place < read + written, "something followed");
        self.guessed = true;
        step.extend(text.take(self.length.min(most)));
    }

    /// Learns how many of so many drafts were right.
    pub(crate) fn were_right(&mut self, right: usize, drafts: usize) {
        match right {
            _ if drafts == 0 || !self.guessed => {}
            0 => {
                self.misses += 1;
                self.length = 1;
                // The first miss is forgiven.
                self.pause = (1u32 << self.misses.min(8)).min(LONGEST_PAUSE) - 2;
            }
            _ if right < drafts => {
                self.misses = 0;
                self.length = right;
            }
            _ => {
                self.misses = 0;
                self.length = (self.length * 2).min(MOST);
            }
        }
    }
}

/// Where in `prompt` and `answer`, one behind the other, a token stands that follows the same tokens as the next one
/// will: behind the longest piece that is like their end, the last one of equals.
fn place_of_the_like(prompt: &[u32], answer: &[u32]) -> Option<usize> {
    let mut end: Vec<u32> = answer.iter().rev().take(MOST).copied().collect();
    let before = MOST - end.len();
    end.extend(prompt.iter().rev().take(before));
    let end: Vec<u32> = end.into_iter().rev().collect();
    let key = end.last_chunk::<FEWEST>()?;
    let mut best: Option<(usize, usize)> = None;
    // Pieces across the border are not looked for: there is one of each length.
    for (text, offset) in [(answer, prompt.len()), (prompt, 0)] {
        for (start, piece) in text.array_windows::<FEWEST>().enumerate().rev() {
            let place = start + FEWEST;
            if piece != key || offset + place >= prompt.len() + answer.len() {
                continue;
            }
            let alike = text[..place].iter().rev().zip(end.iter().rev());
            let alike = alike.take_while(|(a, b)| a == b).count();
            if best.is_none_or(|(most, _)| alike > most) {
                best = Some((alike, offset + place));
            }
            if alike == MOST {
                break;
            }
        }
    }
    best.map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u32; 0] = [];

    fn guess(prompt: &[u32], answer: &[u32], most: usize) -> Vec<u32> {
        let mut step = Vec::new();
        Drafting::default().guess(prompt, answer, most, &mut step);
        step
    }

    #[test]
    fn what_followed_the_same_tokens_is_the_guess() {
        let prompt = [9, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(guess(&prompt, &[1, 2, 3], 7), [4, 5, 6]);
        assert_eq!(guess(&prompt, &[1, 2, 3], 2), [4, 5]);
        assert_eq!(guess(&prompt, &[1, 2, 3], 0), NONE);
        assert_eq!(guess(&prompt, &[8, 2, 3], 7), NONE, "two alike are not enough");
        assert_eq!(guess(&prompt, &[], 7), NONE);
        assert_eq!(guess(&[1, 2, 3, 4, 1, 2, 3], &[], 7), [4, 1, 2]);
        assert_eq!(guess(&[], &[5, 6, 7, 8, 5, 6, 7], 7), [8, 5, 6]);
        assert_eq!(guess(&[], &[4, 4, 4, 4], 7), [4], "it may follow at once");
        // The prompt's last tokens are followed by the answer's first.
        assert_eq!(guess(&[1, 2, 3], &[4, 5, 1, 2, 3], 7), [4, 5, 1]);
    }

    #[test]
    fn of_several_places_the_one_that_is_longest_alike_counts_then_the_last() {
        let prompt = [7, 1, 2, 3, 40, 8, 1, 2, 3, 50, 6, 1, 2, 3, 60];
        assert_eq!(guess(&prompt, &[8, 1, 2, 3], 1), [50]);
        assert_eq!(guess(&prompt, &[5, 1, 2, 3], 1), [60]);
        assert_eq!(guess(&prompt, &[6, 1, 2, 3, 70, 5, 1, 2, 3], 1), [70], "the answer's own");
        assert_eq!(guess(&prompt, &[5, 1, 2, 3, 70, 6, 1, 2, 3], 1), [60]);
    }

    #[test]
    fn wrong_guesses_make_it_careful_and_right_ones_bold() {
        let text: Vec<u32> = (0..30).chain(0..5).collect();
        let mut drafting = Drafting::default();
        let drafts = |drafting: &mut Drafting| {
            let mut step = Vec::new();
            drafting.guess(&text, &[], 7, &mut step);
            step.len()
        };
        assert_eq!(drafts(&mut drafting), 3);
        drafting.were_right(3, 3);
        assert_eq!(drafts(&mut drafting), 6);
        drafting.were_right(6, 6);
        assert_eq!(drafts(&mut drafting), 7);
        drafting.were_right(2, 7);
        assert_eq!(drafts(&mut drafting), 2);
        drafting.were_right(0, 2);
        assert_eq!(drafts(&mut drafting), 1, "once is forgiven");
        drafting.were_right(0, 1);
        assert_eq!([(); 3].map(|()| drafts(&mut drafting)), [0, 0, 1]);
        for _ in 0..40 {
            drafting.were_right(0, 1);
        }
        let waits = (0..100).take_while(|_| drafts(&mut drafting) == 0).count();
        assert_eq!(waits, 30, "it tries again now and then");
        drafting.were_right(1, 1);
        assert_eq!(drafts(&mut drafting), 2);
    }
}
