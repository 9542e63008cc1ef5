//! The likeliest of a vocabulary, most of which is only glanced at.

use toktrie::SimpleVob;

/// Logits that are looked at together: first for their largest, then, if need be, one by one.
const STRETCH: usize = 1024;

/// The tokens that may be drawn, with their logits.
pub(super) fn possible<'l>(
    logits: &'l [f32],
    allowed: Option<&'l SimpleVob>,
) -> impl Iterator<Item = (f32, u32)> + 'l {
    let all = logits.iter().copied().zip(0u32..);
    all.filter(move |(logit, id)| logit.is_finite() && permits(allowed, *id))
}

/// Puts the `count` likeliest tokens into `candidates`, likeliest first, lower ids first among equals. Whether these
/// are all that there are. Most of a vocabulary is only glanced at.
pub(super) fn keep_likeliest(
    logits: &[f32],
    allowed: Option<&SimpleVob>,
    count: usize,
    candidates: &mut Vec<(f32, u32)>,
) -> bool {
    let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let room = count.saturating_mul(4).max(STRETCH);
    candidates.clear();
    // The least of `count` that are at hand: who is no greater and comes later is none of the likeliest.
    let mut least = None;
    for (stretch, start) in logits.chunks(STRETCH).zip((0u32..).step_by(STRETCH)) {
        if least.is_some_and(|least| largest(stretch) <= least) {
            continue;
        }
        for (logit, id) in stretch.iter().copied().zip(start..) {
            let counts = logit.is_finite() && least.is_none_or(|least| logit > least);
            if counts && permits(allowed, id) {
                candidates.push((logit, id));
            }
        }
        if candidates.len() >= room {
            candidates.select_nth_unstable_by(count - 1, order);
            candidates.truncate(count);
            least = Some(candidates[count - 1].0);
        }
    }
    let are_all = least.is_none() && candidates.len() <= count;
    if candidates.len() > count {
        candidates.select_nth_unstable_by(count - 1, order);
        candidates.truncate(count);
    }
    candidates.sort_unstable_by(order);
    are_all
}

fn permits(allowed: Option<&SimpleVob>, id: u32) -> bool {
    allowed.is_none_or(|set| (id as usize) < set.len() && set.is_allowed(id))
}

/// The likeliest token that is allowed; of equals, the one with the lowest id.
pub(super) fn greedy(logits: &[f32], allowed: Option<&SimpleVob>) -> Option<u32> {
    if allowed.is_none() {
        return likeliest(logits);
    }
    let mut best: Option<(f32, u32)> = None;
    for (logit, id) in logits.iter().zip(0u32..) {
        let better = best.is_none_or(|(largest, _)| *logit > largest);
        if better && logit.is_finite() && permits(allowed, id) {
            best = Some((*logit, id));
        }
    }
    best.map(|(_, id)| id)
}

/// The first of the largest finite logits.
fn likeliest(logits: &[f32]) -> Option<u32> {
    let (mut best, mut place) = (f32::NEG_INFINITY, None);
    for (number, stretch) in logits.chunks(STRETCH).enumerate() {
        let largest = largest(stretch);
        if largest > best {
            (best, place) = (largest, Some(number * STRETCH));
        }
    }
    let place = place?;
    let within = logits[place..].iter().position(|logit| *logit == best)?;
    u32::try_from(place + within).ok()
}

/// The largest finite logit, or negative infinity. Lane by lane, so that it becomes vector instructions.
fn largest(logits: &[f32]) -> f32 {
    const LANES: usize = 16;
    let greater = |a: f32, b: f32| if b > a && b < f32::INFINITY { b } else { a };
    let mut most = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = logits.as_chunks::<LANES>();
    for logits in whole {
        for (most, logit) in most.iter_mut().zip(logits) {
            *most = greater(*most, *logit);
        }
    }
    most.into_iter()
        .chain(rest.iter().copied())
        .fold(f32::NEG_INFINITY, greater)
}
