//! Keys and values in memory: pages of 64 tokens, in the layout that the products want.

use half::bf16;

use super::Attention;
use crate::dense::PANEL;

/// Tokens in a page.
pub(crate) const PAGE: usize = 64;

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KvFormat {
    /// As they are.
    F32,
    /// Rounded to bf16: half the memory.
    #[default]
    Bf16,
    /// Rounded to 8 bits with a scale per token and head: a quarter of the memory.
    Int8,
}

/// One head's part of a page. Keys stand in panels of 16 tokens `[4][padded][16]`, values in panels
/// of 16 elements `[panels][64][16]`; in bf16, pairs along the products' sum lie together, keys
/// `[4][padded / 2][16][2]` and values `[panels][32][16][2]`. Int8 has scales of keys and of values
/// behind, `[64]` each.
#[derive(Clone, Copy)]
pub(crate) struct HeadPage {
    start: *const f32,
    padded: usize,
    format: KvFormat,
}

impl HeadPage {
    /// Of head `head` of a page.
    ///
    /// # Panics
    /// When the page is not one of these sizes.
    #[inline(always)]
    pub(crate) fn new(attention: &Attention, page: &[f32], head: usize) -> Self {
        assert!(page.len() == attention.page_len() && head < attention.kv_heads);
        Self {
            start: page[head * attention.head_page_len()..].as_ptr(),
            padded: attention.padded(),
            format: attention.format,
        }
    }

    /// Keys and values.
    #[inline(always)]
    pub(crate) fn parts<E>(self) -> (*const E, *const E) {
        let keys = self.start.cast::<E>();
        (keys, keys.wrapping_add(PAGE * self.padded))
    }

    /// Scales of keys and of values, `[64]` each, of an int8 page.
    #[inline(always)]
    pub(crate) fn scales(self) -> Option<(*const f32, *const f32)> {
        let keys = self.start.wrapping_add(2 * PAGE * self.padded / 4);
        (self.format == KvFormat::Int8).then_some((keys, keys.wrapping_add(PAGE)))
    }
}

impl Attention {
    /// Tokens in a page.
    pub const PAGE: usize = PAGE;

    /// f32 words of a page, zeros at first. Whatever the format, a page is memory of f32 words.
    pub fn page_len(&self) -> usize {
        self.kv_heads * self.head_page_len()
    }

    fn head_page_len(&self) -> usize {
        let elements = 2 * PAGE * self.padded();
        match self.format {
            KvFormat::F32 => elements,
            KvFormat::Bf16 => elements / 2,
            KvFormat::Int8 => elements / 4 + 2 * PAGE,
        }
    }

    /// Writes one token's keys and values (`[kv_heads, head_dim]` each) to a page.
    ///
    /// # Panics
    /// When sizes do not fit together or `slot` is not below 64.
    pub fn write(&self, page: &mut [f32], slot: usize, keys: &[f32], values: &[f32]) {
        assert!(page.len() == self.page_len() && slot < PAGE);
        assert!(keys.len() == self.kv_heads * self.head_dim && values.len() == keys.len());
        let padded = self.padded();
        let heads = page.chunks_exact_mut(self.head_page_len().max(1));
        let tokens = keys
            .chunks_exact(self.head_dim.max(1))
            .zip(values.chunks_exact(self.head_dim.max(1)));
        for (page, (key, value)) in heads.zip(tokens) {
            let start = page.as_mut_ptr();
            // SAFETY: a head's part has 64 · padded keys and as many values of the format's type,
            // then the scales; any bits are values of these types and of f32, whose alignment is
            // at least theirs. Places are those of `HeadPage`.
            unsafe {
                match self.format {
                    KvFormat::F32 => {
                        let to = Writer::<f32, 1>::new(start.cast(), padded, slot);
                        to.write(key, value, |x| x, |x| x);
                    }
                    KvFormat::Bf16 => {
                        let to = Writer::<u16, 2>::new(start.cast(), padded, slot);
                        let round = |x| bf16::from_f32(x).to_bits();
                        to.write(key, value, round, round);
                    }
                    KvFormat::Int8 => {
                        let to = Writer::<i8, 1>::new(start.cast(), padded, slot);
                        let scale = |x: &[f32]| x.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / 127.0;
                        let (key_scale, value_scale) = (scale(key), scale(value));
                        let round = |scale: f32| {
                            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                            move |x: f32| (x * inverse).round_ties_even() as i8
                        };
                        to.write(key, value, round(key_scale), round(value_scale));
                        let scales = start.add(2 * PAGE * padded / 4);
                        // What is not a number stays visible in the scale.
                        let visible = |scale: f32, x: &[f32]| {
                            if x.iter().all(|x| x.is_finite()) {
                                scale
                            } else {
                                f32::NAN
                            }
                        };
                        *scales.add(slot) = visible(key_scale, key);
                        *scales.add(PAGE + slot) = visible(value_scale, value);
                    }
                }
            }
        }
    }
}

/// Writes a token's key and value to a head's part of a page whose elements have `TOGETHER` numbers
/// of the products' sums lying together.
struct Writer<E, const TOGETHER: usize> {
    keys: *mut E,
    values: *mut E,
    padded: usize,
    slot: usize,
}

impl<E, const TOGETHER: usize> Writer<E, TOGETHER> {
    fn new(keys: *mut E, padded: usize, slot: usize) -> Self {
        Self {
            keys,
            values: keys.wrapping_add(PAGE * padded),
            padded,
            slot,
        }
    }

    /// # Safety
    /// The page has that slot, and heads are at most `padded` wide.
    unsafe fn write(
        &self,
        key: &[f32],
        value: &[f32],
        round_key: impl Fn(f32) -> E,
        round_value: impl Fn(f32) -> E,
    ) {
        let slot = self.slot;
        // SAFETY: the caller's.
        unsafe {
            let panel = self
                .keys
                .add(slot / PANEL * self.padded * PANEL + slot % PANEL * TOGETHER);
            for (i, x) in key.iter().enumerate() {
                *panel.add(i / TOGETHER * PANEL * TOGETHER + i % TOGETHER) = round_key(*x);
            }
            let row = self
                .values
                .add(slot / TOGETHER * PANEL * TOGETHER + slot % TOGETHER);
            for (i, x) in value.iter().enumerate() {
                *row.add(i / PANEL * PAGE * PANEL + i % PANEL * TOGETHER) = round_value(*x);
            }
        }
    }
}
