//! Goals over flights, hotels and the calendar.

use serde_json::json;

use super::draft::{Draft, listed, priced};
use super::{Family, Goal, no_answer};
use crate::check::{Cell, Wanted};
use crate::world::{Entry, Flight, Hotel, Journey, NEAR, dice, later};
use crate::{App, AppsError};

/// From the search form of the flights to the confirmation.
fn book_flight(draft: &mut Draft, journey: &Journey, flight: &Flight) -> Result<(), AppsError> {
    let language = draft.language();
    let named = |flight: &Flight| priced(&flight.code, &format!("{} €", flight.price), language);
    let direct: Vec<String> = journey
        .flights_on(&flight.to, flight.day)
        .into_iter()
        .filter(|other| other.stops == 0)
        .map(named)
        .collect();
    draft.plan.fill("to", &flight.to);
    draft.plan.fill("date", &flight.day.to_string());
    draft.plan.search("date")?;
    draft.plan.choose(
        "flight-",
        &format!("choose-{}", flight.id),
        "choose_flight",
        &json!({"direct": listed(&direct, language), "best": named(flight), "code": flight.code}),
    )?;
    draft.plan.press(
        "book",
        "book_flight",
        &json!({"code": flight.code, "price": flight.price}),
    )?;
    draft.effect();
    draft.want(Wanted::added(
        App::Flights,
        "booking",
        vec![
            Cell::is(&flight.code),
            Cell::is(&flight.to),
            Cell::is(&flight.day),
        ],
    ));
    Ok(())
}

/// From the search form of the hotels to the confirmation. `sentence` says why it is this hotel.
fn reserve(
    draft: &mut Draft,
    journey: &Journey,
    hotel: &Hotel,
    sentence: &str,
    data: &serde_json::Value,
) -> Result<(), AppsError> {
    draft.plan.fill("where", &hotel.city);
    draft.plan.fill("date", &journey.day.to_string());
    draft.plan.fill("nights", &journey.nights.to_string());
    draft.plan.search("nights")?;
    draft
        .plan
        .choose("hotel-", &format!("choose-{}", hotel.id), sentence, data)?;
    let total = hotel.price * journey.nights;
    draft
        .plan
        .press("book", "reserve", &json!({"hotel": hotel.name, "total": total}))?;
    draft.effect();
    draft.want(Wanted::added(
        App::Hotels,
        "booking",
        vec![
            Cell::is(&hotel.name),
            Cell::is(&hotel.city),
            Cell::is(&journey.day),
            Cell::is(&journey.nights),
        ],
    ));
    Ok(())
}

/// The one hotel near the centre under the limit.
fn near_hotel(journey: &Journey) -> Result<Hotel, AppsError> {
    journey
        .hotels_there()
        .find(|hotel| hotel.metres <= NEAR && hotel.price * journey.nights < journey.limit)
        .cloned()
        .ok_or_else(no_answer)
}

/// From a confirmation into the calendar, by the page's own link.
fn add_to_calendar(
    draft: &mut Draft,
    what: &str,
    day: jiff::civil::Date,
    time: &str,
) -> Result<(), AppsError> {
    draft
        .plan
        .press("add-to-calendar", "add_to_calendar", &json!({"what": what}))?;
    draft.plan.press("save", "save_entry", &json!({"what": what}))?;
    let time = match time {
        "" => Cell::Any,
        time => Cell::OneOf(vec![time.to_owned(), String::new()]),
    };
    draft.want(Wanted::added(
        App::Calendar,
        "entry",
        vec![Cell::Holds(what.to_owned()), Cell::is(&day), time],
    ));
    Ok(())
}

fn cheapest(journey: &Journey) -> Result<Flight, AppsError> {
    journey
        .cheapest_direct(&journey.city, journey.day)
        .cloned()
        .ok_or_else(no_answer)
}

pub(super) fn flight(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Flight, seed);
    let journey = draft.journey()?;
    let flight = cheapest(&journey)?;
    book_flight(&mut draft, &journey, &flight)?;
    let data = json!({"city": flight.to, "day": draft.language().day(flight.day)});
    draft.finish(App::Flights, "goal_flight", &data)
}

pub(super) fn hotel(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Hotel, seed);
    let language = draft.language();
    let journey = draft.journey()?;
    let near = dice::one_in(&mut draft.rng, 2);
    let (hotel, sentence) = if near {
        (near_hotel(&journey)?, "near")
    } else {
        let cheapest = journey
            .hotels_there()
            .filter(|hotel| hotel.breakfast)
            .min_by_key(|hotel| hotel.price);
        (cheapest.cloned().ok_or_else(no_answer)?, "breakfast")
    };
    let with_breakfast: Vec<String> = journey
        .hotels_there()
        .filter(|hotel| hotel.breakfast)
        .map(|hotel| priced(&hotel.name, &format!("{} €", hotel.price), language))
        .collect();
    let data = json!({
        "city": journey.city, "day": language.day(journey.day), "nights": journey.nights, "limit": journey.limit,
        "hotel": hotel.name, "total": hotel.price * journey.nights, "list": listed(&with_breakfast, language),
    });
    reserve(
        &mut draft,
        &journey,
        &hotel,
        &format!("choose_hotel_{sentence}"),
        &data,
    )?;
    draft.finish(App::Hotels, &format!("goal_hotel_{sentence}"), &data)
}

pub(super) fn entry(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Entry, seed);
    let journey = draft.journey()?;
    let Entry { title, .. } = dice::pick(&mut draft.rng, &journey.entries).clone();
    let day = later(journey.day, i64::from(dice::between(&mut draft.rng, 0, 9)));
    let time = format!("{:02}:15", dice::between(&mut draft.rng, 8, 19));
    let data = json!({"title": title, "day": draft.language().day(day), "time": time});
    draft.plan.press("new", "new_entry", &data)?;
    draft.plan.fill("title", &title);
    draft.plan.fill("date", &day.to_string());
    draft.plan.fill("time", &time);
    draft.plan.press("save", "save_entry", &json!({"what": title}))?;
    draft.want(Wanted::added(
        App::Calendar,
        "entry",
        vec![Cell::is(&title), Cell::is(&day), Cell::is(&time)],
    ));
    draft.finish(App::Calendar, "goal_entry", &data)
}

pub(super) fn trip(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Trip, seed);
    let language = draft.language();
    let journey = draft.journey()?;
    let flight = cheapest(&journey)?;
    book_flight(&mut draft, &journey, &flight)?;
    add_to_calendar(&mut draft, &flight.code, flight.day, &flight.departs)?;
    let hotel = near_hotel(&journey)?;
    let data = json!({
        "city": journey.city, "day": language.day(journey.day), "nights": journey.nights, "limit": journey.limit,
        "hotel": hotel.name, "total": hotel.price * journey.nights,
    });
    draft.go(App::Hotels, "next_hotel", &data)?;
    reserve(&mut draft, &journey, &hotel, "choose_hotel_near", &data)?;
    add_to_calendar(&mut draft, &hotel.name, journey.day, "")?;
    draft.finish(App::Flights, "goal_trip", &data)
}

pub(super) fn other_hotel(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::OtherHotel, seed);
    let language = draft.language();
    let journey = draft.journey()?;
    let (place, room, old) = journey
        .rooms
        .iter()
        .enumerate()
        .find_map(|(place, room)| {
            let hotel = journey.hotels.iter().find(|hotel| hotel.id == room.hotel)?;
            (hotel.city == journey.city).then_some((place, room, hotel.clone()))
        })
        .ok_or_else(no_answer)?;
    let others: Vec<&Hotel> = journey
        .hotels_there()
        .filter(|hotel| hotel.id != old.id)
        .collect();
    let hotel = (*dice::pick(&mut draft.rng, &others)).clone();
    let data = json!({
        "city": journey.city, "day": language.day(room.day), "nights": room.nights, "old": old.name,
        "hotel": hotel.name, "total": hotel.price * room.nights,
    });
    draft.plan.press("bookings", "see_bookings", &data)?;
    draft.plan.choose(
        "booking-",
        &format!("cancel-{}", place + 1),
        "cancel_hotel",
        &data,
    )?;
    draft.effect();
    draft.want(Wanted::removed(
        App::Hotels,
        "booking",
        vec![
            Cell::is(&old.name),
            Cell::is(&old.city),
            Cell::is(&room.day),
            Cell::is(&room.nights),
        ],
    ));
    draft.plan.press("home", "to_search", &data)?;
    reserve(&mut draft, &journey, &hotel, "choose_hotel_named", &data)?;
    draft.finish(App::Hotels, "goal_other_hotel", &data)
}

pub(super) fn free_day(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::FreeDay, seed);
    let language = draft.language();
    let journey = draft.journey()?;
    let monday = later(
        journey.day,
        -i64::from(journey.day.weekday().to_monday_zero_offset()),
    );
    let data = json!({
        "city": journey.city, "day": language.day(journey.day), "monday": language.day(monday),
        "friday": language.day(later(monday, 4)),
    });
    if draft.today().month() != journey.day.month() {
        draft.plan.press("next", "next_month", &data)?;
    }
    draft.go(App::Flights, "free_day_found", &data)?;
    let flight = cheapest(&journey)?;
    book_flight(&mut draft, &journey, &flight)?;
    add_to_calendar(&mut draft, &flight.code, flight.day, &flight.departs)?;
    draft.finish(App::Calendar, "goal_free_day", &data)
}
