//! Goals over flights, hotels and the calendar.

use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Family, Goal};
use crate::check::{Cell, Wanted};
use crate::expert::{Deed, Plan};
use crate::text::say;
use crate::world::{Content, Flight, Journey, World, dice, some_day};
use crate::{App, AppsError, Language, Look};

/// A world and its chance, for a family and a seed.
fn world(family: Family, seed: u64) -> (ChaCha8Rng, Look, jiff::civil::Date, Journey) {
    let mut rng = dice::seeded(family.name(), seed);
    let look = Look::random(&mut rng);
    let today = some_day(&mut rng);
    let journey = Journey::random(&mut rng, look.language, today);
    (rng, look, today, journey)
}

fn no_answer() -> AppsError {
    AppsError::Asset {
        file: "the worlds",
        message: "a world has no answer to its goal".to_owned(),
    }
}

/// The row of a booked flight.
fn booking(flight: &Flight) -> Wanted {
    Wanted::added(
        App::Flights,
        "booking",
        vec![
            Cell::is(&flight.code),
            Cell::is(&flight.to),
            Cell::is(&flight.day),
        ],
    )
}

/// From the search form to the confirmation.
fn book_flight(plan: &mut Plan, journey: &Journey, flight: &Flight) -> Result<(), AppsError> {
    let language = plan.language();
    plan.fill("to", &flight.to);
    plan.fill("date", &flight.day.to_string());
    plan.search("date")?;
    let direct: Vec<String> = journey
        .flights_on(&flight.to, flight.day)
        .into_iter()
        .filter(|other| other.stops == 0)
        .map(|other| priced(other, language))
        .collect();
    plan.choose(
        "flight-",
        &format!("choose-{}", flight.id),
        "choose_flight",
        &json!({"direct": direct.join(list_comma(language)), "best": priced(flight, language)}),
    )?;
    plan.press(
        "book",
        "book_flight",
        &json!({"code": flight.code, "price": flight.price}),
    )
}

fn priced(flight: &Flight, language: Language) -> String {
    match language {
        Language::Chinese => format!("{}（{} €）", flight.code, flight.price),
        Language::French => format!("{} à {} €", flight.code, flight.price),
        Language::English => format!("{} for {} €", flight.code, flight.price),
    }
}

fn list_comma(language: Language) -> &'static str {
    match language {
        Language::Chinese => "、",
        _ => ", ",
    }
}

pub(super) fn flight(seed: u64) -> Result<Goal, AppsError> {
    let (mut rng, look, today, journey) = world(Family::Flight, seed);
    let flight = journey
        .cheapest_direct(&journey.city, journey.day)
        .ok_or_else(no_answer)?
        .clone();
    let mut plan = Plan::new(look.language, &mut rng);
    book_flight(&mut plan, &journey, &flight)?;
    let text = say(
        "goal_flight",
        look.language,
        &json!({"city": flight.to, "day": look.language.day(flight.day)}),
    )?;
    let plan: Vec<Deed> = plan.finish();
    Ok(Goal {
        family: Family::Flight,
        seed,
        text,
        start: App::Flights,
        effects: 1,
        wanted: vec![booking(&flight)],
        plan,
        world: World {
            look,
            today,
            content: Content::Journey(journey),
        },
    })
}
