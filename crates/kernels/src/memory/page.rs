//! Memory of what a sequence keeps: pages of keys and values, recurrent states. Many of one size, taken and given
//! back one by one.
//!
//! A page of keys and values has some 100 KiB, a state 1 MiB, and a step reads all of them. Those of one size share
//! slabs of a huge page each, and a slab is given back to the system with its last page.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Chunk, HUGE_PAGE};

/// Pages of a slab at most: one bit each.
const MOST: usize = u32::BITS as usize;

/// f32 words of a page, in a huge page with others where the system has them.
#[derive(Debug)]
pub struct Page {
    start: NonNull<f32>,
    len: usize,
    slab: Arc<Slab>,
    /// Its place in the slab.
    place: u32,
}

// SAFETY: a page owns its place in a slab like a Box<[f32]>.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let page = Self::uninitialised(len);
        // SAFETY: the place has room for `len` f32, and is this page's alone.
        unsafe { page.start.write_bytes(0, len) };
        page
    }

    fn uninitialised(len: usize) -> Self {
        let bytes = (len * size_of::<f32>())
            .next_multiple_of(super::ALIGN)
            .max(super::ALIGN);
        let (slab, place) = Slab::place(bytes);
        // SAFETY: the place lies inside the slab.
        let start = unsafe { slab.memory.start.add(place as usize * bytes) }.cast();
        Self {
            start,
            len,
            slab,
            place,
        }
    }

    /// To read.
    pub fn words(&self) -> &[f32] {
        // SAFETY: initialised by whoever made it, and nobody else's.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// To write.
    pub fn words_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Clone for Page {
    fn clone(&self) -> Self {
        let copy = Self::uninitialised(self.len);
        // SAFETY: both have `len` words, and lie apart.
        unsafe { copy.start.copy_from_nonoverlapping(self.start, self.len) };
        copy
    }

    /// Keeps the memory that it has.
    fn clone_from(&mut self, source: &Self) {
        if self.len == source.len {
            self.copy_from_slice(source);
        } else {
            *self = source.clone();
        }
    }
}

impl Deref for Page {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.words()
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.words_mut()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.slab.give_back(self.place);
    }
}

/// Memory of some pages of one size.
#[derive(Debug)]
struct Slab {
    memory: Chunk,
    /// Bytes of a page.
    bytes: usize,
    /// A bit of every place that nobody has.
    free: Mutex<u32>,
}

/// Slabs with free places.
static OPEN: Mutex<Vec<Weak<Slab>>> = Mutex::new(Vec::new());

impl Slab {
    /// A place of so many bytes (not 0) that nobody has.
    fn place(bytes: usize) -> (Arc<Self>, u32) {
        // Pages that are smaller still are of small models, whose memory should stay small.
        let places = match HUGE_PAGE / bytes {
            few @ 1..=MOST => few,
            _ => 1,
        };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|slab| slab.strong_count() > 0);
        let of_this_size = |slab: &Weak<Self>| slab.upgrade().filter(|slab| slab.bytes == bytes);
        let found = open
            .iter()
            .enumerate()
            .find_map(|(at, slab)| Some((at, of_this_size(slab)?)));
        let (at, slab) = found.unwrap_or_else(|| {
            let memory = if bytes * places == HUGE_PAGE || places > 1 {
                Chunk::aligned(HUGE_PAGE, HUGE_PAGE)
            } else {
                Chunk::aligned(bytes, super::ALIGN)
            };
            let all = u32::MAX >> (MOST - places);
            let slab = Arc::new(Self {
                memory,
                bytes,
                free: Mutex::new(all),
            });
            open.push(Arc::downgrade(&slab));
            (open.len() - 1, slab)
        });
        let mut free = slab.free.lock().unwrap_or_else(PoisonError::into_inner);
        let place = free.trailing_zeros();
        *free &= *free - 1;
        if *free == 0 {
            open.swap_remove(at);
        }
        drop(free);
        (slab, place)
    }

    fn give_back(self: &Arc<Self>, place: u32) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if *free == 0 {
            open.push(Arc::downgrade(self));
        }
        *free |= 1 << place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that no other test takes.
    const WORDS: usize = 33 << 10;

    #[test]
    fn pages_lie_apart_in_slabs_and_places_are_used_again() {
        let mut pages: Vec<Page> = (0..40).map(|_| Page::zeroed(WORDS)).collect();
        for (number, page) in pages.iter_mut().enumerate() {
            assert!(page.words().iter().all(|word| *word == 0.0));
            page.words_mut().fill(number as f32);
        }
        let slabs = |pages: &[Page]| {
            let mut slabs: Vec<*const Slab> = pages.iter().map(|page| Arc::as_ptr(&page.slab)).collect();
            slabs.sort_unstable();
            slabs.dedup();
            slabs.len()
        };
        // 15 pages of 132 KiB to a slab.
        assert_eq!(slabs(&pages), 3);
        let mut kept: Vec<Page> = pages.into_iter().step_by(2).collect();
        let copies: Vec<Page> = kept.clone();
        kept.extend(copies);
        assert_eq!(slabs(&kept), 3);
        for (number, page) in kept.iter().enumerate() {
            let expected = (2 * (number % 20)) as f32;
            assert!(page.words().iter().all(|word| *word == expected));
        }
        // A place that was in use comes back as zeros.
        drop(kept.drain(..20));
        assert!((0..20).all(|_| Page::zeroed(WORDS).words().iter().all(|word| *word == 0.0)));
    }

    #[test]
    fn a_copy_keeps_its_memory_where_it_fits() {
        let mut page = Page::zeroed(100);
        let (mut same, mut other) = (Page::zeroed(100), Page::zeroed(7));
        same.fill(3.0);
        other.fill(4.0);
        let place = page.as_ptr();
        page.clone_from(&same);
        assert!(page.as_ptr() == place && page[..] == [3.0; 100]);
        page.clone_from(&other);
        assert_eq!(page[..], [4.0; 7]);
    }

    #[test]
    fn small_and_large_pages_have_memory_of_their_own() {
        for words in [0, 1, 100, HUGE_PAGE / 4 + 1] {
            let (mut one, two) = (Page::zeroed(words), Page::zeroed(words));
            one.words_mut().fill(1.0);
            assert_eq!(two.words().len(), words);
            assert!(two.words().iter().all(|word| *word == 0.0));
            assert!(!Arc::ptr_eq(&one.slab, &two.slab));
        }
    }

    #[test]
    fn threads_take_and_give_back_side_by_side() {
        std::thread::scope(|scope| {
            for thread in 0..4_u16 {
                scope.spawn(move || {
                    for round in 0..50_u16 {
                        let mut pages: Vec<Page> = (0..20).map(|_| Page::zeroed(34 << 10)).collect();
                        let mark = f32::from(thread * 50 + round);
                        for page in &mut pages {
                            page.words_mut()[round as usize] = mark;
                        }
                        assert!(pages.iter().all(|page| page.words()[round as usize] == mark));
                    }
                });
            }
        });
    }
}
