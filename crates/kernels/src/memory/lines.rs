//! Room for numbers that tiles and wide vectors read: it begins at a cache line, and grows.

/// Bytes of a cache line.
const LINE: usize = 64;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Bytes from a cache line on, zeros at first. They grow once and are used again.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// Makes room for so many bytes; what is there stays.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let lines = bytes.div_ceil(LINE);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0; LINE]));
        }
    }

    /// The first byte, as what is kept there.
    pub(crate) fn start<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }

    /// The same, to write there.
    pub(crate) fn start_mut<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_begin_at_a_line_and_keep_what_is_there() {
        let mut lines = Lines::default();
        lines.grow(65);
        // SAFETY: there are 128 bytes.
        unsafe { lines.start_mut::<u8>().add(64).write(7) };
        lines.grow(1 << 20);
        assert!(lines.start::<u8>().addr().is_multiple_of(LINE));
        // SAFETY: there are as many.
        let [first, last] = unsafe { [64, (1 << 20) - 1].map(|at| *lines.start::<u8>().add(at)) };
        assert_eq!((first, last), (7, 0));
    }
}
