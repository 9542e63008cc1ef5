use std::collections::HashSet;

use aurore_action::Rect;

use super::*;

const SMALL: Size = Size {
    width: 160,
    height: 210,
};

fn draw(seed: u64) -> Drawing {
    Drawing::new(seed, SMALL, Density::Mixed, &Fonts::bundled()).unwrap()
}

#[test]
fn a_seed_gives_one_screen() {
    let (one, again, other) = (draw(7), draw(7), draw(8));
    assert_eq!(
        (&one.rgb, &one.widgets, &one.lessons),
        (&again.rgb, &again.widgets, &again.lessons)
    );
    assert_ne!(one.rgb, other.rgb);
}

#[test]
fn widgets_are_drawn_where_they_are_said_to_be() {
    for seed in 0..60 {
        let drawing = draw(seed);
        assert!(!drawing.widgets.is_empty(), "{seed}");
        for widget in &drawing.widgets {
            let Rect { x, y, width, height } = widget.bounds;
            assert!(
                x >= 0 && y >= 0 && x + width as i32 <= 160 && y + height as i32 <= 210,
                "{seed}: {widget:?}"
            );
            // Something of it differs from its own corner.
            let pixel = |x: i32, y: i32| {
                let at = 3 * (y as usize * 160 + x as usize);
                &drawing.rgb[at..at + 3]
            };
            let colours: HashSet<_> = (y..y + height as i32)
                .flat_map(|y| (x..x + width as i32).map(move |x| (x, y)))
                .map(|(x, y)| pixel(x, y))
                .collect();
            assert!(colours.len() > 1, "{seed}: {widget:?} is one colour");
        }
    }
}

#[test]
fn a_question_has_one_answer() {
    let mut kinds = HashSet::new();
    for seed in 0..70 {
        let drawing = draw(seed);
        let mut goals = HashSet::new();
        for lesson in &drawing.lessons {
            assert!(goals.insert(&lesson.goal), "{seed}: {} twice", lesson.goal);
            match &lesson.answer {
                Answer::Click(at) => {
                    kinds.insert("click");
                    assert!(lesson.target.contains(*at));
                    // What is named by its label has it alone among its kind.
                    let named: Vec<_> = drawing
                        .widgets
                        .iter()
                        .filter(|widget| {
                            lesson.goal == format!("Click the {} {}.", widget.role.name(), widget.label)
                        })
                        .collect();
                    assert!(named.len() <= 1, "{seed}: {}", lesson.goal);
                }
                Answer::Say(text) => {
                    kinds.insert("say");
                    assert!(!text.is_empty());
                }
            }
        }
    }
    assert_eq!(kinds.len(), 2);
}

#[test]
fn every_language_is_drawn_and_sizes_are_checked() {
    let fonts = Fonts::bundled();
    let languages: HashSet<_> = (0..200)
        .map(|seed| {
            Drawing::new(seed, SMALL, Density::Mixed, &fonts)
                .unwrap()
                .language
        })
        .collect();
    assert_eq!(languages.len(), LANGUAGES.len());
    let size = Size {
        width: 10,
        height: 5000,
    };
    assert!(
        Drawing::new(1, size, Density::Mixed, &fonts)
            .unwrap_err()
            .to_string()
            .contains("64 to 4096")
    );
}

#[test]
fn questions_are_answered_by_the_screen() {
    let mut asked = HashSet::new();
    for seed in 0..60 {
        let drawing = draw(seed);
        let questions = questions(seed, &drawing.widgets, SMALL);
        assert_eq!(questions, super::questions(seed, &drawing.widgets, SMALL));
        for Question { ask, answer, .. } in &questions {
            asked.insert(ask.split(' ').next().unwrap().to_owned());
            if let Some(names) = ask.strip_prefix("Where are ") {
                let names: Vec<&str> = names.trim_end_matches('?').split("; ").collect();
                assert_eq!(answer.lines().count(), names.len(), "{seed}: {ask}");
                for (name, line) in names.iter().zip(answer.lines()) {
                    let (text, place) = line.rsplit_once(" [").unwrap();
                    assert_eq!(text, *name);
                    let (x, y) = place.trim_end_matches(']').split_once(", ").unwrap();
                    let at = aurore_action::from_grid(x.parse().unwrap(), y.parse().unwrap(), SMALL);
                    let there = drawing.widgets.iter().any(|widget| {
                        widget.bounds.contains(at)
                            && (widget.label == text || widget.value.as_deref() == Some(text))
                    });
                    assert!(there, "{seed}: {line}");
                }
            }
        }
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn sparse_screens_have_little_on_them() {
    let fonts = Fonts::bundled();
    let count = |density| -> usize {
        (0..40)
            .map(|seed| Drawing::new(seed, SMALL, density, &fonts).unwrap().widgets.len())
            .sum()
    };
    assert!(2 * count(Density::Sparse) < count(Density::Mixed));
}

#[test]
fn shapes_are_counted_and_text_runs() {
    let (mut numbers, mut links, mut lines) = (HashSet::new(), 0, 0);
    for seed in 0..400 {
        let drawing = draw(seed);
        for lesson in &drawing.lessons {
            let Some(asked) = lesson.goal.strip_prefix("How many ") else {
                continue;
            };
            let asked = asked.strip_suffix("s are there?").unwrap();
            let is_meant = |label: &str| {
                asked.split(' ').all(|word| match word {
                    "thing" => true,
                    "digit" => label.ends_with(|last: char| last.is_ascii_digit()),
                    "letter" => {
                        label.rsplit_once(' ').unwrap().1.chars().all(char::is_alphabetic)
                            && label.rsplit_once(' ').unwrap().1.len() == 1
                    }
                    word => label.split(' ').any(|part| part == word),
                })
            };
            let shapes = drawing.widgets.iter().filter(|widget| widget.role == Role::Shape);
            let number = shapes.filter(|widget| is_meant(&widget.label)).count();
            assert_eq!(
                lesson.answer,
                Answer::Say(number.to_string()),
                "{seed}: {}",
                lesson.goal
            );
            numbers.insert(number);
        }
        let links_here = drawing.widgets.iter().filter(|widget| widget.role == Role::Link);
        links += usize::from(links_here.count() > 3);
        let is_line = |widget: &&Widget| widget.role == Role::Text && widget.label.contains(' ');
        lines += drawing.widgets.iter().filter(is_line).count();
    }
    assert!(
        numbers.contains(&1) && numbers.iter().any(|number| *number > 2),
        "{numbers:?}"
    );
    assert!(links > 0 && lines > 0);
}

#[test]
fn words_are_where_their_letters_are_drawn() {
    let fonts = Fonts::bundled();
    let (mut found, mut spaced) = (0, 0);
    for seed in 0..40 {
        let drawing = Drawing::new(seed, SMALL, Density::Full, &fonts).unwrap();
        for word in &drawing.words {
            let [left, top, width, height] = word.bounds;
            // Letters leave more than one colour in their box.
            let row = (top + height / 2.0) as usize;
            let pixels = (left as usize..(left + width) as usize).filter_map(|x| {
                let at = 3 * (row * SMALL.width as usize + x);
                drawing.rgb.get(at..at + 3)
            });
            let colours: HashSet<&[u8]> = pixels.collect();
            assert!(colours.len() > 1 || width < 4.0, "{seed}: {word:?}");
            spaced += usize::from(word.text.starts_with(' '));
        }
        let whole: String = drawing.words.iter().map(|word| word.text.as_str()).collect();
        for widget in drawing
            .widgets
            .iter()
            // What closes a dialog is drawn, not written.
            .filter(|widget| widget.role == Role::Button && widget.label != "×")
        {
            assert!(whole.contains(&widget.label), "{seed}: {widget:?} in {whole}");
            found += 1;
        }
    }
    assert!(found > 20 && spaced > 20, "{found} {spaced}");
}
