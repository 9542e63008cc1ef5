//! A warehouse, its suppliers and its carriers.

use jiff::civil::Date;
use rand_chacha::ChaCha8Rng;

use super::names::{ARTICLES, CITIES, SERVICES, SUPPLIERS};
use super::{dice, later};
use crate::Language;

/// The content of the supply chain's apps.
#[derive(Debug, Clone)]
pub(crate) struct Supply {
    pub(crate) articles: Vec<Article>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) orders: Vec<Order>,
    pub(crate) services: Vec<Service>,
    pub(crate) shipments: Vec<Shipment>,
    /// Where parcels go.
    pub(crate) cities: Vec<String>,
}

/// Something in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Article {
    pub(crate) id: i64,
    /// `A-1043`
    pub(crate) number: String,
    pub(crate) name: String,
    /// `C4`
    pub(crate) shelf: String,
    pub(crate) pieces: u32,
    /// Fewer pieces than these are too few.
    pub(crate) least: u32,
}

/// What a supplier wants for an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) id: i64,
    pub(crate) supplier: String,
    /// Number of the article in the database.
    pub(crate) article: i64,
    /// Of one piece, in cents.
    pub(crate) cents: u32,
    /// Days until it is there.
    pub(crate) days: u32,
}

/// An order that was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: i64,
    /// `PO-1043`
    pub(crate) number: String,
    pub(crate) supplier: String,
    pub(crate) article: i64,
    pub(crate) quantity: u32,
    /// `open`, `received` or `cancelled`.
    pub(crate) status: &'static str,
}

/// What a carrier offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Of a parcel, in cents,
    pub(crate) base: u32,
    /// and of each kilogram.
    pub(crate) each: u32,
    pub(crate) days: u32,
}

/// A parcel on its way, or there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shipment {
    pub(crate) to: String,
    pub(crate) kilograms: u32,
    pub(crate) service: i64,
    pub(crate) reference: String,
    /// `moving` or `delivered`.
    pub(crate) status: &'static str,
    pub(crate) day: Date,
}

impl Service {
    /// Price of a parcel in cents.
    pub(crate) fn price(&self, kilograms: u32) -> u32 {
        self.base + self.each * kilograms
    }
}

impl Supply {
    pub(crate) fn random(rng: &mut ChaCha8Rng, language: Language, today: Date) -> Self {
        let named = |names: &[&str; 3]| names[language.index()].to_owned();
        let names = dice::shuffled(rng, ARTICLES.iter().map(named).collect());
        let cities = dice::shuffled(rng, CITIES.iter().map(named).collect());
        let articles = articles(rng, names);
        let suppliers = dice::shuffled(rng, SUPPLIERS.iter().map(|name| (*name).to_owned()).collect());
        let suppliers = suppliers[..6].to_vec();
        let offers = offers(rng, &articles, &suppliers);
        let orders = orders(rng, &articles, &offers);
        let services = services(rng);
        let shipments = shipments(rng, &orders, &services, &cities, today);
        Self {
            articles,
            offers,
            orders,
            services,
            shipments,
            cities,
        }
    }

    /// The one article of which there are too few pieces.
    pub(crate) fn short(&self) -> Option<&Article> {
        self.articles
            .iter()
            .find(|article| article.pieces < article.least)
    }

    pub(crate) fn article(&self, id: i64) -> Option<&Article> {
        self.articles.iter().find(|article| article.id == id)
    }

    /// The offers for an article, as the app lists them.
    pub(crate) fn offers_for(&self, article: i64) -> Vec<&Offer> {
        let mut offers: Vec<&Offer> = self
            .offers
            .iter()
            .filter(|offer| offer.article == article)
            .collect();
        offers.sort_by(|one, other| one.supplier.cmp(&other.supplier));
        offers
    }

    /// The open order whose parcel is delivered.
    pub(crate) fn arrived(&self) -> Option<&Order> {
        self.orders.iter().find(|order| {
            order.status == "open"
                && self
                    .shipments
                    .iter()
                    .any(|shipment| shipment.reference == order.number && shipment.status == "delivered")
        })
    }
}

fn articles(rng: &mut ChaCha8Rng, names: Vec<String>) -> Vec<Article> {
    let count = dice::between(rng, 8, 10) as usize;
    let short = dice::between(rng, 0, count as u32 - 1) as usize;
    let numbers = dice::different(rng, count, 1010, 1990, 3);
    names
        .into_iter()
        .take(count)
        .enumerate()
        .map(|(place, name)| {
            let least = 10 * dice::between(rng, 2, 12);
            let pieces = if place == short {
                dice::between(rng, 1, least - 1)
            } else {
                least + dice::between(rng, 0, 160)
            };
            Article {
                id: place as i64 + 1,
                number: format!("A-{}", numbers[place]),
                name,
                shelf: format!(
                    "{}{}",
                    dice::pick(rng, &["A", "B", "C", "D"]),
                    dice::between(rng, 1, 9)
                ),
                pieces,
                least,
            }
        })
        .collect()
}

/// Four to six suppliers of each article, at different prices; the cheapest takes longest.
fn offers(rng: &mut ChaCha8Rng, articles: &[Article], suppliers: &[String]) -> Vec<Offer> {
    let mut offers = Vec::new();
    for article in articles {
        let count = dice::between(rng, 4, 6) as usize;
        let mut prices = dice::different(rng, count, 120, 2400, 5);
        prices.sort_unstable();
        let suppliers = dice::shuffled(rng, suppliers.to_vec());
        for (place, (cents, supplier)) in prices.into_iter().zip(suppliers).enumerate() {
            let days = match place {
                0 => dice::between(rng, 9, 14),
                1 => dice::between(rng, 3, 6),
                _ => dice::between(rng, 2, 12),
            };
            offers.push(Offer {
                id: offers.len() as i64 + 1,
                supplier,
                article: article.id,
                cents,
                days,
            });
        }
    }
    offers
}

/// Five orders of different articles: two received, three open.
fn orders(rng: &mut ChaCha8Rng, articles: &[Article], offers: &[Offer]) -> Vec<Order> {
    let numbers = dice::different(rng, 5, 1001, 1099, 1);
    let articles = dice::shuffled(rng, articles.to_vec());
    let statuses = dice::shuffled(rng, vec!["open", "open", "open", "received", "received"]);
    numbers
        .into_iter()
        .zip(articles)
        .zip(statuses)
        .enumerate()
        .map(|(place, ((number, article), status))| {
            let offers: Vec<&Offer> = offers
                .iter()
                .filter(|offer| offer.article == article.id)
                .collect();
            Order {
                id: place as i64 + 1,
                number: format!("PO-{number}"),
                supplier: dice::pick(rng, &offers).supplier.clone(),
                article: article.id,
                quantity: 10 * dice::between(rng, 2, 30),
                status,
            }
        })
        .collect()
}

/// Services at different prices for every weight; the faster, the dearer.
fn services(rng: &mut ChaCha8Rng) -> Vec<Service> {
    let names = dice::shuffled(rng, SERVICES.to_vec());
    let count = dice::between(rng, 5, 7) as usize;
    let mut bases = dice::different(rng, count, 450, 3900, 50);
    bases.sort_unstable();
    let mut all: Vec<Service> = bases
        .into_iter()
        .enumerate()
        .map(|(place, base)| Service {
            id: 0,
            name: names[place].join(" "),
            base,
            // Rising with the base, so that no two prices meet.
            each: 40 + 15 * place as u32,
            days: (count - place) as u32 + dice::between(rng, 0, 1),
        })
        .collect();
    all = dice::shuffled(rng, all);
    for (place, service) in all.iter_mut().enumerate() {
        service.id = place as i64 + 1;
    }
    all
}

/// A parcel of each order: those that were received are delivered, and so is one of the open ones.
fn shipments(
    rng: &mut ChaCha8Rng,
    orders: &[Order],
    services: &[Service],
    cities: &[String],
    today: Date,
) -> Vec<Shipment> {
    let open: Vec<&Order> = orders.iter().filter(|order| order.status == "open").collect();
    let arrived = dice::pick(rng, &open).number.clone();
    let shipments = orders
        .iter()
        .map(|order| Shipment {
            to: cities[0].clone(),
            kilograms: dice::between(rng, 2, 40),
            service: dice::pick(rng, services).id,
            reference: order.number.clone(),
            status: if order.status == "received" || order.number == arrived {
                "delivered"
            } else {
                "moving"
            },
            day: later(today, -i64::from(dice::between(rng, 1, 9))),
        })
        .collect();
    dice::shuffled(rng, shipments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn each_question_has_one_answer() {
        for seed in 0..200 {
            let mut rng = dice::seeded("supplies", seed);
            let supply = Supply::random(&mut rng, Language::English, date(2027, 5, 3));
            let short = supply
                .articles
                .iter()
                .filter(|article| article.pieces < article.least);
            assert_eq!(short.count(), 1);
            assert!(supply.arrived().is_some());
            for article in &supply.articles {
                let offers = supply.offers_for(article.id);
                let cheapest = offers.iter().map(|offer| offer.cents).min().unwrap();
                assert_eq!(offers.iter().filter(|offer| offer.cents == cheapest).count(), 1);
            }
            for kilograms in [1, 20, 60] {
                let mut prices: Vec<u32> = supply
                    .services
                    .iter()
                    .map(|service| service.price(kilograms))
                    .collect();
                prices.sort_unstable();
                prices.dedup();
                assert_eq!(prices.len(), supply.services.len());
            }
        }
    }
}
