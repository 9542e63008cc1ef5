//! The state of one sequence between calls.

/// Everything that the network remembers of the tokens it has seen: keys and values, recurrent
/// states, convolution histories, and where the next position is. A plain value: it can be kept,
/// copied and gone back to.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    len: usize,
}

/// A sequence's state at some moment.
#[derive(Clone, Debug)]
pub struct Snapshot(Sequence);

impl Sequence {
    /// Tokens seen.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token was seen.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.clone())
    }

    /// Goes back to `snapshot`, which may come from another sequence of the same model.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        *self = snapshot.0.clone();
    }

    /// A second sequence with the same past.
    pub fn fork(&self) -> Self {
        self.clone()
    }
}
