//! Guesses at what comes next, which the network checks several at a time: a step reads all weights whether it feeds one
//! token or a few. Nothing but the speed depends on them.
//!
//! An answer that quotes, corrects or repeats says again what stands in its prompt or in itself. Where its last tokens
//! stood before, what followed them then is the guess (prompt lookup decoding). Whoever asks may also say what the answer
//! will be for the most part.

use aurore_checkpoint::Ffn;
use aurore_model::Model;

/// Tokens that must have stood before for what followed them to be a guess: where a wrong one costs an eighth of a step.
const FEW: usize = 3;
/// The same where tokens go to experts of their own: a wrong guess reads other weights, which takes a third of a step.
const SOME: usize = 6;
/// Tokens that are compared: what stood so long alike is the same text.
const MOST: usize = 12;
/// Drafts of the first step that has any.
const FIRST: usize = 3;
/// Longest pause after guesses that were wrong, in steps.
const LONGEST_PAUSE: u32 = 32;

/// Guesses for one answer, and how far they were right of late.
#[derive(Debug, Clone)]
pub(crate) struct Drafting {
    /// Tokens that must have stood before; nothing is guessed if absent.
    least: Option<usize>,
    /// Drafts of the next step at most.
    length: usize,
    /// Steps with drafts in a row of which the first was wrong.
    misses: u32,
    /// Steps to be taken without.
    pause: u32,
    /// Whether the last step's drafts were guesses.
    guessed: bool,
}

impl Drafting {
    /// For an answer of a network.
    pub(crate) fn new(model: &Model) -> Self {
        Self::behind(match model.config().text.ffn {
            // What a wrong guess goes to would be read from the disk, in the place of something that is needed.
            Ffn::Moe { .. } if model.expert_stats().is_some() => None,
            Ffn::Moe { .. } => Some(SOME),
            Ffn::Dense { .. } => Some(FEW),
        })
    }

    fn behind(least: Option<usize>) -> Self {
        Self {
            least,
            length: FIRST,
            misses: 0,
            pause: 0,
            guessed: false,
        }
    }

    /// Adds to `step` what will follow, at most `most` tokens: nothing is learnt from that.
    pub(crate) fn know(&mut self, next: &[u32], most: usize, step: &mut Vec<u32>) {
        self.guessed = false;
        step.extend(next.iter().take(most));
    }

    /// Adds to `step` what may follow `said`, at most `most` tokens, and fewer while guesses are wrong.
    pub(crate) fn guess(&mut self, said: Said<'_>, most: usize, step: &mut Vec<u32>) {
        self.guessed = false;
        let Some(least) = self.least.filter(|_| most > 0) else {
            return;
        };
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        if let Some(followed) = said.what_followed(least) {
            self.guessed = true;
            step.extend(followed.into_iter().flatten().take(self.length.min(most)));
        }
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

/// What an answer may repeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) prompt: &'a [u32],
    /// What whoever asks says that the answer will be.
    pub(crate) prediction: &'a [u32],
    /// The answer so far.
    pub(crate) answer: &'a [u32],
}

impl<'a> Said<'a> {
    /// What followed where the same tokens stood before as at the answer's end, in two pieces: behind the longest piece
    /// that is alike, of at least so many tokens, of equals in the answer, then in the prediction, then in the prompt, the last
    /// one of each.
    fn what_followed(self, least: usize) -> Option<[&'a [u32]; 2]> {
        let Self {
            prompt,
            prediction,
            answer,
        } = self;
        let mut end: Vec<u32> = answer.iter().rev().take(MOST).copied().collect();
        let before = MOST - end.len();
        end.extend(prompt.iter().rev().take(before));
        end.reverse();
        let last = end.last()?;
        let (mut most, mut best) = (least.max(1) - 1, None);
        // Pieces that lie across the border of prompt and answer are not looked for: there are few.
        for (text, then) in [(answer, &[][..]), (prediction, &[]), (prompt, answer)] {
            let places = text.iter().enumerate().rev();
            for (place, _) in places.filter(|(_, id)| *id == last) {
                let (before, after) = text.split_at(place + 1);
                if after.is_empty() && then.is_empty() {
                    continue;
                }
                let pairs = before.iter().rev().zip(end.iter().rev());
                let alike = pairs.take_while(|(a, b)| a == b).count();
                if alike > most {
                    (most, best) = (alike, Some([after, then]));
                }
                if alike == MOST {
                    return best;
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u32; 0] = [];

    fn guess(prompt: &[u32], answer: &[u32], most: usize) -> Vec<u32> {
        let mut step = Vec::new();
        let said = Said {
            prompt,
            prediction: &[],
            answer,
        };
        Drafting::behind(Some(FEW)).guess(said, most, &mut step);
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
        assert_eq!(
            guess(&prompt, &[6, 1, 2, 3, 70, 5, 1, 2, 3], 1),
            [70],
            "the answer's own"
        );
        assert_eq!(guess(&prompt, &[5, 1, 2, 3, 70, 6, 1, 2, 3], 1), [60]);
    }

    #[test]
    fn where_it_costs_more_more_must_be_alike() {
        let text = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        for (least, answer, expected) in [
            (Some(SOME), &[3, 4, 5, 6, 7][..], &[][..]),
            (Some(SOME), &[2, 3, 4, 5, 6, 7], &[8, 9]),
            (None, &[2, 3, 4, 5, 6, 7], &[]),
        ] {
            let mut step = Vec::new();
            let said = Said {
                prompt: &text,
                prediction: &[],
                answer,
            };
            Drafting::behind(least).guess(said, 2, &mut step);
            assert_eq!(step, expected);
        }
    }

    #[test]
    fn a_prediction_counts_before_the_prompt() {
        let mut step = Vec::new();
        let said = Said {
            prompt: &[1, 2, 3, 4, 5],
            prediction: &[9, 1, 2, 3, 6],
            answer: &[1, 2, 3],
        };
        Drafting::behind(Some(FEW)).guess(said, 7, &mut step);
        assert_eq!(step, [6], "and ends where it ends");
    }

    #[test]
    fn wrong_guesses_make_it_careful_and_right_ones_bold() {
        let text: Vec<u32> = (0..30).chain(0..5).collect();
        let mut drafting = Drafting::behind(Some(FEW));
        let drafts = |drafting: &mut Drafting| {
            let mut step = Vec::new();
            let said = Said {
                prompt: &text,
                prediction: &[],
                answer: &[],
            };
            drafting.guess(said, 7, &mut step);
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
