//! Line charts as SVG: round numbers on the axes, names above the lines, and what each point says under the pointer.

use std::fmt::Write;

/// What is drawn.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) colour: &'a str,
    /// Step and value; what is no number is left out.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 270.0;
/// Room for numbers at the left, for names above, and for steps below.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 38.0;
/// Points of a curve; more are averaged.
const POINTS: usize = 400;
/// Points that are few enough for a dot each.
const DOTTED: usize = 60;

/// The chart, or that there is nothing to draw. The values' axis begins at zero, or below.
pub(super) fn draw(curves: &[Curve<'_>]) -> String {
    let curves: Vec<(&Curve<'_>, Vec<(f64, f64)>)> = curves
        .iter()
        .map(|curve| (curve, thin(&curve.points)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let fold = |pick: fn(&(f64, f64)) -> f64| {
        all()
            .map(pick)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            })
    };
    let ((left, right), (low, high)) = (fold(|point| point.0), fold(|point| point.1));
    if curves.is_empty() {
        return "<p>nothing yet".to_owned();
    }
    let values = Scale::over(low.min(0.0), high);
    let steps = Scale::over(left, right);
    let right = if right > left { right } else { left + 1.0 };
    let x = |at: f64| LEFT + (at - left) / (right - left) * (WIDTH - LEFT - RIGHT);
    let y =
        |at: f64| HEIGHT - BOTTOM - (at - values.low) / (values.high - values.low) * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img' font-size='12'>"
    );
    for value in values.ticks() {
        let _ = write!(
            svg,
            "<path d='M{LEFT} {0:.1}H{1}' stroke='#8883'/><text x='{2}' y='{3:.1}' text-anchor='end'>{4}</text>",
            y(value),
            WIDTH - RIGHT,
            LEFT - 7.0,
            y(value) + 4.0,
            values.text(value),
        );
    }
    for step in steps.ticks().filter(|step| (left..=right).contains(step)) {
        let _ = write!(
            svg,
            "<path d='M{0:.1} {1}v5' stroke='#888'/><text x='{0:.1}' y='{2}' text-anchor='middle'>{3}</text>",
            x(step),
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
            steps.text(step),
        );
    }
    let _ = write!(
        svg,
        "<text x='{}' y='{}' text-anchor='end' opacity='.7'>step</text>",
        WIDTH - RIGHT,
        HEIGHT - 5.0
    );
    let mut name_at = LEFT;
    for (Curve { name, colour, .. }, points) in &curves {
        let mut path = String::new();
        for (at, value) in points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x(*at), y(*value));
        }
        let _ = write!(
            svg,
            "<path d='{path}' fill='none' stroke='{colour}' stroke-width='1.7'/>"
        );
        if points.len() <= DOTTED {
            for (at, value) in points {
                let _ = write!(
                    svg,
                    "<circle cx='{:.1}' cy='{:.1}' r='2.6' fill='{colour}'><title>{name}, step {at:.0}: {value:.4}</title></circle>",
                    x(*at),
                    y(*value),
                );
            }
        }
        let _ = write!(
            svg,
            "<path d='M{name_at} 12h16' stroke='{colour}' stroke-width='3'/><text x='{}' y='16'>{name}</text>",
            name_at + 22.0,
        );
        name_at += 44.0 + 7.0 * name.len() as f64;
    }
    svg + "</svg>"
}

/// An axis: its ends, and round numbers along it.
struct Scale {
    low: f64,
    high: f64,
    /// From one round number to the next: 1, 2 or 5 times a power of ten.
    apart: f64,
}

impl Scale {
    /// An axis that holds everything from `low` to `high`, with three to six round numbers.
    fn over(low: f64, high: f64) -> Self {
        let span = if high > low { high - low } else { 1.0 };
        let power = 10.0_f64.powf((span / 4.0).log10().floor());
        let apart = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|apart| span / apart <= 5.0)
            .unwrap_or(span);
        let low = (low / apart).floor() * apart;
        let high = (high / apart).ceil() * apart;
        Self {
            low,
            high: if high > low { high } else { low + apart },
            apart,
        }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (low, apart) = (self.low, self.apart);
        let count = ((self.high - low) / apart).round() as usize;
        (0..=count).map(move |number| low + number as f64 * apart)
    }

    /// As many decimals as tell two numbers apart, and thin spaces between thousands.
    fn text(&self, value: f64) -> String {
        let decimals = (-self.apart.log10().floor()).max(0.0) as usize;
        let text = format!("{value:.decimals$}");
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        let (sign, digits) = whole.split_at(whole.len() - whole.trim_start_matches('-').len());
        let mut spaced = String::from(sign);
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
                spaced.push('\u{2009}');
            }
            spaced.push(digit);
        }
        spaced + rest
    }
}

/// Numbers alone, and neighbours averaged until few enough are left.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|(_, y)| y.is_finite()).collect();
    let group = finite.len().div_ceil(POINTS).max(1);
    let mean = |group: &[(f64, f64)]| {
        let count = group.len() as f64;
        let sum = group
            .iter()
            .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    finite.chunks(group).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(low: f64, high: f64) -> Vec<String> {
        let scale = Scale::over(low, high);
        scale.ticks().map(|tick| scale.text(tick)).collect()
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(numbers(0.0, 1.442), ["0.0", "0.5", "1.0", "1.5"]);
        assert_eq!(numbers(0.0, 96.6), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(
            numbers(0.0, 0.0897),
            ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]
        );
        assert_eq!(numbers(1.0, 12.0), ["0", "5", "10", "15"]);
        assert_eq!(numbers(-3.0, 0.0), ["-3", "-2", "-1", "0"]);
        assert_eq!(numbers(0.0, 21_000.0).last().unwrap(), "25\u{2009}000");
        // One value alone still has an axis.
        assert!(numbers(0.0, 0.0).len() > 1);
    }

    #[test]
    fn few_points_are_dots_and_many_are_averaged() {
        let curve = |count: usize| Curve {
            name: "loss",
            colour: "#000",
            points: (0..count).map(|step| (step as f64, 2.0)).collect(),
        };
        let one = draw(&[curve(1)]);
        assert!(one.contains("<circle") && one.contains("step 0: 2.0000"));
        let many = draw(&[curve(1000)]);
        assert!(!many.contains("<circle") && many.matches('L').count() < POINTS);
        assert!(draw(&[curve(0)]).contains("nothing yet"));
        let numberless = Curve {
            points: vec![(1.0, f64::NAN)],
            ..curve(0)
        };
        assert!(draw(&[numberless]).contains("nothing yet"));
    }
}
