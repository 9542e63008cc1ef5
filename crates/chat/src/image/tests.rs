use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::*;

const SOURCE: &[u8] = include_bytes!("../../tests/data/source.png");

fn png(width: u32, height: u32, pixels: &[u8], color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, color)
        .unwrap();
    bytes
}

/// The head of a PNG that claims a size.
fn claimed(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1, 1, &[0; 3], ExtendedColorType::Rgb8);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))
        })
    })
}

fn refused(bytes: &[u8]) -> ImageError {
    decode(bytes, &Limits::default()).unwrap_err()
}

#[test]
fn resizing_equals_pillows() {
    let source = decode(SOURCE, &Limits::default()).unwrap();
    for (size, expected) in [
        (
            (64, 32),
            &include_bytes!("../../tests/data/resized_64x32.png")[..],
        ),
        ((32, 64), include_bytes!("../../tests/data/resized_32x64.png")),
        ((37, 32), include_bytes!("../../tests/data/resized_37x32.png")),
        ((96, 29), include_bytes!("../../tests/data/resized_96x29.png")),
        ((11, 7), include_bytes!("../../tests/data/resized_11x7.png")),
        ((1, 1), include_bytes!("../../tests/data/resized_1x1.png")),
    ] {
        let expected = decode(expected, &Limits::default()).unwrap();
        assert_eq!((expected.width, expected.height), size);
        let resized = resize_bicubic(&source.rgb, (source.width, source.height), size);
        assert!(resized == *expected.rgb, "{size:?} differs");
    }
}

#[test]
fn target_sizes_are_the_official_ones() {
    // Computed with the official processor: (width, height, factor, min, max) → (width, height).
    let (least, most) = (65_536, 16_777_216);
    for (size, expected) in [
        ((1280, 800), (1280, 800)),
        ((160, 210), (224, 320)),
        ((100, 100), (256, 256)),
        ((16, 16), (256, 256)),
        ((4000, 6000), (3328, 4992)),
        ((1, 200), (32, 3648)),
        ((48, 48), (256, 256)),
        ((1008, 720), (1024, 704)),
    ] {
        assert_eq!(
            smart_resize(size.0, size.1, 32, least, most).unwrap(),
            expected,
            "{size:?}"
        );
    }
    assert_eq!(smart_resize(160, 210, 32, 35_840, 262_144).unwrap(), (160, 224));
    // Halves round to even: 80 / 32 = 2.5 → 2, 112 / 32 = 3.5 → 4.
    assert_eq!(smart_resize(80, 112, 32, 0, most).unwrap(), (64, 128));
    assert!(matches!(
        smart_resize(1, 201, 32, least, most),
        Err(ImageError::Aspect { .. })
    ));
    assert!(matches!(
        smart_resize(0, 5, 32, least, most),
        Err(ImageError::Empty { .. })
    ));
}

fn preprocess() -> Preprocess {
    Preprocess {
        min_pixels: 1024,
        max_pixels: 1 << 20,
        patch: 16,
        temporal: 2,
        merge: 2,
        mean: [0.5; 3],
        std: [0.5; 3],
    }
}

#[test]
fn patches_come_in_merge_blocks() {
    // 64 × 32 pixels, each patch filled with its own level; red, green and blue one apart.
    let level = |x: u32, y: u32| (10 * (y / 16 * 4 + x / 16)) as u8;
    let rgb: Vec<u8> = (0..32)
        .flat_map(|y| (0..64).flat_map(move |x| [level(x, y), level(x, y) + 1, level(x, y) + 2]))
        .collect();
    let image = DecodedImage {
        width: 64,
        height: 32,
        rgb: rgb.into(),
        note: None,
    };
    let patches = preprocess().patches(&image).unwrap();
    assert_eq!((patches.grid, preprocess().tokens(patches.grid)), ([1, 2, 4], 2));
    let size = 3 * 2 * 16 * 16;
    assert_eq!(patches.patches.len(), 8 * size);
    let value = |level: u8| (f32::from(level) - 127.5) / 127.5;
    // The first block is the left 2 × 2 patches, row by row, then the right ones.
    for (patch, origin) in patches.patches.chunks_exact(size).zip([0u8, 1, 4, 5, 2, 3, 6, 7]) {
        for (channel, values) in (0..3).zip(patch.chunks_exact(2 * 256)) {
            assert!(values.iter().all(|found| *found == value(10 * origin + channel)));
        }
    }
}

#[test]
fn pixels_inside_a_patch_go_row_by_row() {
    let rgb: Vec<u8> = (0..32u32 * 32)
        .flat_map(|index| [(index % 251) as u8, 0, 0])
        .collect();
    let image = DecodedImage {
        width: 32,
        height: 32,
        rgb: rgb.into(),
        note: None,
    };
    let patches = preprocess().patches(&image).unwrap().patches;
    let level = |value: f32| (value * 127.5 + 127.5).round() as u32;
    // Patch 1 is the upper right one; both frames are the same.
    let second = &patches[3 * 2 * 256..];
    assert_eq!(level(second[0]), 16);
    assert_eq!(level(second[17]), 32 + 17);
    assert_eq!(second[..256], second[256..512]);
}

#[test]
fn transparency_is_dropped_and_grey_is_spread() {
    let image = decode(
        &png(1, 1, &[9, 8, 7, 0], ExtendedColorType::Rgba8),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(*image.rgb, [9, 8, 7]);
    let image = decode(&png(1, 1, &[77], ExtendedColorType::L8), &Limits::default()).unwrap();
    assert_eq!(*image.rgb, [77; 3]);
}

#[test]
fn pictures_that_show_nothing_or_too_much_are_refused() {
    // The decoder itself refuses a PNG without pixels.
    assert!(matches!(
        refused(&claimed(0, 5)),
        ImageError::Empty { .. } | ImageError::Damaged { .. }
    ));
    let message = refused(&claimed(30_000, 30_000)).to_string();
    assert!(
        message.contains("30000x30000") && message.contains("shrink"),
        "{message}"
    );
    assert!(matches!(
        refused(&claimed(16_000, 16_000)),
        ImageError::TooLarge { .. }
    ));
}

#[test]
fn other_files_are_named_for_what_they_look_like() {
    for (bytes, word) in [
        (&b""[..], "is empty"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns", "SVG"),
        (b"hello", "text"),
        (b"\x00\x00\x00\x18ftypmp42", "video"),
        (b"\xFF\x00\xFF\x00", "no known signature"),
    ] {
        let error = refused(bytes);
        assert!(matches!(error, ImageError::UnknownFormat { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    for length in 8..SOURCE.len() - 12 {
        assert!(
            matches!(refused(&SOURCE[..length]), ImageError::Damaged { .. }),
            "{length}"
        );
    }
}

#[test]
fn only_the_first_frame_of_an_animation_is_shown() {
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for level in [0, 255] {
            let frame = image::RgbaImage::from_pixel(4, 4, image::Rgba([level, level, level, 255]));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let image = decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(image.rgb[0], 0);
    assert_eq!(
        image.note.as_deref(),
        Some("only the first frame of the animated GIF is shown")
    );
    assert_eq!(decode(SOURCE, &Limits::default()).unwrap().note, None);
}

#[test]
fn a_preprocessor_that_cannot_work_is_refused() {
    let config =
        |json: &str| aurore_checkpoint::PreprocessorConfig::from_json(json, "preprocessor_config.json");
    for json in [
        r#"{"patch_size": 0}"#,
        r#"{"merge_size": 100000}"#,
        r#"{"size": {"shortest_edge": 65536, "longest_edge": 10}}"#,
        r#"{"image_std": [0.5, 0, 0.5]}"#,
    ] {
        let result = config(json).map(|config| Preprocess::new(&config));
        assert!(!matches!(result, Ok(Ok(_))), "{json}");
    }
}

proptest::proptest! {
    #[test]
    fn mangled_pictures_never_panic(at in 0..SOURCE.len(), value: u8, length in 0..SOURCE.len()) {
        let mut bytes = SOURCE[..length].to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        let limits = Limits { side: 512, pixels: 1 << 18 };
        if let Ok(image) = decode(&bytes, &limits) {
            assert_eq!(image.rgb.len(), image.width as usize * image.height as usize * 3);
        }
    }
}
