//! What stands under a point.

use aurore_action::{Action, FieldKind, Rect};
use aurore_screen::Screen;
use serde_json::json;

use crate::pages;
use crate::support::{at, click, key, middle, typed};

#[test]
fn controls_say_what_they_are() {
    let mut desk = at("form");
    let email = desk.target_of("#email");
    assert_eq!(
        (email.role.as_str(), email.label.as_str()),
        ("textbox", "Your e-mail")
    );
    assert_eq!(email.value.as_deref(), Some("a@b.example"));
    assert_eq!(email.field, FieldKind::Email);
    assert_eq!(format!("{}/", email.origin), pages::address(""));
    assert_eq!(email.url, pages::address("form"));
    assert!(email.agrees && email.enabled);

    let password = desk.target_of("#password");
    assert_eq!(
        (password.field, password.value.as_deref()),
        (FieldKind::Password, None)
    );
    assert_eq!(desk.target_of("#card").field, FieldKind::Payment);
    assert_eq!(desk.target_of("#auto").field, FieldKind::Payment);
    assert_eq!(desk.target_of("#vorname").field, FieldKind::Personal);
    assert_eq!(desk.target_of("#file").field, FieldKind::File);
    assert_eq!(desk.target_of("#q").field, FieldKind::Search);
    let size = desk.target_of("#size");
    assert_eq!(
        (size.field, size.value.as_deref()),
        (FieldKind::Choice, Some("Large"))
    );
    assert_eq!(desk.target_of("#text").field, FieldKind::None);
}

#[test]
fn a_button_says_what_it_sends_where() {
    let mut desk = at("form");
    let pay = desk.target_of("#now");
    assert_eq!((pay.role.as_str(), pay.label.as_str()), ("button", "Pay now"));
    let form = pay.form.unwrap();
    assert_eq!(form.action, pages::address("pay?x=1"));
    assert_eq!((form.method.as_str(), form.submits), ("post", true));
    assert_eq!(
        form.fields,
        [
            FieldKind::Email,
            FieldKind::Personal,
            FieldKind::Password,
            FieldKind::Payment,
            FieldKind::File,
            FieldKind::Choice
        ]
    );
    let quick = desk.target_of("#elsewhere").form.unwrap();
    assert_eq!(quick.action, "http://elsewhere.example/steal");
    let plain = desk.target_of("#plain");
    assert!(!plain.enabled && !plain.form.unwrap().submits);
}

#[test]
fn links_labels_and_tiles_stand_for_what_they_operate() {
    let mut desk = at("form");
    let link = desk.target_of("#link i");
    assert_eq!(
        (link.role.as_str(), link.label.as_str()),
        ("link", "To the other page")
    );
    assert_eq!(link.link, Some(pages::address("other#there")));

    let [at_label, at_box] = ["#agree-label", "#agree"].map(|selector| desk.target_of(selector));
    assert_eq!(at_label.identity, at_box.identity);
    assert_eq!(
        (at_box.role.as_str(), at_box.value.as_deref()),
        ("checkbox", Some("not checked"))
    );

    assert_eq!(
        desk.target_of("#span").identity,
        desk.target_of("#card-like").identity
    );
    assert_ne!(desk.target_of("#span").identity, desk.target_of("#text").identity);
}

#[test]
fn keys_go_to_the_focus() {
    let mut desk = at("form");
    let nothing = desk.target(&key("x")).unwrap().unwrap();
    assert_eq!(
        (nothing.role.as_str(), nothing.field),
        ("document", FieldKind::None)
    );
    let email = desk.middle("#email");
    desk.do_(click(email));
    let target = desk.target(&typed("x")).unwrap().unwrap();
    assert_eq!(
        (target.label.as_str(), target.form.unwrap().submits),
        ("Your e-mail", false)
    );
    let target = desk.target(&key("Enter")).unwrap().unwrap();
    let form = target.form.unwrap();
    assert!(form.submits, "Enter sends the form");
    assert_eq!(
        form.button.as_deref(),
        Some("Pay now"),
        "as its first button would"
    );
    assert_eq!(desk.target(&Action::Back).unwrap(), None);
}

#[test]
fn frames_are_followed_into_their_documents() {
    for (frame, host) in [("#near", "127.0.0.1"), ("#far", "localhost")] {
        let mut desk = at("frames");
        let corner = middle(&mut desk, frame);
        // The button stands 30 pixels down and 20 across inside the frame's border and padding.
        let inset = if frame == "#near" { 12 } else { 3 };
        let (left, top) = (corner.x - 150 - inset, corner.y - 75 - inset);
        let point = aurore_action::Point::new(left + inset + 30, top + inset + 40);
        let target = desk.target_at(point).unwrap().unwrap();
        assert_eq!(
            (target.role.as_str(), target.label.as_str()),
            ("button", "Inside"),
            "{frame}"
        );
        assert!(target.origin.contains(host), "{target:?}");
        let bounds = target.bounds.unwrap();
        assert_eq!(
            (bounds.x, bounds.y),
            (left + inset + 20, top + inset + 30),
            "{frame}: {bounds:?}"
        );

        desk.do_(click(point));
        assert_eq!(desk.target_at(point).unwrap().unwrap().label, "Done", "{frame}");
        let field = aurore_action::Point::new(bounds.x + bounds.width as i32 + 40, bounds.y + 10);
        desk.do_(click(field));
        desk.do_(typed("héllo"));
        let within = desk.target(&typed("x")).unwrap().unwrap();
        assert_eq!(
            (within.label.as_str(), within.value.as_deref()),
            ("Within", Some("héllo"))
        );
        assert!(within.origin.contains(host), "{within:?}");
    }
}

#[test]
fn shadow_trees_are_entered_open_or_closed() {
    for mode in ["open", "closed"] {
        let mut desk = at("shadow");
        let host = desk.middle(&format!("{mode}-box"));
        let point = aurore_action::Point::new(120, host.y);
        let target = desk.target_at(point).unwrap().unwrap();
        assert_eq!(
            (target.role.as_str(), target.label.as_str()),
            ("button", &*format!("In {mode}"))
        );
        desk.do_(click(point));
        assert_eq!(desk.log(), [mode]);
    }
}

#[test]
fn traps_do_not_agree() {
    let mut desk = at("traps");
    let trap = desk.target_of("#unseen");
    assert_eq!(
        trap.label, "Delete account",
        "what is hit is told, not what is seen"
    );
    assert!(!trap.agrees);
    assert!(
        !desk.target_of("#hidden").agrees,
        "hidden from the accessibility tree"
    );
    assert!(
        !desk.target_of("#lying").agrees,
        "called by words that are not seen"
    );
    assert!(desk.target_of("#drawn").agrees, "a drawn checkbox is no trap");
    assert!(desk.target_of("#honest").agrees);
}

#[test]
fn names_of_elements_shadow_nothing() {
    let mut desk = at("clobber");
    let target = desk.target_of("#button");
    assert_eq!(
        (target.role.as_str(), target.label.as_str()),
        ("button", "Send it")
    );
    assert_eq!(target.form.unwrap().action, pages::address("send"));
    let button = desk.middle("#button");
    desk.do_(click(button));
    assert_eq!(desk.log(), ["clicked"]);
}

#[test]
fn boxes_are_frame_pixels() {
    let mut desk = at("swap");
    assert_eq!(
        desk.target_of("#safe").bounds,
        Some(Rect {
            x: 50,
            y: 50,
            width: 200,
            height: 60
        })
    );
    desk.evaluate("document.body.style.height = '3000px', scrollTo(0, 20)")
        .unwrap();
    assert_eq!(desk.target_of("#safe").bounds.map(|bounds| bounds.y), Some(30));
    assert_eq!(desk.value("scrollY"), json!(20));
}
