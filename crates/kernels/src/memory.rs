//! Memory for weights: aligned, zeroed, and in huge pages where the system has them.
//!
//! Decode is bound by memory reads; in 4 KiB pages a third of the bandwidth goes to page walks.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

const CACHE_LINE: usize = 64;
const HUGE_PAGE: usize = 2 << 20;

/// Numbers without padding for which all bit patterns, zero included, are values.
pub(crate) trait Plain: Copy + Send + Sync + 'static {}
impl Plain for f32 {}
impl Plain for u16 {}
impl Plain for u8 {}
impl Plain for i8 {}

/// A fixed number of elements, aligned to a cache line or a huge page.
pub(crate) struct Buffer<T: Plain> {
    start: NonNull<T>,
    len: usize,
    elements: PhantomData<T>,
}

// SAFETY: the buffer owns its memory like a Box<[T]>, and T is Send and Sync.
unsafe impl<T: Plain> Send for Buffer<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Buffer<T> {}

impl<T: Plain> Buffer<T> {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let Some(layout) = Self::layout(len) else {
            return Self {
                start: NonNull::dangling(),
                len: 0,
                elements: PhantomData,
            };
        };
        // SAFETY: the layout's size is not zero.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        advise_huge_pages(start, layout.size());
        // SAFETY: freshly allocated with this size; zero bytes are a value of T (Plain).
        unsafe { start.write_bytes(0, layout.size()) };
        Self {
            start: start.cast(),
            len,
            elements: PhantomData,
        }
    }

    /// None for no bytes or more than the address space.
    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.checked_mul(size_of::<T>()).filter(|&bytes| bytes > 0)?;
        let align = if bytes >= 2 * HUGE_PAGE {
            HUGE_PAGE
        } else {
            CACHE_LINE
        };
        Layout::from_size_align(bytes, align).ok()
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: `len` initialised elements that this buffer owns (dangling, aligned when 0).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The elements' bytes, copied. What is beyond whole elements is left out.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let buffer = Self::zeroed(bytes.len() / size_of::<T>());
        let len = buffer.len * size_of::<T>();
        // SAFETY: both have `len` bytes, and every bit pattern is a value of T (Plain).
        unsafe {
            bytes
                .as_ptr()
                .copy_to_nonoverlapping(buffer.start.as_ptr().cast(), len);
        }
        buffer
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: plain numbers without padding that this buffer owns.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len * size_of::<T>()) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: allocated in `zeroed` with the same layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

#[cfg(target_os = "linux")]
fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    unsafe extern "C" {
        fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: i32) -> i32;
    }
    if bytes >= 2 * HUGE_PAGE {
        // SAFETY: the range is ours; the advice changes no contents, and its failure costs speed only.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: NonNull<u8>, _bytes: usize) {}
