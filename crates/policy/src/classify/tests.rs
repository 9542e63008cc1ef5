use aurore_action::{Action, Button, Chord, FieldKind, Form, Point, Target};

use crate::{Context, Principal, Request, Tier};

use super::classify;

const SHOP: &str = "https://shop.example";

fn context(goal: &str) -> Context {
    Context {
        goal: goal.to_owned(),
        origin: SHOP.to_owned(),
        known_origins: vec![SHOP.to_owned()],
        ..Context::default()
    }
}

fn target(role: &str, label: &str) -> Target {
    Target {
        role: role.to_owned(),
        label: label.to_owned(),
        origin: SHOP.to_owned(),
        url: format!("{SHOP}/"),
        agrees: true,
        enabled: true,
        ..Target::default()
    }
}

fn field(kind: FieldKind, fields: &[FieldKind], action: &str) -> Target {
    Target {
        field: kind,
        form: Some(Form {
            action: action.to_owned(),
            method: "post".to_owned(),
            fields: fields.to_vec(),
            submits: kind == FieldKind::None,
            ..Form::default()
        }),
        ..target(
            if kind == FieldKind::None {
                "button"
            } else {
                "textbox"
            },
            "Go on",
        )
    }
}

fn click() -> Action {
    Action::Click {
        button: Button::Left,
        count: 1,
        at: Point::new(1, 1),
        modifiers: Vec::new(),
    }
}

fn tier(action: &Action, target: Option<&Target>, context: &Context) -> (Tier, bool) {
    let principal = Principal::model("test");
    let request = Request {
        principal: &principal,
        action,
        target,
        also: &[],
        context,
    };
    let classified = classify(&request, target);
    assert!(!classified.what.is_empty());
    (classified.tier, classified.covered.is_some())
}

fn clicked(role: &str, label: &str) -> Tier {
    tier(&click(), Some(&target(role, label)), &context("look around")).0
}

#[test]
fn labels_in_several_languages_have_their_consequences() {
    for label in [
        "Pay now",
        "Pay $12.50",
        "» Buy",
        "Place your order",
        "Jetzt kaufen",
        "Zahlungspflichtig bestellen",
        "Payer",
        "Passer la commande",
        "Pagar ahora",
        "Comprar",
        "立即支付",
        "提交订单",
        "Оплатить",
        "購入する",
        "Delete",
        "Delete 3 files",
        "Löschen",
        "Endgültig löschen",
        "Supprimer",
        "Eliminar",
        "删除",
        "Удалить",
        "Send",
        "Send message",
        "Senden",
        "Nachricht senden",
        "Envoyer",
        "Enviar",
        "发送",
        "Publish",
        "Veröffentlichen",
        "Publier",
        "Publicar",
        "发布",
        "Post",
        "Share",
        "Authorize app",
        "Grant access",
        "Sign up",
        "Create account",
        "Create API key",
        "Install",
        "Installieren",
        "Installer",
        "安装",
        "P\u{200b}ay n\u{ad}ow",
        "Рay nоw",
    ] {
        assert_eq!(clicked("button", label), Tier::Always, "{label}");
    }
    for label in [
        "Log in",
        "Sign in",
        "Anmelden",
        "Se connecter",
        "Iniciar sesión",
        "登录",
        "Upload",
        "Rename",
        "Move to folder",
        "Allow",
    ] {
        assert_eq!(clicked("button", label), Tier::Once, "{label}");
    }
    for label in [
        "Change password",
        "Proceed to shop.example (unsafe)",
        "I'm not a robot",
        "Passwort ändern",
        "修改密码",
    ] {
        assert_eq!(clicked("button", label), Tier::Hands, "{label}");
    }
    for label in [
        "OK",
        "Cancel",
        "Next",
        "Close",
        "Display settings",
        "Payments overview",
        "Submit",
        "Accept all cookies",
        "Decline",
        "Reject all",
        "Allow all cookies",
        "Sender",
        "Orderly",
        "",
    ] {
        assert_eq!(clicked("button", label), Tier::Free, "{label}");
    }
}

/// What shops, travel and stock pages have on their buttons, in three languages: looking around is never a question,
/// what counts always is.
#[test]
fn finding_ones_way_is_free_and_what_counts_is_not() {
    for label in [
        "Search",
        "Find a flight",
        "Find offers",
        "Show prices",
        "Apply filters",
        "Clear filters",
        "Remove filter",
        "Direct flights only",
        "Sort by price",
        "Order by price",
        "Cheapest first",
        "Next",
        "Next page",
        "Previous month",
        "Show details",
        "Order details",
        "Order history",
        "View order",
        "My bookings",
        "Booking details",
        "Our orders",
        "Add to cart",
        "Add to basket",
        "Remove from cart",
        "Add to calendar",
        "New entry",
        "Save",
        "Save the count",
        "Add to stock",
        "Mark as received",
        "Choose",
        "Show more",
        "Payment method",
        "Books",
        "Postcode",
        "Rechercher",
        "Trouver un vol",
        "Voir les prix",
        "Filtrer",
        "Effacer les filtres",
        "Trier par prix",
        "Suivant",
        "Page suivante",
        "Mois précédent",
        "Voir les détails",
        "Détails de la commande",
        "Mes réservations",
        "Nos commandes",
        "Ajouter au panier",
        "Retirer du panier",
        "Ajouter à l’agenda",
        "Nouvelle entrée",
        "Enregistrer",
        "Marquer comme reçue",
        "Choisir",
        "Historique des commandes",
        "Mode de paiement",
        "搜索",
        "查找航班",
        "查看价格",
        "筛选",
        "清空筛选",
        "按价格排序",
        "下一页",
        "上个月",
        "查看详情",
        "订单详情",
        "购买记录",
        "我的预订",
        "预订详情",
        "我们的订单",
        "加入购物车",
        "移出购物车",
        "添加到日历",
        "新建日程",
        "保存",
        "保存盘点",
        "加入库存",
        "标记为已收货",
        "选择",
        "支付方式",
    ] {
        assert_eq!(clicked("button", label), Tier::Free, "{label}");
    }
    for label in [
        "Book this flight",
        "Reserve this room",
        "Book shipment",
        "Place order",
        "Order 12 pieces",
        "Confirm booking",
        "Confirm and pay",
        "Pay 120 €",
        "Cancel booking",
        "Cancel order",
        "Delete",
        "Delete entry",
        "Send",
        "Send invitation",
        "Buy now",
        "Ship",
        "Réserver ce vol",
        "Réserver cette chambre",
        "Réserver l’envoi",
        "Passer la commande",
        "Commander",
        "Confirmer la réservation",
        "Payer 120 €",
        "Annuler la réservation",
        "Annuler la commande",
        "Supprimer",
        "Envoyer",
        "Envoyer la commande",
        "Expédier",
        "预订此航班",
        "预订此房间",
        "预订运输",
        "下单",
        "提交订单",
        "确认预订",
        "立即支付",
        "付款",
        "取消预订",
        "取消订单",
        "删除",
        "发送",
        "发送邀请",
        "立即购买",
        "发货",
    ] {
        assert_eq!(clicked("button", label), Tier::Always, "{label}");
    }
    for label in ["Confirm", "Confirmer", "Valider", "确认", "Bestätigen"] {
        assert_eq!(clicked("button", label), Tier::Once, "{label}");
    }
}

#[test]
fn a_link_that_names_another_site_is_no_plain_link() {
    let quiet = context("look around");
    let leads = |label: &str, link: &str| {
        let mut target = target("link", label);
        target.link = Some(link.to_owned());
        tier(&click(), Some(&target), &quiet).0
    };
    let own = "https://shop.example/x";
    assert_eq!(leads("https://bank.example/login", own), Tier::Always);
    assert_eq!(leads("www.bank.example", own), Tier::Always);
    assert_eq!(leads("bank.example/login", own), Tier::Always);
    assert_eq!(
        leads("https://shop.example@bank.example/", own),
        Tier::Free,
        "no host at all"
    );
    for label in [
        "https://shop.example/y",
        "www.shop.example",
        "shop.example/x",
        "News",
        "report.pdf",
        "Node.js",
        "and/or",
        "see shop.example",
    ] {
        assert_eq!(leads(label, own), Tier::Free, "{label}");
    }
}

#[test]
fn what_only_chooses_or_leads_somewhere_is_free() {
    assert_eq!(clicked("tab", "Delete"), Tier::Free);
    assert_eq!(clicked("textbox", "Send to"), Tier::Free);
    assert_eq!(clicked("link", "Order history"), Tier::Free);
    assert_eq!(clicked("link", "Delete"), Tier::Always);
    assert_eq!(clicked("link", "Delete account"), Tier::Always);
    assert_eq!(clicked("generic", "Pay now"), Tier::Always);
}

#[test]
fn forms_are_judged_by_what_they_carry_and_where_to() {
    let quiet = context("look around");
    let submit = |fields: &[FieldKind], action: &str, context: &Context| {
        tier(&click(), Some(&field(FieldKind::None, fields, action)), context)
    };
    let own = "https://shop.example/send";
    let other = "https://collector.test/send";
    assert_eq!(submit(&[FieldKind::Search], own, &quiet).0, Tier::Free);
    assert_eq!(submit(&[FieldKind::Text], other, &quiet).0, Tier::Once);
    assert_eq!(submit(&[FieldKind::Email], own, &quiet), (Tier::Once, false));
    assert_eq!(
        submit(&[FieldKind::Email], own, &context("fill it in and press 'Go on'")),
        (Tier::Once, true)
    );
    assert_eq!(submit(&[FieldKind::Email], other, &quiet).0, Tier::Always);
    assert_eq!(
        submit(&[FieldKind::Personal], other, &context("write to collector.test")).0,
        Tier::Once
    );
    assert_eq!(submit(&[FieldKind::Payment], own, &quiet).0, Tier::Always);
    assert_eq!(
        submit(&[FieldKind::Password], own, &context("Log in as bob")),
        (Tier::Once, true)
    );
    assert_eq!(
        submit(&[FieldKind::Password], "http://shop.example/login", &quiet).0,
        Tier::Always
    );
}

#[test]
fn enter_in_a_field_presses_the_forms_button() {
    let enter = Action::Key {
        chord: Chord::parse(&["Enter"]).unwrap(),
    };
    let typed = Action::Type {
        text: "12\n".to_owned(),
    };
    let quantity = |button: Option<&str>| {
        let mut target = field(FieldKind::Text, &[FieldKind::Text], SHOP);
        if let Some(form) = &mut target.form {
            form.button = button.map(str::to_owned);
        }
        target
    };
    for action in [&enter, &typed] {
        let tier_of = |button| tier(action, Some(&quantity(button)), &context("order twelve")).0;
        assert_eq!(tier_of(Some("Place order")), Tier::Always);
        assert_eq!(tier_of(Some("Show prices")), Tier::Free);
        assert_eq!(tier_of(None), Tier::Free);
    }
    // A click into the field presses nothing.
    let clicked = tier(
        &click(),
        Some(&quantity(Some("Place order"))),
        &context("order twelve"),
    )
    .0;
    assert_eq!(clicked, Tier::Free);
}

#[test]
fn enter_in_a_field_submits_its_form() {
    let quiet = context("look around");
    let email = field(FieldKind::Email, &[FieldKind::Email], "https://collector.test/");
    let enter = Action::Key {
        chord: Chord::parse(&["Enter"]).unwrap(),
    };
    assert_eq!(tier(&enter, Some(&email), &quiet).0, Tier::Always);
    let typed = Action::Type {
        text: "x\n".to_owned(),
    };
    assert_eq!(tier(&typed, Some(&email), &quiet).0, Tier::Always);
    assert_eq!(
        tier(&enter, Some(&target("button", "Pay now")), &quiet).0,
        Tier::Always
    );
    let space = Action::Key {
        chord: Chord::parse(&["space"]).unwrap(),
    };
    assert_eq!(
        tier(&space, Some(&target("button", "Pay now")), &quiet).0,
        Tier::Always
    );
    let tab = Action::Key {
        chord: Chord::parse(&["Tab"]).unwrap(),
    };
    assert_eq!(tier(&tab, Some(&email), &quiet).0, Tier::Free);
}

#[test]
fn typing_is_judged_by_the_field_and_the_text() {
    let quiet = context("look around");
    let kinds = [
        (FieldKind::Search, Tier::Free),
        (FieldKind::Text, Tier::Free),
        (FieldKind::Email, Tier::Once),
        (FieldKind::Password, Tier::Once),
        (FieldKind::Payment, Tier::Always),
    ];
    let text = |text: &str| Action::Type {
        text: text.to_owned(),
    };
    for (kind, expected) in kinds {
        assert_eq!(
            tier(&text("abc"), Some(&field(kind, &[kind], SHOP)), &quiet).0,
            expected,
            "{kind:?}"
        );
    }
    let plain = field(FieldKind::Text, &[FieldKind::Text], SHOP);
    assert_eq!(
        tier(&text("4111 1111 1111 1111"), Some(&plain), &quiet).0,
        Tier::Always
    );
    assert_eq!(
        tier(&text("4111 1111 1111 1112"), Some(&plain), &quiet).0,
        Tier::Free
    );
    assert_eq!(tier(&text("{{secret:PIN}}"), Some(&plain), &quiet).0, Tier::Once);
    let email = field(FieldKind::Email, &[FieldKind::Email], SHOP);
    assert_eq!(
        tier(
            &text("bob@a.example"),
            Some(&email),
            &context("Enter bob@a.example and submit")
        ),
        (Tier::Once, true)
    );
    let mut new_password = field(FieldKind::Password, &[FieldKind::Password], SHOP);
    new_password.label = "New password".to_owned();
    assert_eq!(tier(&text("abc"), Some(&new_password), &quiet).0, Tier::Always);
}

#[test]
fn origins_count() {
    let quiet = context("look around");
    let open = |url: &str, context: &Context| tier(&Action::OpenUrl { url: url.to_owned() }, None, context).0;
    assert_eq!(open("https://shop.example/a", &quiet), Tier::Free);
    assert_eq!(open("https://other.example/", &quiet), Tier::Once);
    assert_eq!(
        open("https://other.example/", &context("compare with other.example")),
        Tier::Free
    );
    assert_eq!(open("http://192.168.1.1/", &quiet), Tier::Always);
    assert_eq!(open("http://localhost:9999/", &quiet), Tier::Always);
    assert_eq!(open("https://bob:pw@shop.example/", &quiet), Tier::Always);
    assert_eq!(open("javascript:alert(1)", &quiet), Tier::Hands);
    assert_eq!(open("file:///etc/passwd", &quiet), Tier::Hands);
    let mut link = target("link", "More");
    link.link = Some("https://other.example/x".to_owned());
    assert_eq!(tier(&click(), Some(&link), &quiet).0, Tier::Once);
    let mut foreign = target("button", "OK");
    foreign.origin = "https://frame.test".to_owned();
    assert_eq!(tier(&click(), Some(&foreign), &quiet).0, Tier::Once);
    assert_eq!(
        tier(&click(), None, &Context::default()).0,
        Tier::Once,
        "an unknown origin is never free"
    );
}
