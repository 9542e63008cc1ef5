//! Flights, hotels and a calendar.

use jiff::civil::Date;
use rand_chacha::ChaCha8Rng;

use super::names::{AIRLINES, CITIES};
use super::{dice, later};
use crate::Language;

/// The content of the journey's apps, around one city and one day.
#[derive(Debug, Clone)]
pub(crate) struct Journey {
    /// Where the person lives.
    pub(crate) home: String,
    /// Where the journey goes.
    pub(crate) city: String,
    /// When it begins.
    pub(crate) day: Date,
    pub(crate) flights: Vec<Flight>,
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

impl Journey {
    pub(crate) fn random(rng: &mut ChaCha8Rng, language: Language, today: Date) -> Self {
        let cities = dice::shuffled(rng, CITIES.to_vec());
        let names: Vec<String> = cities
            .iter()
            .map(|names| names[language.index()].to_owned())
            .collect();
        let (home, cities) = (&names[0], &names[1..5]);
        let day = later(today, i64::from(dice::between(rng, 6, 25)));
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
        Self {
            home: home.clone(),
            city: cities[0].clone(),
            day,
            flights,
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
