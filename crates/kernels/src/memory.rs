//! Memory for weights: aligned, and in huge pages where the system has them.
//!
//! Decode is bound by memory reads; in 4 KiB pages a third of the bandwidth goes to page walks. A huge
//! page has 2 MiB, and an expert's matrix often less: buffers share large chunks, one behind the other, so that
//! small ones lie in huge pages too and large ones do not round up to them.
//!
//! What is too large for memory stays in its file: a buffer can be a part of [`SharedBytes`], which the
//! system reads when they are needed, drops when memory is short, and can be told about ahead.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where buffers begin: at two cache lines, which processors fetch together.
const ALIGN: usize = 128;
const HUGE_PAGE: usize = 2 << 20;
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
    /// Bytes that nobody writes.
    Shared { _bytes: SharedBytes },
}

/// Bytes of several owners, such as a mapped file's.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

// SAFETY: the buffer owns its part of a chunk like a Box<[T]>, or reads shared bytes like an Arc<[T]>, and
// T is Send and Sync.
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

    /// The elements at `range` of `bytes`, where they stay. `None` when the range is not inside them, no
    /// whole number of elements, or not aligned to them.
    pub(crate) fn shared(bytes: &SharedBytes, range: Range<usize>) -> Option<Self> {
        let part = (**bytes).as_ref().get(range)?;
        let start = NonNull::from(part).cast::<T>();
        if !start.is_aligned() || !part.len().is_multiple_of(size_of::<T>()) {
            return None;
        }
        if part.is_empty() {
            return Some(Self::empty());
        }
        // `part` stays valid as long as the owner is shared, which `home` sees to.
        Some(Self {
            start,
            len: part.len() / size_of::<T>(),
            home: Home::Shared {
                _bytes: Arc::clone(bytes),
            },
            elements: PhantomData,
        })
    }

    /// Tells the system what becomes of shared bytes; memory of our own stays as it is.
    pub(crate) fn advise(&self, use_of_it: Use) {
        if matches!(self.home, Home::Shared { .. }) {
            advise(self.as_bytes(), use_of_it);
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
        if matches!(self.home, Home::Shared { .. }) {
            *self = Self::from_bytes(self.as_bytes());
        }
        // SAFETY: as in `as_slice`, borrowed mutably, and nobody else's.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Memory of one or more buffers, given back when the last of them is gone.
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
        let align = if bytes >= 2 * HUGE_PAGE { HUGE_PAGE } else { ALIGN };
        let Ok(layout) = Layout::from_size_align(bytes, align) else {
            handle_alloc_error(Layout::new::<u8>())
        };
        // SAFETY: nobody asks for 0 bytes.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        advise_huge_pages(start, bytes);
        Arc::new(Self { start, layout })
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

/// What will be done with some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// They are read soon.
    Soon,
    /// They are not read for long.
    Later,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: i32) -> i32;
}

#[cfg(target_os = "linux")]
fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    if bytes >= 2 * HUGE_PAGE {
        // SAFETY: the range is ours; the advice changes no contents, and its failure costs speed only.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
    }
}

#[cfg(target_os = "linux")]
fn advise(bytes: &[u8], use_of_it: Use) {
    const MADV_WILLNEED: i32 = 3;
    const MADV_PAGEOUT: i32 = 21;
    const PAGE: usize = 4096;
    let start = bytes.as_ptr().addr() / PAGE * PAGE;
    let end = bytes.as_ptr().addr() + bytes.len();
    let advice = match use_of_it {
        Use::Soon => MADV_WILLNEED,
        // Unlike MADV_DONTNEED it keeps the contents of any memory.
        Use::Later => MADV_PAGEOUT,
    };
    let start = bytes.as_ptr().with_addr(start).cast_mut();
    // SAFETY: both advices change no contents of the pages, wherever they lie; on systems with larger pages
    // an unaligned start is an error, which costs speed only.
    let _ = unsafe { madvise(start.cast(), end - start.addr(), advice) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

#[cfg(not(target_os = "linux"))]
fn advise(_bytes: &[u8], _use_of_it: Use) {}

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
    fn shared_bytes_are_used_where_they_are() {
        let bytes: SharedBytes = Arc::new(vec![7_u8; 100]);
        let from = (*bytes).as_ref().as_ptr().align_offset(4);
        let mut buffer = Buffer::<f32>::shared(&bytes, from..from + 40).unwrap();
        assert_eq!(buffer.as_bytes().as_ptr(), (*bytes).as_ref()[from..].as_ptr());
        buffer.advise(Use::Soon);
        buffer.advise(Use::Later);
        assert_eq!(buffer.as_bytes(), [7; 40]);
        // Writing is done to a copy.
        buffer.as_mut_slice().fill(0.0);
        assert!((*bytes).as_ref().iter().all(|byte| *byte == 7));
        assert!(Buffer::<f32>::shared(&bytes, from + 1..from + 41).is_none());
        assert!(Buffer::<f32>::shared(&bytes, from..from + 39).is_none());
        assert!(Buffer::<f32>::shared(&bytes, from..from + 400).is_none());
        assert_eq!(Buffer::<f32>::shared(&bytes, 0..0).unwrap().as_slice(), [0.0; 0]);
        drop(bytes);
        assert_eq!(buffer.as_slice(), [0.0; 10]);
    }
}
