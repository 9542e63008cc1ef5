//! Memory for weights: aligned, and in huge pages where the system has them.
//!
//! Decode is bound by memory reads; in 4 KiB pages a third of the bandwidth goes to page walks. A huge
//! page has 2 MiB, and an expert's matrix often less: buffers share large chunks, one behind the other, so that
//! small ones lie in huge pages too and large ones do not round up to them.
//!
//! What is too large for memory stays in its file and is read into slots: page-aligned places that are made
//! once and hold one matrix after another.

mod floats;
mod lines;
mod page;

pub use floats::Floats;
pub(crate) use lines::Lines;
pub use page::Page;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where buffers begin: at two cache lines, which processors fetch together.
const ALIGN: usize = 128;
const HUGE_PAGE: usize = 2 << 20;
/// What files are read in without a copy by the system.
const PAGE: usize = 4096;
/// Bytes that buffers share. Memory that none has touched yet is not taken from the system.
const CHUNK: usize = 64 << 20;
/// Smaller buffers have memory of their own, so that none of them keeps a chunk.
const SHARED_FROM: usize = 16 << 10;

/// Numbers without padding for which all bit patterns, zero included, are values.
pub(crate) trait Plain: Copy + Send + Sync + 'static {}
impl Plain for f32 {}
impl Plain for u16 {}
impl Plain for u8 {}
impl Plain for i8 {}

/// A fixed number of elements, from a multiple of two cache lines on.
pub(crate) struct Buffer<T: Plain> {
    start: NonNull<T>,
    len: usize,
    home: Home,
    elements: PhantomData<T>,
}

/// What a buffer's start points into, and what it keeps.
enum Home {
    /// No elements.
    Nowhere,
    /// Its own part of a chunk.
    Chunk { _chunk: Arc<Chunk> },
    /// The same, with `room` bytes from the buffer's start on that belong to it and to the buffers of
    /// `room` 0 inside.
    Slot { _chunk: Arc<Chunk>, room: usize },
}

// SAFETY: the buffer owns its part of a chunk like a Box<[T]>, and T is Send and Sync.
unsafe impl<T: Plain> Send for Buffer<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Buffer<T> {}

impl<T: Plain> Buffer<T> {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        // SAFETY: `bytes` bytes at `start` belong to the new buffer alone.
        Self::new(len, |start, bytes| unsafe { start.write_bytes(0, bytes) })
    }

    /// The elements' bytes, copied. What is beyond whole elements is left out.
    pub(crate) fn from_bytes(source: &[u8]) -> Self {
        Self::new(source.len() / size_of::<T>(), |start, bytes| {
            // SAFETY: `bytes` bytes at `start` belong to the new buffer alone, and `source` has as many.
            unsafe { source.as_ptr().copy_to_nonoverlapping(start, bytes) }
        })
    }

    /// `fill` is given the start and the number of the bytes, and must write them all.
    fn new(len: usize, fill: impl FnOnce(*mut u8, usize)) -> Self {
        if len == 0 || size_of::<T>() == 0 {
            return Self::empty();
        }
        let bytes = len.saturating_mul(size_of::<T>());
        let (start, chunk) = take(bytes);
        fill(start.as_ptr(), bytes);
        Self {
            start: start.cast(),
            len,
            home: Home::Chunk { _chunk: chunk },
            elements: PhantomData,
        }
    }

    fn empty() -> Self {
        Self {
            start: NonNull::dangling(),
            len: 0,
            home: Home::Nowhere,
            elements: PhantomData,
        }
    }

    /// All bytes of a slot from its first buffer on; `None` for a buffer that begins none.
    ///
    /// # Safety
    /// While they are borrowed the slot's other buffers are not.
    pub(crate) unsafe fn room(&mut self) -> Option<&mut [u8]> {
        match self.home {
            Home::Slot { room, .. } if room > 0 => {
                let start = self.start.as_ptr().cast();
                // SAFETY: initialised by `slots`, the slot's own, and the caller sees to the rest.
                Some(unsafe { std::slice::from_raw_parts_mut(start, room) })
            }
            _ => None,
        }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: `len` initialised elements that this buffer owns (dangling, aligned when 0).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: plain numbers without padding that this buffer owns.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len * size_of::<T>()) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> Default for Buffer<T> {
    /// No elements.
    fn default() -> Self {
        Self::empty()
    }
}

/// Memory for `count` slots of two buffers, one directly behind the other: zeros. Slots begin and end
/// at multiples of [`PAGE`], so that files can be read into them without a copy. `None` when they are larger than
/// memory can be, or a second buffer would not be aligned.
pub(crate) fn slots<A: Plain, B: Plain>(
    count: usize,
    first_bytes: usize,
    second_bytes: usize,
) -> Option<Vec<(Buffer<A>, Buffer<B>)>> {
    let room = first_bytes
        .checked_add(second_bytes)?
        .checked_next_multiple_of(PAGE)?;
    let bytes = room
        .checked_mul(count)
        .filter(|bytes| *bytes < isize::MAX as usize / 2)?;
    let whole = first_bytes.is_multiple_of(size_of::<A>()) && second_bytes.is_multiple_of(size_of::<B>());
    if !whole || !first_bytes.is_multiple_of(align_of::<B>()) || first_bytes == 0 {
        return None;
    }
    if bytes == 0 {
        return Some(Vec::new());
    }
    let chunk = Arc::new(Chunk::aligned(bytes, PAGE));
    // SAFETY: all of the new chunk, which nobody else has yet. Touched here, so that memory that is not there is
    // missed before anything is computed.
    unsafe { chunk.start.write_bytes(0, bytes) };
    let slot = |number: usize| {
        // SAFETY: both lie inside the chunk.
        let (first, second) = unsafe {
            let first = chunk.start.add(number * room);
            (first, first.add(first_bytes))
        };
        let first = Buffer::<A> {
            start: first.cast(),
            len: first_bytes / size_of::<A>(),
            home: Home::Slot {
                _chunk: Arc::clone(&chunk),
                room,
            },
            elements: PhantomData,
        };
        let second = Buffer::<B> {
            start: second.cast(),
            len: second_bytes / size_of::<B>(),
            home: Home::Slot {
                _chunk: Arc::clone(&chunk),
                room: 0,
            },
            elements: PhantomData,
        };
        (first, second)
    };
    Some((0..count).map(slot).collect())
}

/// Memory of one or more buffers, given back when the last of them is gone.
#[derive(Debug)]
struct Chunk {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the chunk owns its memory and does nothing with it but give it back.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// Memory without contents.
    fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self::aligned(bytes, ALIGN))
    }

    /// The same, from a multiple of `align` at least on.
    fn aligned(bytes: usize, align: usize) -> Self {
        let align = if bytes >= 2 * HUGE_PAGE { HUGE_PAGE } else { align };
        let Ok(layout) = Layout::from_size_align(bytes, align) else {
            handle_alloc_error(Layout::new::<u8>())
        };
        // SAFETY: nobody asks for 0 bytes.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        if align == HUGE_PAGE {
            advise_huge_pages(start, bytes);
        }
        Self { start, layout }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// The chunk that is being filled, and the bytes of it that are taken.
static OPEN: Mutex<(Weak<Chunk>, usize)> = Mutex::new((Weak::new(), 0));

/// `bytes` bytes (not 0) that nobody else has, without contents.
fn take(bytes: usize) -> (NonNull<u8>, Arc<Chunk>) {
    if !(SHARED_FROM..=CHUNK / 2).contains(&bytes) {
        let chunk = Chunk::new(bytes);
        return (chunk.start, chunk);
    }
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let chunk = match open.0.upgrade() {
        Some(chunk) if open.1 + bytes <= CHUNK => chunk,
        _ => {
            let chunk = Chunk::new(CHUNK);
            *open = (Arc::downgrade(&chunk), 0);
            chunk
        }
    };
    // SAFETY: `open.1 + bytes` bytes lie inside the chunk.
    let start = unsafe { chunk.start.add(open.1) };
    open.1 += bytes.next_multiple_of(ALIGN);
    (start, chunk)
}

/// Makes a buffer hold `len` elements at least, zeros where there were none, in huge pages where it is large and the
/// system has them. No more than that is taken.
pub fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() >= len {
        return;
    }
    buffer.reserve_exact(len - buffer.len());
    let spare = buffer.spare_capacity_mut();
    // The system wants whole pages of its own.
    let skip = spare.as_ptr().addr().next_multiple_of(PAGE) - spare.as_ptr().addr();
    let bytes = size_of_val(spare).saturating_sub(skip) / PAGE * PAGE;
    if bytes >= 2 * HUGE_PAGE
        && let Some(start) = NonNull::new(spare.as_mut_ptr().cast::<u8>().wrapping_add(skip))
    {
        advise_huge_pages(start, bytes);
    }
    buffer.resize(len, 0.0);
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: i32) -> i32;
}

#[cfg(target_os = "linux")]
fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    // SAFETY: the range is ours; the advice changes no contents, and its failure costs speed only.
    let _ = unsafe { madvise(start.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_apart() {
        let sizes = [0, 1, 15, 4096, 4097, 1 << 18, (1 << 18) + 1, 3 << 18, 9 << 20];
        let mut buffers: Vec<Buffer<f32>> = sizes.iter().map(|&len| Buffer::zeroed(len)).collect();
        for (number, buffer) in buffers.iter_mut().enumerate() {
            assert_eq!(buffer.as_slice().len(), sizes[number]);
            assert!(buffer.as_slice().iter().all(|x| *x == 0.0));
            assert!(buffer.len == 0 || buffer.start.addr().get() % ALIGN == 0);
            buffer.as_mut_slice().fill(number as f32);
        }
        // Memory of buffers that are gone comes back as zeros.
        buffers.remove(6);
        buffers.insert(6, Buffer::zeroed(sizes[6]));
        for (number, buffer) in buffers.iter().enumerate() {
            let expected = if number == 6 { 0.0 } else { number as f32 };
            assert!(buffer.as_slice().iter().all(|x| *x == expected));
        }
    }

    #[test]
    fn small_matrices_share_a_chunk_that_goes_with_them() {
        // Many more bytes than a chunk has, and threads that take them side by side.
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                scope.spawn(move || {
                    let bytes = vec![thread; 1 << 20];
                    let buffers: Vec<Buffer<u8>> = (0..40).map(|_| Buffer::from_bytes(&bytes)).collect();
                    assert!(buffers.iter().all(|buffer| buffer.as_slice() == bytes));
                });
            }
        });
    }

    #[test]
    fn bytes_beyond_whole_elements_are_left_out() {
        let buffer = Buffer::<u16>::from_bytes(&[1, 2, 3]);
        assert_eq!(
            (buffer.as_slice(), buffer.as_bytes()),
            (&[0x0201_u16][..], &[1, 2][..])
        );
    }

    #[test]
    fn slots_lie_apart_and_their_buffers_together() {
        let mut slots = slots::<u8, u16>(3, 6000, 300).unwrap();
        for (number, (first, second)) in slots.iter_mut().enumerate() {
            assert_eq!(first.as_bytes().as_ptr().addr() % PAGE, 0);
            assert_eq!((first.as_slice().len(), second.as_slice().len()), (6000, 150));
            // SAFETY: no buffer of the slot is borrowed.
            let room = unsafe { first.room() }.unwrap();
            assert_eq!(room.len(), 2 * PAGE);
            assert!(room.iter().all(|byte| *byte == 0));
            room.fill(number as u8 + 1);
            // SAFETY: as above.
            assert!(unsafe { second.room() }.is_none());
        }
        for (number, (first, second)) in slots.iter().enumerate() {
            let bytes = [first.as_bytes(), second.as_bytes()].concat();
            assert!(bytes.iter().all(|byte| *byte == number as u8 + 1));
        }
        assert!(super::slots::<u8, u16>(1, 5, 2).is_none());
        assert!(super::slots::<u8, u16>(1, 6, 3).is_none());
        assert!(super::slots::<u8, u8>(2, usize::MAX / 2, 0).is_none());
        assert!(super::slots::<f32, u8>(0, 8, 0).unwrap().is_empty());
        let mut alone = Buffer::<u8>::zeroed(8);
        // SAFETY: as above.
        assert!(unsafe { alone.room() }.is_none());
    }
}
