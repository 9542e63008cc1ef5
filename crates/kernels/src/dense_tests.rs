use super::{Element, From, PANEL, Panels, Rows, Sums, product};
use crate::Isa;
use crate::simd::{Kernel, Simd};
use crate::testing::{assert_close, assert_same, noise};

struct Product<'a, E> {
    rows: usize,
    k: usize,
    panels: usize,
    left: &'a [f32],
    right: &'a [E],
    from: From,
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (width, depth) = (self.panels * PANEL, self.k);
        assert!(self.left.len() == self.rows * depth && self.right.len() == width * depth);
        assert_eq!(self.sums.len(), self.rows * width);
        let left = Rows {
            start: self.left.as_ptr(),
            row_stride: depth,
            k_stride: 1,
        };
        let right = Panels {
            start: self.right.as_ptr(),
            panel_stride: depth * PANEL,
        };
        let sums = Sums {
            start: self.sums.as_mut_ptr(),
            row_stride: width,
            panel_stride: PANEL,
        };
        // SAFETY: the sizes are checked above.
        unsafe { product(s, self.rows, depth, self.panels, left, right, self.from, sums) };
    }
}

/// A right-hand side, and the place of (k, column) in it.
fn check<E: Element>(isa: Isa, encode: impl Fn(f32) -> E, decode: impl Fn(E) -> f32) {
    for rows in [0, 1, 2, 3, 4, 5, 6, 7, 12, 17] {
        for panels in [1, 2, 3, 4, 5, 9] {
            for k in [0, 2, 16, 66] {
                let left = noise(1, rows * k);
                let right: Vec<E> = noise(2, k * panels * PANEL).into_iter().map(&encode).collect();
                let at = |i: usize, column: usize| {
                    let (panel, column) = (column / PANEL, column % PANEL);
                    let together = i / E::TOGETHER * PANEL * E::TOGETHER;
                    decode(right[panel * k * PANEL + together + column * E::TOGETHER + i % E::TOGETHER])
                };
                let before = noise(3, rows * panels * PANEL);
                let factors = noise(4, rows);
                for start in 0..4 {
                    let (from, factor): (From, Box<dyn Fn(usize) -> f32>) = match start {
                        0 => (From::Zero, Box::new(|_| 0.0)),
                        1 => (From::There, Box::new(|_| 1.0)),
                        2 => (From::Scaled(factors.as_ptr()), Box::new(|row| factors[row])),
                        _ => (From::ScaledAll(0.3), Box::new(|_| 0.3)),
                    };
                    let width = panels * PANEL;
                    let twin: Vec<f32> = (0..rows * width)
                        .map(|i| {
                            let (row, column) = (i / width, i % width);
                            let chain: f64 = (0..k)
                                .map(|i| f64::from(left[row * k + i]) * f64::from(at(i, column)))
                                .sum();
                            (chain + f64::from(before[i] * factor(row))) as f32
                        })
                        .collect();
                    let mut sums = before.clone();
                    let (left, right) = (&left, &right);
                    isa.run(Product {
                        rows,
                        k,
                        panels,
                        left,
                        right,
                        from,
                        sums: &mut sums,
                    });
                    assert_close(&sums, &twin, 1e-5, &format!("{isa:?} {rows} {k} {panels}"));
                    // A row alone has the same bits.
                    for row in 0..rows {
                        let one = row * width..(row + 1) * width;
                        let mut alone = before[one.clone()].to_vec();
                        let from = match from {
                            From::Scaled(factors) => From::Scaled(factors.wrapping_add(row)),
                            other => other,
                        };
                        let left = &left[row * k..(row + 1) * k];
                        isa.run(Product {
                            rows: 1,
                            k,
                            panels,
                            left,
                            right,
                            from,
                            sums: &mut alone,
                        });
                        assert_same(&alone, &sums[one], "alone");
                    }
                }
            }
        }
    }
}

#[test]
fn products_equal_the_twin_and_rows_stand_alone() {
    for isa in Isa::available().into_iter().chain([Isa::wide()]) {
        check::<f32>(isa, |x| x, |x| x);
        check::<u16>(
            isa,
            |x| (x.to_bits() >> 16) as u16,
            |x| f32::from_bits(u32::from(x) << 16),
        );
        check::<i8>(isa, |x| (x * 7.0) as i8, f32::from);
    }
}
