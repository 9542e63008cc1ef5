//! Keys and values of one layer of a sequence, 64 tokens a page.

use std::sync::Arc;

use aurore_kernels::{Attention, Page as Memory};

/// Pages that copies share until one writes to them.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Words of a page, as [`Attention::page_len`] says.
    page_len: usize,
    taken: Vec<Page>,
    /// Pages taken ahead, zeros. Copies have none.
    spare: Vec<Page>,
}

/// 64 tokens' keys and values.
#[derive(Clone, Debug)]
pub(crate) struct Page(Arc<Memory>);

impl Page {
    fn new(len: usize) -> Self {
        Self(Arc::new(Memory::zeroed(len)))
    }

    /// To write; a page that is still shared is copied first.
    pub(crate) fn words(&mut self) -> &mut [f32] {
        Arc::make_mut(&mut self.0).words_mut()
    }
}

impl Pages {
    pub(crate) fn new(page_len: usize) -> Self {
        Self {
            page_len,
            taken: Vec::new(),
            spare: Vec::new(),
        }
    }

    pub(crate) fn page_len(&self) -> usize {
        self.page_len
    }

    /// Words of all pages.
    pub(crate) fn elements(&self) -> usize {
        (self.taken.len() + self.spare.len()) * self.page_len
    }

    /// `count` pages with the contents of these again and again, in memory of their own.
    pub(crate) fn repeated(&self, count: usize) -> Self {
        let copy = |page: &Page| Page(Arc::new(Memory::clone(&page.0)));
        Self {
            page_len: self.page_len,
            taken: self.taken.iter().cycle().take(count).map(copy).collect(),
            spare: Vec::new(),
        }
    }

    /// Page `number`, which has been written.
    pub(crate) fn page(&self, number: usize) -> &[f32] {
        self.taken[number].0.words()
    }

    /// Takes the first `count` pages of `other` in place of its own, which hold the same.
    pub(crate) fn share(&mut self, other: &Self, count: usize) {
        for (own, other) in self.taken.iter_mut().zip(&other.taken).take(count) {
            own.0 = Arc::clone(&other.0);
        }
    }

    /// Takes memory for `count` pages, and for one that a copy shares and that is written to.
    pub(crate) fn reserve(&mut self, count: usize) {
        let missing = count.saturating_sub(self.taken.len());
        self.taken.reserve(missing);
        let shared = self
            .taken
            .last_mut()
            .is_some_and(|page| Arc::get_mut(&mut page.0).is_none());
        let spare = missing + usize::from(shared);
        while self.spare.len() < spare {
            self.spare.push(Page::new(self.page_len));
        }
    }

    /// The pages of tokens `from..to`, of which those before `from` are there. None of them is shared.
    pub(crate) fn writable(&mut self, from: usize, to: usize) -> &mut [Page] {
        let (first, end) = (from / Attention::PAGE, to.div_ceil(Attention::PAGE));
        let Self {
            page_len,
            taken: pages,
            spare,
        } = self;
        let mut fresh = || spare.pop().unwrap_or_else(|| Page::new(*page_len));
        while pages.len() < end {
            pages.push(fresh());
        }
        for page in &mut pages[first..end] {
            if Arc::get_mut(&mut page.0).is_none() {
                let mut own = fresh();
                own.words().copy_from_slice(page.0.words());
                *page = own;
            }
        }
        &mut pages[first..end]
    }
}

impl Clone for Pages {
    fn clone(&self) -> Self {
        Self {
            page_len: self.page_len,
            taken: self.taken.clone(),
            spare: Vec::new(),
        }
    }

    /// Keeps the memory that it has.
    fn clone_from(&mut self, source: &Self) {
        if self.page_len != source.page_len {
            self.spare.clear();
        }
        self.page_len = source.page_len;
        self.taken.clone_from(&source.taken);
    }
}
