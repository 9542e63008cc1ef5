//! Flights, hotels and a calendar.

use jiff::civil::Date;
use rand_chacha::ChaCha8Rng;

use super::names::{AIRLINES, CITIES, ENTRIES, FAMES, HOUSES};
use super::{dice, later};
use crate::Language;

/// The content of the journey's apps, around one city and one day.
#[derive(Debug, Clone)]
pub(crate) struct Journey {
    /// Where the person lives.
    pub(crate) home: String,
    /// Where the journey goes.
    pub(crate) city: String,
    /// When it begins: a working day whose working week lies in one month. That week has no other day without an
    /// entry in the calendar.
    pub(crate) day: Date,
    /// How long it takes.
    pub(crate) nights: u32,
    /// What the hotel may cost less than, for all nights: only one near the centre does.
    pub(crate) limit: u32,
    pub(crate) flights: Vec<Flight>,
    pub(crate) hotels: Vec<Hotel>,
    /// Rooms that are booked already.
    pub(crate) rooms: Vec<Room>,
    pub(crate) entries: Vec<Entry>,
}

/// One flight from home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) id: i64,
    pub(crate) code: String,
    pub(crate) to: String,
    pub(crate) day: Date,
    /// `08:10`
    pub(crate) departs: String,
    pub(crate) arrives: String,
    pub(crate) stops: u32,
    /// In whole euros.
    pub(crate) price: u32,
}

/// One hotel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hotel {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) stars: u32,
    /// From the centre.
    pub(crate) metres: u32,
    pub(crate) breakfast: bool,
    /// Of one night, in whole euros.
    pub(crate) price: u32,
}

/// A booked room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) hotel: i64,
    pub(crate) day: Date,
    pub(crate) nights: u32,
}

/// An entry of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) title: String,
    pub(crate) day: Date,
    /// `08:30`, or empty for the whole day.
    pub(crate) time: String,
}

/// At most so many metres are near the centre.
pub(crate) const NEAR: u32 = 1000;

impl Journey {
    pub(crate) fn random(rng: &mut ChaCha8Rng, language: Language, today: Date) -> Self {
        let cities = dice::shuffled(rng, CITIES.to_vec());
        let names: Vec<String> = cities
            .iter()
            .map(|names| names[language.index()].to_owned())
            .collect();
        let (home, cities) = (&names[0], &names[1..5]);
        let day = working_day(later(today, i64::from(dice::between(rng, 6, 22))));
        let mut flights = Vec::new();
        for (place, city) in cities.iter().enumerate() {
            for offset in -2..=2 {
                let count = if place == 0 && offset == 0 {
                    dice::between(rng, 5, 7)
                } else {
                    dice::between(rng, 1, 4)
                };
                flights.extend(a_days_flights(rng, city, later(day, offset), count as usize));
            }
        }
        let mut flights = dice::shuffled(rng, flights);
        for (place, flight) in flights.iter_mut().enumerate() {
            flight.id = place as i64 + 1;
        }
        let nights = dice::between(rng, 2, 5);
        let (hotels, limit) = hotels(rng, cities, nights);
        let rooms = rooms(rng, &hotels, cities, day, nights);
        Self {
            home: home.clone(),
            city: cities[0].clone(),
            day,
            nights,
            limit,
            flights,
            hotels,
            rooms,
            entries: entries(rng, language, today, day),
        }
    }

    /// The flights to a city on a day, as the app lists them.
    pub(crate) fn flights_on(&self, city: &str, day: Date) -> Vec<&Flight> {
        let mut flights: Vec<&Flight> = self
            .flights
            .iter()
            .filter(|flight| flight.to == city && flight.day == day)
            .collect();
        flights.sort_by(|one, other| one.departs.cmp(&other.departs));
        flights
    }

    /// The cheapest direct flight to a city on a day; prices of a day differ.
    pub(crate) fn cheapest_direct(&self, city: &str, day: Date) -> Option<&Flight> {
        self.flights_on(city, day)
            .into_iter()
            .filter(|flight| flight.stops == 0)
            .min_by_key(|flight| flight.price)
    }

    /// The hotels of the city that the journey goes to.
    pub(crate) fn hotels_there(&self) -> impl Iterator<Item = &Hotel> {
        self.hotels.iter().filter(|hotel| hotel.city == self.city)
    }
}

/// The first day from this one on that is a working day and whose working week lies in one month.
fn working_day(from: Date) -> Date {
    (0..14)
        .map(|days| later(from, days))
        .find(|day| {
            let place = i64::from(day.weekday().to_monday_zero_offset());
            place < 5 && later(*day, -place).month() == later(*day, 4 - place).month()
        })
        .unwrap_or(from)
}

/// At least half of them direct, at different times and prices; the cheapest one of all has a stop, if there are many.
fn a_days_flights(rng: &mut ChaCha8Rng, city: &str, day: Date, count: usize) -> Vec<Flight> {
    let hours = dice::different(rng, count, 6, 20, 1);
    let mut prices = dice::different(rng, count, 49, 399, 7);
    prices.sort_unstable();
    let direct_from = usize::from(count > 2);
    let numbers = dice::different(rng, count, 110, 989, 1);
    (0..count)
        .map(|place| {
            let stops = if place < direct_from {
                1
            } else if place < direct_from + count.div_ceil(2) {
                0
            } else {
                dice::between(rng, 0, 1)
            };
            let minute = 5 * dice::between(rng, 0, 11);
            let takes = dice::between(rng, 75, 175) + 140 * stops;
            let arrives = hours[place] * 60 + minute + takes;
            Flight {
                id: 0,
                code: format!("{} {}", dice::pick(rng, &AIRLINES), numbers[place]),
                to: city.to_owned(),
                day,
                departs: format!("{:02}:{minute:02}", hours[place]),
                arrives: format!("{:02}:{:02}", arrives / 60 % 24, arrives % 60),
                stops,
                price: prices[place],
            }
        })
        .collect()
}

/// Hotels of all cities, and the limit that only one near the first city's centre stays under.
fn hotels(rng: &mut ChaCha8Rng, cities: &[String], nights: u32) -> (Vec<Hotel>, u32) {
    let all: Vec<String> = HOUSES
        .iter()
        .flat_map(|house| FAMES.iter().map(move |fame| format!("{house} {fame}")))
        .collect();
    let mut names = dice::shuffled(rng, all).into_iter();
    let mut hotels = Vec::new();
    let price = dice::between(rng, 60, 130);
    // Under the next full ten, or a little more.
    let limit = (price * nights / 10 + 1 + dice::between(rng, 0, 1)) * 10;
    for (place, city) in cities.iter().enumerate() {
        let count = dice::between(rng, 5, 7) as usize;
        let prices = dice::different(rng, count, 41, 240, 3);
        let near = dice::different(rng, count, 200, NEAR, 100);
        let far = dice::different(rng, count, NEAR + 300, 6200, 100);
        for at in 0..count {
            let is_near = if place == 0 { at < 3 } else { dice::one_in(rng, 2) };
            let price = match at {
                0 if place == 0 => price,
                // Near, and beyond the limit.
                1 | 2 if place == 0 => limit.div_ceil(nights) + 4 + prices[at] / 3,
                _ => prices[at],
            };
            hotels.push(Hotel {
                id: 0,
                name: names.next().unwrap_or_default(),
                city: city.clone(),
                stars: dice::between(rng, 2, 5),
                metres: if is_near {
                    near[at.min(near.len() - 1)]
                } else {
                    far[at]
                },
                breakfast: at == 3 || dice::one_in(rng, 3),
                price,
            });
        }
    }
    let mut hotels = dice::shuffled(rng, hotels);
    for (place, hotel) in hotels.iter_mut().enumerate() {
        hotel.id = place as i64 + 1;
    }
    (hotels, limit)
}

/// One room in each city, the one in the first city for the days of the journey.
fn rooms(rng: &mut ChaCha8Rng, hotels: &[Hotel], cities: &[String], day: Date, nights: u32) -> Vec<Room> {
    let mut rooms = Vec::new();
    for (place, city) in cities.iter().take(3).enumerate() {
        let there: Vec<&Hotel> = hotels.iter().filter(|hotel| hotel.city == *city).collect();
        let hotel = dice::pick(rng, &there);
        let (day, nights) = match place {
            0 => (day, nights),
            _ => (later(day, 10 * place as i64 + 1), dice::between(rng, 1, 4)),
        };
        rooms.push(Room {
            hotel: hotel.id,
            day,
            nights,
        });
    }
    dice::shuffled(rng, rooms)
}

/// Entries about the time: on each working day of the journey's week but on the day itself, and on some others.
fn entries(rng: &mut ChaCha8Rng, language: Language, today: Date, day: Date) -> Vec<Entry> {
    let place = i64::from(day.weekday().to_monday_zero_offset());
    let week: Vec<Date> = (0..5).map(|at| later(day, at - place)).collect();
    let mut days: Vec<Date> = week.iter().copied().filter(|other| *other != day).collect();
    for _ in 0..dice::between(rng, 4, 7) {
        let other = later(today, i64::from(dice::between(rng, 0, 40)));
        if !week.contains(&other) {
            days.push(other);
        }
    }
    let titles = dice::shuffled(rng, ENTRIES.to_vec());
    days.into_iter()
        .zip(titles.iter().cycle())
        .map(|(day, titles)| Entry {
            title: titles[language.index()].to_owned(),
            day,
            time: format!(
                "{:02}:{}0",
                dice::between(rng, 8, 19),
                dice::pick(rng, &["0", "3"])
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn journeys() -> impl Iterator<Item = Journey> {
        (0..200).map(|seed| {
            let mut rng = dice::seeded("journeys", seed);
            Journey::random(&mut rng, Language::English, date(2027, 5, 3))
        })
    }

    #[test]
    fn one_hotel_near_the_centre_is_under_the_limit() {
        for journey in journeys() {
            let fit: Vec<&Hotel> = journey
                .hotels_there()
                .filter(|hotel| hotel.metres <= NEAR && hotel.price * journey.nights < journey.limit)
                .collect();
            assert_eq!(fit.len(), 1, "{journey:#?}");
            assert!(
                journey.hotels_there().any(|hotel| hotel.breakfast),
                "someone wants breakfast"
            );
        }
    }

    #[test]
    fn the_cheapest_flight_has_a_stop_and_the_cheapest_direct_one_is_one() {
        for journey in journeys() {
            let flights = journey.flights_on(&journey.city, journey.day);
            let direct = journey.cheapest_direct(&journey.city, journey.day).unwrap();
            let cheapest = flights.iter().map(|flight| flight.price).min().unwrap();
            assert!(
                cheapest < direct.price,
                "a trap for those who look at prices alone"
            );
            let same = flights
                .iter()
                .filter(|flight| flight.price == direct.price)
                .count();
            assert_eq!(same, 1);
        }
    }

    #[test]
    fn one_working_day_of_the_week_is_free() {
        for journey in journeys() {
            let place = i64::from(journey.day.weekday().to_monday_zero_offset());
            let free: Vec<Date> = (0..5)
                .map(|at| later(journey.day, at - place))
                .filter(|day| journey.entries.iter().all(|entry| entry.day != *day))
                .collect();
            assert_eq!(free, [journey.day]);
        }
    }
}
