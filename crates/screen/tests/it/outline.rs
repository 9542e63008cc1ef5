//! What stands on a page, beside its picture.

use aurore_screen::Screen;

use crate::support::{at, click};

#[test]
fn elements_say_where_they_are_and_keep_passwords_to_themselves() {
    let mut desk = at("form");
    let outline = desk.outline("input, button, #text").unwrap();
    let email = outline.find("email").unwrap();
    assert_eq!(
        (email.role.as_str(), email.label.as_str()),
        ("textbox", "Your e-mail")
    );
    assert_eq!(email.value.as_deref(), Some("a@b.example"));
    assert_eq!(outline.find("password").unwrap().value, None);
    assert_eq!(outline.find("text").unwrap().text, "Only text.");
    assert!(outline.find("pay").is_none(), "a form was not asked for");
    let middle = desk.middle("#submit");
    let submit = outline.find("submit").unwrap();
    assert!(submit.clear && submit.bounds.contains(middle), "{submit:?}");
}

#[test]
fn a_kept_outline_follows_the_looks() {
    let mut desk = at("recorder");
    let kept = desk.keep_outline("#field, #area");
    assert!(kept.get().elements.is_empty(), "no look was taken yet");
    desk.look().unwrap();
    assert!(!kept.get().find("field").unwrap().focused);
    assert!(kept.get().below > 2000, "{:?}", kept.get());
    let field = desk.middle("#field");
    desk.do_(click(field));
    desk.look().unwrap();
    assert!(kept.get().find("field").unwrap().focused);

    desk.value("scrollTo(0, 1000)");
    desk.look().unwrap();
    let outline = kept.get();
    assert_eq!(outline.above, 1000);
    let field = outline.find("field").unwrap();
    assert!(!field.clear && field.bounds.y < 0, "{field:?}");
}
