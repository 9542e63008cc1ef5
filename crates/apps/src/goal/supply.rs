//! Goals over stock, suppliers and shipping.

use serde_json::{Value as Json, json};

use super::draft::{Draft, listed, priced};
use super::{Family, Goal, no_answer};
use crate::check::{Cell, Wanted};
use crate::served::euros;
use crate::world::{Article, Offer, Order, Supply, dice};
use crate::{App, AppsError};

/// The count of an article becomes another one.
fn want_pieces(draft: &mut Draft, article: &Article, pieces: u32) {
    let row = |pieces: u32| {
        vec![
            Cell::is(&article.number),
            Cell::is(&article.name),
            Cell::is(&pieces),
        ]
    };
    draft.want(Wanted::removed(App::Stock, "article", row(article.pieces)));
    draft.want(Wanted::added(App::Stock, "article", row(pieces)));
}

/// An order that is there already, as the checker sees it.
fn order_row(supply: &Supply, order: &Order, status: &str) -> Vec<Cell> {
    let article = supply
        .article(order.article)
        .map_or("", |article| article.name.as_str());
    vec![
        Cell::is(&order.number),
        Cell::is(&order.supplier),
        Cell::is(&article),
        Cell::is(&order.quantity),
        Cell::is(&status),
    ]
}

/// An order's status becomes another one.
fn want_status(draft: &mut Draft, supply: &Supply, order: &Order, status: &str) {
    draft.want(Wanted::removed(
        App::Suppliers,
        "order",
        order_row(supply, order, order.status),
    ));
    draft.want(Wanted::added(
        App::Suppliers,
        "order",
        order_row(supply, order, status),
    ));
}

/// From the list of the stock to a corrected count.
fn correct(draft: &mut Draft, article: &Article, pieces: u32) -> Result<(), AppsError> {
    let data = json!({"article": article.name, "old": article.pieces, "pieces": pieces});
    draft
        .plan
        .press(&format!("article-{}", article.id), "open_article", &data)?;
    draft.plan.fill("pieces", &pieces.to_string());
    draft.plan.press("save", "save_count", &data)?;
    want_pieces(draft, article, pieces);
    Ok(())
}

/// From the search form of the suppliers to an order. `sentence` says why it is this offer.
fn place_order(
    draft: &mut Draft,
    article: &Article,
    offer: &Offer,
    quantity: u32,
    sentence: &str,
    data: &Json,
) -> Result<(), AppsError> {
    draft.plan.fill("article", &article.name);
    draft.plan.search("article")?;
    draft
        .plan
        .choose("offer-", &format!("choose-{}", offer.id), sentence, data)?;
    draft.plan.fill("quantity", &quantity.to_string());
    draft.plan.press(
        "order",
        "place_order",
        &json!({"supplier": offer.supplier, "article": article.name, "quantity": quantity}),
    )?;
    draft.effect();
    draft.want(Wanted::added(
        App::Suppliers,
        "order",
        vec![
            Cell::Any,
            Cell::is(&offer.supplier),
            Cell::is(&article.name),
            Cell::is(&quantity),
            Cell::is(&"open"),
        ],
    ));
    Ok(())
}

/// Offers at their prices, in words.
fn offers_in_words(offers: &[&Offer], draft: &Draft) -> String {
    let language = draft.language();
    let named = |offer: &&Offer| priced(&offer.supplier, &euros(i64::from(offer.cents)), language);
    listed(&offers.iter().map(named).collect::<Vec<_>>(), language)
}

/// The cheapest offer that is there within some days, chosen so that it is not the cheapest of all.
fn soon_and_cheap(supply: &Supply, article: &Article) -> Result<(Offer, u32), AppsError> {
    let mut offers = supply.offers_for(article.id);
    offers.sort_by_key(|offer| offer.cents);
    let best = offers.get(1).ok_or_else(no_answer)?;
    let first = offers.first().ok_or_else(no_answer)?;
    // Just before the cheapest one would be there too.
    Ok(((*best).clone(), best.days.max(first.days.saturating_sub(2))))
}

/// The parcel of a goal: where it goes, what it weighs, and the service that is right for it.
struct Parcel {
    to: String,
    kilograms: u32,
    days: u32,
    service: i64,
    service_name: String,
    in_words: String,
}

impl Parcel {
    fn random(draft: &mut Draft, supply: &Supply) -> Result<Self, AppsError> {
        let language = draft.language();
        let to = dice::pick(&mut draft.rng, &supply.cities[1..6]).clone();
        let kilograms = dice::between(&mut draft.rng, 3, 45);
        let mut days: Vec<u32> = supply.services.iter().map(|service| service.days).collect();
        days.sort_unstable();
        // Two or three services are fast enough.
        let days = days[days.len() / 2];
        let mut fit: Vec<_> = supply
            .services
            .iter()
            .filter(|service| service.days <= days)
            .collect();
        fit.sort_by_key(|service| service.price(kilograms));
        let best = fit.first().ok_or_else(no_answer)?;
        let named = |service: &&crate::world::Service| {
            priced(
                &service.name,
                &euros(i64::from(service.price(kilograms))),
                language,
            )
        };
        Ok(Self {
            to,
            kilograms,
            days,
            service: best.id,
            service_name: best.name.clone(),
            in_words: listed(&fit.iter().map(named).collect::<Vec<_>>(), language),
        })
    }

    fn data(&self, reference: &str) -> Json {
        json!({"to": self.to, "kilograms": self.kilograms, "days": self.days, "service": self.service_name,
            "list": self.in_words, "reference": reference})
    }

    /// From the form to the booked shipment.
    fn send(&self, draft: &mut Draft, reference: &str) -> Result<(), AppsError> {
        let data = self.data(reference);
        draft.plan.fill("to", &self.to);
        draft.plan.fill("kilograms", &self.kilograms.to_string());
        if !reference.is_empty() {
            draft.plan.fill("reference", reference);
        }
        draft.plan.press("search", "press_quotes", &data)?;
        draft.plan.choose(
            "quote-",
            &format!("choose-{}", self.service),
            "choose_service",
            &data,
        )?;
        draft.plan.press("book", "book_shipment", &data)?;
        draft.effect();
        draft.want(Wanted::added(
            App::Shipping,
            "shipment",
            vec![
                Cell::Any,
                Cell::is(&self.to),
                Cell::is(&self.kilograms),
                Cell::is(&self.service_name),
                Cell::is(&reference),
                Cell::is(&"booked"),
            ],
        ));
        Ok(())
    }
}

/// An article and what was counted of it.
fn counted(draft: &mut Draft, supply: &Supply) -> (Article, u32) {
    // Not the one that is short: that is another errand.
    let full: Vec<&Article> = supply
        .articles
        .iter()
        .filter(|article| article.pieces >= article.least)
        .collect();
    let article = (*dice::pick(&mut draft.rng, &full)).clone();
    let less = dice::between(&mut draft.rng, 1, article.pieces.clamp(1, 9));
    let pieces = article.pieces - less;
    (article, pieces)
}

pub(super) fn count(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Count, seed);
    let supply = draft.supply()?;
    let (article, pieces) = counted(&mut draft, &supply);
    correct(&mut draft, &article, pieces)?;
    let data = json!({"article": article.name, "pieces": pieces});
    draft.finish(App::Stock, "goal_count", &data)
}

pub(super) fn reorder(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Reorder, seed);
    let supply = draft.supply()?;
    let article = supply.short().cloned().ok_or_else(no_answer)?;
    let (offer, days) = soon_and_cheap(&supply, &article)?;
    let quantity = 10 * dice::between(&mut draft.rng, 5, 40);
    let soon: Vec<&Offer> = supply
        .offers_for(article.id)
        .into_iter()
        .filter(|offer| offer.days <= days)
        .collect();
    let data = json!({
        "article": article.name, "pieces": article.pieces, "least": article.least, "days": days,
        "quantity": quantity, "supplier": offer.supplier, "list": offers_in_words(&soon, &draft),
    });
    draft.go_after_looking(Some("row-"), App::Suppliers, "short_found", &data)?;
    place_order(&mut draft, &article, &offer, quantity, "choose_offer_soon", &data)?;
    draft.finish(App::Stock, "goal_reorder", &data)
}

pub(super) fn ship(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Ship, seed);
    let supply = draft.supply()?;
    let parcel = Parcel::random(&mut draft, &supply)?;
    let reference = format!("SO-{}", dice::between(&mut draft.rng, 2000, 2999));
    parcel.send(&mut draft, &reference)?;
    draft.finish(App::Shipping, "goal_ship", &parcel.data(&reference))
}

pub(super) fn receive(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Receive, seed);
    let language = draft.language();
    let supply = draft.supply()?;
    let order = supply.arrived().cloned().ok_or_else(no_answer)?;
    let article = supply.article(order.article).cloned().ok_or_else(no_answer)?;
    let delivered: Vec<String> = supply
        .shipments
        .iter()
        .filter(|shipment| shipment.status == "delivered")
        .map(|shipment| shipment.reference.clone())
        .collect();
    let data = json!({
        "order": order.number, "article": article.name, "quantity": order.quantity, "old": article.pieces,
        "list": listed(&delivered, language),
    });
    draft.plan.press("shipments", "see_shipments", &data)?;
    draft.go_after_looking(Some("row-"), App::Suppliers, "delivered_found", &data)?;
    draft.plan.press("orders", "see_open_orders", &data)?;
    draft
        .plan
        .choose("row-", &format!("order-{}", order.id), "open_arrived", &data)?;
    draft.plan.press("received", "mark_received", &data)?;
    want_status(&mut draft, &supply, &order, "received");
    draft.go(App::Stock, "next_stock", &data)?;
    draft
        .plan
        .press(&format!("article-{}", article.id), "open_article_to_add", &data)?;
    draft.plan.fill("more", &order.quantity.to_string());
    draft.plan.press("add", "add_to_stock", &data)?;
    want_pieces(&mut draft, &article, article.pieces + order.quantity);
    draft.finish(App::Shipping, "goal_receive", &data)
}

pub(super) fn other_supplier(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::OtherSupplier, seed);
    let supply = draft.supply()?;
    let open: Vec<&Order> = supply
        .orders
        .iter()
        .filter(|order| order.status == "open")
        .collect();
    let order = (*dice::pick(&mut draft.rng, &open)).clone();
    let article = supply.article(order.article).cloned().ok_or_else(no_answer)?;
    let others: Vec<&Offer> = supply
        .offers_for(article.id)
        .into_iter()
        .filter(|offer| offer.supplier != order.supplier)
        .collect();
    let offer = (*others
        .iter()
        .min_by_key(|offer| offer.cents)
        .ok_or_else(no_answer)?)
    .clone();
    let data = json!({
        "order": order.number, "old": order.supplier, "article": article.name, "quantity": order.quantity,
        "supplier": offer.supplier, "list": offers_in_words(&others, &draft),
    });
    draft.plan.press("orders", "see_orders", &data)?;
    draft
        .plan
        .press(&format!("order-{}", order.id), "open_order", &data)?;
    draft.plan.press("cancel", "cancel_order", &data)?;
    draft.effect();
    want_status(&mut draft, &supply, &order, "cancelled");
    draft.plan.press("home", "to_offers", &data)?;
    place_order(
        &mut draft,
        &article,
        &offer,
        order.quantity,
        "choose_offer_other",
        &data,
    )?;
    draft.finish(App::Suppliers, "goal_other_supplier", &data)
}

pub(super) fn day(seed: u64) -> Result<Goal, AppsError> {
    let mut draft = Draft::new(Family::Day, seed);
    let supply = draft.supply()?;
    let (article, pieces) = counted(&mut draft, &supply);
    correct(&mut draft, &article, pieces)?;
    let short = supply.short().cloned().ok_or_else(no_answer)?;
    let quantity = 10 * dice::between(&mut draft.rng, 5, 40);
    let offers = supply.offers_for(short.id);
    let offer = (*offers
        .iter()
        .min_by_key(|offer| offer.cents)
        .ok_or_else(no_answer)?)
    .clone();
    let data = json!({
        "article": short.name, "quantity": quantity, "supplier": offer.supplier,
        "list": offers_in_words(&offers, &draft),
    });
    draft.go(App::Suppliers, "next_order", &data)?;
    place_order(
        &mut draft,
        &short,
        &offer,
        quantity,
        "choose_offer_cheapest",
        &data,
    )?;
    let parcel = Parcel::random(&mut draft, &supply)?;
    draft.go(App::Shipping, "next_parcel", &parcel.data(""))?;
    parcel.send(&mut draft, "")?;
    let data = json!({
        "counted": article.name, "pieces": pieces, "article": short.name, "quantity": quantity,
        "to": parcel.to, "kilograms": parcel.kilograms, "days": parcel.days,
    });
    draft.finish(App::Stock, "goal_day", &data)
}
