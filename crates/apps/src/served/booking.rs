//! What the apps that keep bookings share.

use crate::web::{Answer, Refusal, Visit};

/// Takes a booking back.
pub(super) fn cancel(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("booking")?;
    match visit.db.execute("DELETE FROM booking WHERE id = ?", [id])? {
        0 => Err(Refusal::missing()),
        _ => Ok(Answer::Seen("/bookings".to_owned())),
    }
}

/// What a person is told to remember: five letters and digits that look like a code.
pub(super) fn reference(booking: i64) -> String {
    const LETTERS: &[u8] = b"ACDEFGHJKLMNPQRTUVWXY3479";
    let mut number = booking.unsigned_abs().wrapping_mul(2_654_435_761) % 9_765_625;
    (0..5)
        .map(|_| {
            let letter = LETTERS[(number % 25) as usize];
            number /= 25;
            char::from(letter)
        })
        .collect()
}
