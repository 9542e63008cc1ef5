use half::bf16;

use super::Group;
use crate::memory::Lines;
use crate::quant::BLOCK;
use crate::testing::{SIZES, assert_close, assert_same, bytes, cpus, noise};
use crate::{Cpu, Format, Isa, Matrix, Source};

/// The scalar twin: `out[r][o] = Σ_k input[r][k] · weights[o][k]`.
fn twin(weights: &[f32], input: &[f32], k: usize) -> Vec<f32> {
    let dot =
        |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>() as f32 };
    input
        .chunks(k)
        .flat_map(|x| weights.chunks(k).map(move |w| dot(x, w)))
        .collect()
}

fn rounded(weights: &[f32]) -> Vec<f32> {
    weights.iter().map(|&w| bf16::from_f32(w).to_f32()).collect()
}

fn multiply(cpu: &Cpu, matrix: &Matrix, input: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; input.len() / matrix.columns() * matrix.rows()];
    cpu.matmul(matrix, input, &mut out);
    out
}

#[test]
fn products_equal_the_twin_at_all_sizes() {
    for cpu in cpus() {
        for n in SIZES {
            for (rows, k) in [
                (0, 5),
                (1, 1),
                (1, 65),
                (2, 33),
                (3, 64),
                (4, 17),
                (5, 15),
                (6, 16),
                (7, 31),
                (129, 3),
            ] {
                let (weights, input) = (noise(1 + n as u64, n * k), noise(2, rows * k));
                let source = bytes(&weights);
                for format in [Format::F32, Format::Bf16] {
                    let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&source)]);
                    let weights = if format == Format::F32 {
                        weights.clone()
                    } else {
                        rounded(&weights)
                    };
                    let what = format!("{:?} {format:?} {rows}x{k}x{n}", cpu.isa);
                    // Pair products round the input as well.
                    let seen = if format == Format::Bf16 && cpu.isa.has_pairs() {
                        rounded(&input)
                    } else {
                        input.clone()
                    };
                    assert_close(
                        &multiply(&cpu, &matrix, &input),
                        &twin(&weights, &seen, k),
                        1e-5,
                        &what,
                    );
                }
            }
        }
    }
}

#[test]
fn long_sums_are_cut_without_changing_a_bit() {
    let (n, k, rows) = (67, 2500, 13);
    let (weights, input) = (bytes(&noise(1, n * k)), noise(2, rows * k));
    for cpu in cpus() {
        for format in [Format::F32, Format::Bf16] {
            let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&weights)]);
            let together = multiply(&cpu, &matrix, &input);
            for count in [1, 2, 3, 4, 6] {
                for start in [0, 5] {
                    let alone = multiply(&cpu, &matrix, &input[start * k..(start + count) * k]);
                    let what = format!("{:?} {format:?} rows {start}+{count}", cpu.isa);
                    assert_same(&alone, &together[start * n..(start + count) * n], &what);
                }
            }
        }
    }
}

#[test]
fn rounded_rows_are_the_same_bits_however_many() {
    let (n, k, rows) = (147, 700, 83);
    let (weights, input) = (bytes(&noise(1, n * k)), noise(2, rows * k));
    for cpu in cpus() {
        for format in [Format::Q8, Format::Q4] {
            let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&weights)]);
            let together = multiply(&cpu, &matrix, &input);
            for count in [1, 2, 3, 4, 5, 8, 9, 16, 19] {
                let what = format!("{:?} {format:?} {count} rows", cpu.isa);
                // What is read later changes nothing.
                cpu.read_later([&input[..], &together[..]].into_iter());
                let alone = multiply(&cpu, &matrix, &input[7 * k..(7 + count) * k]);
                assert_same(&alone, &together[7 * n..(7 + count) * n], &what);
            }
        }
    }
}

#[test]
fn products_are_added_to_what_is_there() {
    let (n, k) = (41, 30);
    let (weights, input) = (noise(7, n * k), noise(8, 11 * k));
    let start = noise(9, 11 * n);
    let source = bytes(&weights);
    for cpu in cpus() {
        let matrix = Matrix::pack(&cpu, k, Format::F32, &[Source::F32(&source)]);
        for rows in [1, 3, 11] {
            let mut out = start[..rows * n].to_vec();
            cpu.matmul_add(&matrix, &input[..rows * k], &mut out);
            let product = twin(&weights, &input[..rows * k], k);
            let expected: Vec<f32> = start.iter().zip(product).map(|(a, b)| a + b).collect();
            assert_close(&out, &expected, 1e-5, "added");
        }
    }
}

/// One of each format, and one more of the last.
fn of_all_formats(cpu: &Cpu, n: usize, k: usize) -> Vec<Matrix> {
    [Format::F32, Format::Bf16, Format::Q8, Format::Q4, Format::Q4]
        .into_iter()
        .zip(10..)
        .map(|(format, seed)| Matrix::pack(cpu, k, format, &[Source::F32(&bytes(&noise(seed, n * k)))]))
        .collect()
}

#[test]
fn groups_use_their_own_matrix_and_rows() {
    let (n, k) = (37, 83);
    let input = noise(3, 40 * k);
    let groups = [
        (2, 0, 1),
        (0, 1, 8),
        (1, 8, 8),
        (1, 10, 40),
        (4, 40, 140),
        (3, 141, 150),
    ];
    let groups = groups.map(|(matrix, start, end)| Group { matrix, start, end });
    let index: Vec<u32> = (0..150).map(|row| row * 7 % 40).collect();
    let ordered: Vec<f32> = index
        .iter()
        .flat_map(|row| input[*row as usize * k..][..k].to_vec())
        .collect();
    for cpu in cpus() {
        let matrices = of_all_formats(&cpu, n, k);
        for (index, input) in [(None, &ordered), (Some(index.as_slice()), &input)] {
            for subset in [&groups[..], &groups[..1], &groups[3..4]] {
                let mut out = vec![7.0; 150 * n];
                cpu.matmul_grouped(&matrices, subset, index, input, &mut out);
                let mut untouched = [true; 150];
                for &Group { matrix, start, end } in subset {
                    let alone = multiply(&cpu, &matrices[matrix], &ordered[start * k..end * k]);
                    let what = format!(
                        "{:?}, matrix {matrix} for rows {start}..{end}, index: {}",
                        cpu.isa,
                        index.is_some()
                    );
                    assert_same(&out[start * n..end * n], &alone, &what);
                    untouched[start..end].fill(false);
                }
                for (row, _) in untouched.iter().enumerate().filter(|(_, untouched)| **untouched) {
                    assert!(out[row * n..(row + 1) * n].iter().all(|&x| x == 7.0));
                }
            }
        }
    }
}

#[test]
fn some_outputs_are_those_of_all() {
    let (n, k) = (331, 300);
    for cpu in cpus() {
        for matrix in of_all_formats(&cpu, n, k) {
            for rows in [1, 2, 5] {
                let input = noise(3, rows * k);
                let all = multiply(&cpu, &matrix, &input);
                for wanted in [&[][..], &[330], &[17, 16, 200, 3, 200], &[0, 15, 32, 330]] {
                    let mut some = vec![7.0; rows * n];
                    cpu.matmul_some(&matrix, wanted, &input, &mut some);
                    for (at, (some, all)) in some.iter().zip(&all).enumerate() {
                        let near = wanted.iter().any(|row| *row as usize / 16 == at % n / 16);
                        let expected = if near { *all } else { 7.0 };
                        assert_eq!(
                            some.to_bits(),
                            expected.to_bits(),
                            "{rows} rows, {wanted:?}, {at}"
                        );
                    }
                }
            }
        }
    }
    let cpu = Cpu::new(None, 1);
    cpu.matmul_some(&of_all_formats(&cpu, n, k)[3], &[5], &[], &mut []);
}

#[test]
fn parts_stand_below_each_other_and_rows_can_be_read_back() {
    let k = 21;
    let all = noise(4, 50 * k);
    let halves: Vec<u8> = all[..17 * k]
        .iter()
        .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
        .collect();
    let brains: Vec<u8> = all[17 * k..18 * k]
        .iter()
        .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
        .collect();
    let rest = bytes(&all[18 * k..]);
    for cpu in cpus() {
        for format in [Format::F32, Format::Bf16] {
            let parts = [Source::F16(&halves), Source::Bf16(&brains), Source::F32(&rest)];
            let matrix = Matrix::pack(&cpu, k, format, &parts);
            assert_eq!((matrix.rows(), matrix.columns()), (50, k));
            for row in 0..50 {
                let mut found = vec![0.0; k];
                matrix.copy_row(row, &mut found);
                assert_close(&found, &all[row * k..(row + 1) * k], 4e-3, "row");
            }
        }
    }
}

#[test]
fn nan_and_infinity_stay_in_their_row_and_column() {
    let (n, k) = (33, 20);
    let mut weights = noise(5, n * k);
    weights[4 * k + 1] = f32::INFINITY;
    let mut input = noise(6, 8 * k);
    input[2 * k + 3] = f32::NAN;
    let source = bytes(&weights);
    for cpu in cpus() {
        let matrix = Matrix::pack(&cpu, k, Format::F32, &[Source::F32(&source)]);
        let out = multiply(&cpu, &matrix, &input);
        assert_close(&out, &twin(&weights, &input, k), 1e-5, "not finite");
    }
}

/// `Σ_blocks (Σ w x) · dw · dx` with the matrix's own rounded weights: the definition of the product.
fn rounded_twin(matrix: &Matrix, input: &[f32], start: f32) -> Vec<f32> {
    let k = matrix.columns();
    let mut weights = vec![0.0; k];
    let mut out = vec![0.0; input.len() / k * matrix.rows()];
    for o in 0..matrix.rows() {
        matrix.copy_row(o, &mut weights);
        for (row, x) in input.chunks(k).enumerate() {
            let mut sum = f64::from(start);
            for (w, x) in weights.chunks(BLOCK).zip(x.chunks(BLOCK)) {
                let most = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                let factor = if most == 0.0 { 0.0 } else { 127.0 / most };
                let products = w.iter().zip(x).map(|(w, x)| {
                    f64::from(*w) * f64::from((x * factor).round_ties_even()) * f64::from(most / 127.0)
                });
                sum += products.sum::<f64>();
            }
            out[row * matrix.rows() + o] = sum as f32;
        }
    }
    out
}

#[test]
fn quantised_products_equal_their_definition_and_one_another() {
    for format in [Format::Q8, Format::Q4] {
        for n in [1, 15, 16, 17, 33, 65] {
            for (rows, k) in [
                (0, 5),
                (1, 1),
                (1, 65),
                (2, 255),
                (3, 256),
                (4, 257),
                (5, 64),
                (7, 512),
                (131, 96),
                (17, 1027),
            ] {
                let weights = bytes(&noise(1 + n as u64, n * k));
                let input = noise(2, rows * k);
                let mut first: Option<Vec<f32>> = None;
                for cpu in cpus() {
                    let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&weights)]);
                    let found = multiply(&cpu, &matrix, &input);
                    let what = format!("{:?} {format:?} {rows}x{k}x{n}", cpu.isa);
                    let first = first.get_or_insert_with(|| {
                        assert_close(&found, &rounded_twin(&matrix, &input, 0.0), 2e-6, &what);
                        found.clone()
                    });
                    assert_same(&found, first, &what);
                }
            }
        }
    }
}

#[test]
fn the_largest_integers_of_either_sign_are_summed_exactly() {
    let (n, k) = (17, 257);
    // Each weight is ±127 of its scale, each input ±127 of its own; outputs and rows have all four pairs of signs.
    let signs = |period: usize, rows: usize| -> Vec<f32> {
        let sign = |i: usize| if (i / k).is_multiple_of(period) { -1.0 } else { 1.0 };
        (0..rows * k).map(sign).collect()
    };
    let weights = signs(2, n);
    for rows in [1, 2, 4, 13] {
        let input = signs(3, rows);
        for cpu in cpus() {
            let matrix = Matrix::pack(&cpu, k, Format::Q8, &[Source::F32(&bytes(&weights))]);
            let found = multiply(&cpu, &matrix, &input);
            let what = format!("{:?} {rows} rows", cpu.isa);
            // A scale is a bf16: 1 / 127 is not one.
            assert_close(&found, &twin(&weights, &input, k), 5e-3, &what);
            assert_close(&found, &rounded_twin(&matrix, &input, 0.0), 2e-6, &what);
        }
    }
}

#[test]
fn quantised_rows_do_not_depend_on_their_neighbours() {
    let (n, k, rows) = (67, 2500, 13);
    let (weights, input) = (bytes(&noise(1, n * k)), noise(2, rows * k));
    let start = noise(3, rows * n);
    for cpu in cpus() {
        for format in [Format::Q8, Format::Q4] {
            let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&weights)]);
            let mut together = start.clone();
            cpu.matmul_add(&matrix, &input, &mut together);
            for (from, count) in [(0, 1), (5, 2), (3, 3), (1, 4), (6, 7)] {
                let mut alone = start[from * n..(from + count) * n].to_vec();
                cpu.matmul_add(&matrix, &input[from * k..(from + count) * k], &mut alone);
                let what = format!("{:?} {format:?} rows {from}+{count}", cpu.isa);
                assert_same(&alone, &together[from * n..(from + count) * n], &what);
            }
        }
    }
}

#[test]
fn matrices_come_back_from_their_bytes() {
    let (n, k) = (19, 300);
    let (weights, input) = (bytes(&noise(1, n * k)), noise(2, 2 * k));
    for cpu in cpus() {
        for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
            let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&weights)]);
            let [elements, scales] = matrix.raw();
            let again = Matrix::from_raw(format, n, k, elements, scales).expect("the same sizes");
            assert_same(
                &multiply(&cpu, &again, &input),
                &multiply(&cpu, &matrix, &input),
                "from bytes",
            );
            // Into a place that held something else.
            let mut slots = Matrix::slots(format, n, k, 2).expect("small");
            for slot in &mut slots {
                let room = slot.slot().expect("a slot");
                assert_eq!((room.as_ptr().addr() % 4096, room.len() % 4096), (0, 0));
                room.fill(7);
                room[..elements.len()].copy_from_slice(elements);
                room[elements.len()..][..scales.len()].copy_from_slice(scales);
            }
            for slot in &slots {
                let (out, expected) = (multiply(&cpu, slot, &input), multiply(&cpu, &matrix, &input));
                assert_same(&out, &expected, "slot");
                assert_eq!((slot.format(), slot.bytes()), (format, matrix.bytes()));
            }
            assert!(Matrix::slots(format, n, k, usize::MAX / 4096).is_none());
            assert!(Matrix::from_raw(format, n + 16, k, elements, scales).is_none());
            assert!(Matrix::from_raw(format, n, usize::MAX / 2, elements, scales).is_none());
        }
    }
}

#[test]
fn what_is_not_finite_shows_in_quantised_products() {
    let (n, k) = (18, 300);
    let mut weights = noise(5, n * k);
    weights[4 * k + 1] = f32::NAN;
    let mut input = noise(6, 8 * k);
    input[2 * k + 3] = f32::NAN;
    input[5 * k + 290] = f32::INFINITY;
    let source = bytes(&weights);
    for cpu in cpus() {
        for format in [Format::Q8, Format::Q4] {
            let matrix = Matrix::pack(&cpu, k, format, &[Source::F32(&source)]);
            let out = multiply(&cpu, &matrix, &input);
            for (row, out) in out.chunks(n).enumerate() {
                for (o, x) in out.iter().enumerate() {
                    assert_eq!(x.is_finite(), row != 2 && row != 5 && o != 4, "{row} {o} {x}");
                }
            }
        }
    }
}

#[test]
fn inputs_round_to_the_nearest_bf16() {
    let mut input: Vec<f32> = noise(21, 200);
    input.extend([
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
    ]);
    // Halfway between two, to the even one, and around it.
    input.extend([0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x3f80_7fff].map(f32::from_bits));
    input.extend([0x7fc0_0000, 0x7f80_0001, 0xffff_ffff].map(f32::from_bits));
    for cpu in cpus() {
        let mut pairs = Lines::default();
        cpu.round_pairs(&[], &input, input.len(), &mut pairs);
        // A row alone lies in one piece on tiles as well.
        // SAFETY: so much was written, and more is there.
        let found = unsafe { std::slice::from_raw_parts(pairs.start::<u16>(), input.len() + 1) };
        let expected: Vec<u16> = input.iter().map(|&x| bf16::from_f32(x).to_bits()).collect();
        assert_eq!(found[..input.len()], expected);
        assert_eq!(found[input.len()], 0);
    }
}

/// On vectors alone, on tiles in company.
#[test]
fn a_row_alone_gets_the_bits_of_many_also_where_numbers_are_denormal() {
    let isas = ["amx", "avx512bf16"].into_iter().filter_map(Isa::named);
    for (size, k) in [
        (1.0, 1024),
        (1.0, 70),
        (1e-19, 256),
        (3e-20, 131),
        (1e-38, 64),
        (3e-17, 96),
    ] {
        for isa in isas.clone() {
            let cpu = Cpu::new(Some(isa), 1);
            let scaled = |seed, count| -> Vec<f32> { noise(seed, count).iter().map(|x| x * size).collect() };
            let (n, rows) = (48, 27);
            let matrix = Matrix::pack(&cpu, k, Format::Bf16, &[Source::F32(&bytes(&scaled(33, n * k)))]);
            let mut input = scaled(34, rows * k);
            let before = multiply(&cpu, &matrix, &input);
            // One row of other numbers changes no other row's way.
            input[5 * k..6 * k].fill(1e-30);
            let together = multiply(&cpu, &matrix, &input);
            for row in 0..rows {
                let alone = multiply(&cpu, &matrix, &input[row * k..][..k]);
                let what = format!("{isa:?}: row {row} of {size}, {k} columns");
                assert_same(&alone, &together[row * n..][..n], &what);
                if row != 5 {
                    assert_same(&alone, &before[row * n..][..n], &what);
                }
            }
            let start: Vec<f32> = noise(35, rows * n).iter().map(|x| x * 1e-38).collect();
            let mut together = start.clone();
            cpu.matmul_add(&matrix, &input, &mut together);
            for row in 0..rows {
                let mut alone = start[row * n..][..n].to_vec();
                cpu.matmul_add(&matrix, &input[row * k..][..k], &mut alone);
                assert_same(&alone, &together[row * n..][..n], "added to what is denormal");
            }
        }
    }
}

#[test]
fn a_slot_with_other_bytes_is_looked_through_again() {
    let isa = Isa::best();
    let mut slots = Matrix::slots(Format::Bf16, 16, 64, 1).unwrap();
    let mut has_tiny = |bits: u16| {
        let matrix = &mut slots[0];
        let bytes: Vec<u8> = std::iter::repeat_n(bits.to_le_bytes(), 16 * 64)
            .flatten()
            .collect();
        matrix.slot().unwrap()[..bytes.len()].copy_from_slice(&bytes);
        matrix.has_tiny(isa)
    };
    assert_eq!(
        [0x3f80, 0x0001, 0x0000, 0x2000].map(&mut has_tiny),
        [false, true, false, true]
    );
}

#[test]
fn what_is_tiny_is_found() {
    for isa in Isa::available() {
        let bits = |x: f32| bf16::from_f32(x).to_bits();
        let mut all = vec![
            bits(0.0),
            bits(-0.0),
            bits(1.0),
            bits(f32::INFINITY),
            bits(2.0_f32.powi(-55)),
        ];
        all.resize(3000, bits(-3.0));
        assert!(!isa.run(super::paired::Tiny(&all)), "{isa:?}");
        for (at, x) in [
            (0, 1e-39),
            (1500, -1e-39),
            (2999, 2.0_f32.powi(-56)),
            (4, -1.9 * 2.0_f32.powi(-56)),
        ] {
            let mut all = all.clone();
            all[at] = bits(x);
            assert!(isa.run(super::paired::Tiny(&all)), "{isa:?}: {x}");
        }
    }
}

#[test]
fn tiles_of_the_processor_are_the_emulated_ones_to_the_bit() {
    let Some(amx) = Isa::named("amx") else { return };
    let [amx, emulated] = [amx, Isa::wide()].map(|isa| Cpu::new(Some(isa), 2));
    for (rows, k, n) in [
        (1, 32, 16),
        (3, 70, 33),
        (17, 1024, 80),
        (600, 131, 49),
        (64, 2000, 200),
    ] {
        let (weights, input) = (bytes(&noise(31, n * k)), noise(32, rows * k));
        for format in [Format::Bf16, Format::Q8, Format::Q4] {
            let matrix = Matrix::pack(&amx, k, format, &[Source::F32(&weights)]);
            let what = format!("{format:?} {rows}x{k}x{n}");
            assert_same(
                &multiply(&amx, &matrix, &input),
                &multiply(&emulated, &matrix, &input),
                &what,
            );
        }
    }
}
