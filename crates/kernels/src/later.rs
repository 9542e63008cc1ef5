//! Memory that is wanted after the products that are being computed.
//!
//! Products of many rows compute more than they read, and what follows them reads more than it computes: the
//! recurrent states of many sequences. So products ask for the states while they compute, and the states are
//! then in the caches.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Cpu;
use crate::pool::End;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Places that are wanted later. Addresses only: asking for one does no harm when nothing is there any more.
#[derive(Debug, Default)]
pub(crate) struct Later {
    is_any: AtomicBool,
    wanted: Mutex<Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    /// Addresses, and lines from there on. Threads take them from the ends from which they will read.
    places: Vec<(usize, usize)>,
    /// Those that are left.
    left: Range<usize>,
}

/// Some lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    start: usize,
    count: usize,
}

impl Lines {
    /// Whether there are none.
    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Up to `count` addresses of them, which are then no longer among them.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize) -> impl Iterator<Item = *const u8> + use<> {
        let count = count.min(self.count);
        let start = self.start;
        self.start += count * LINE;
        self.count -= count;
        (0..count).map(move |line| std::ptr::without_provenance(start + line * LINE))
    }
}

impl Later {
    /// Up to `most` lines that nobody has asked for; none while another thread takes some.
    #[inline]
    pub(crate) fn some(&self, most: usize) -> Lines {
        if self.is_any.load(Ordering::Relaxed) {
            self.take(most)
        } else {
            Lines::default()
        }
    }

    #[inline(never)]
    fn take(&self, most: usize) -> Lines {
        let Ok(mut wanted) = self.wanted.try_lock() else {
            return Lines::default();
        };
        let Wanted { places, left } = &mut *wanted;
        let end = End::here();
        let place = match end {
            End::Front => left.start,
            End::Back => left.end.saturating_sub(1),
        };
        let Some((start, lines)) = places.get_mut(place).filter(|_| left.start < left.end) else {
            self.is_any.store(false, Ordering::Relaxed);
            return Lines::default();
        };
        let count = most.min(*lines);
        *lines -= count;
        let from = match end {
            End::Front => {
                *start += count * LINE;
                *start - count * LINE
            }
            End::Back => *start + *lines * LINE,
        };
        if *lines == 0 {
            match end {
                End::Front => left.start += 1,
                End::Back => left.end -= 1,
            }
        }
        Lines { start: from, count }
    }
}

impl Cpu {
    /// Says what is read after the next products, in order, instead of what was said before: products of many rows
    /// ask for it while they compute. It changes no result.
    pub fn read_later<'m>(&self, memory: impl Iterator<Item = &'m [f32]>) {
        let Ok(mut wanted) = self.later.wanted.lock() else {
            return;
        };
        wanted.places.clear();
        let places = memory.filter(|memory| !memory.is_empty());
        wanted
            .places
            .extend(places.map(|memory| (memory.as_ptr().addr(), size_of_val(memory).div_ceil(LINE))));
        wanted.left = 0..wanted.places.len();
        self.later
            .is_any
            .store(!wanted.places.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cpus;

    #[test]
    fn what_is_wanted_is_asked_for_once_and_in_order() {
        let cpus = cpus();
        let cpu = &cpus[0];
        assert_eq!(cpu.later.some(9).take(9).count(), 0);
        let (first, second) = (vec![0.0; 100], vec![0.0; 16]);
        cpu.read_later([&first[..], &[], &second[..]].into_iter());
        let mut found = Vec::new();
        for most in [3, 3, 3, 3, 3] {
            let mut lines = cpu.later.some(most);
            found.extend(lines.take(2).chain(lines.take(5)).map(<*const u8>::addr));
        }
        let start = first.as_ptr().addr();
        let expected = (0..7).map(|line| start + line * LINE);
        assert_eq!(
            found,
            expected.chain([second.as_ptr().addr()]).collect::<Vec<_>>()
        );
        cpu.read_later([&first[..]].into_iter());
        cpu.read_later(std::iter::empty());
        assert_eq!(cpu.later.some(9), Lines::default());
    }
}
