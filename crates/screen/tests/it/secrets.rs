//! Secrets are typed by name, and seen by nobody.

use aurore_action::{Action, Point, Rect};
use aurore_screen::browser::{Browser, BrowserOptions};
use aurore_screen::{Screen, ScreenError, Secret, SecretRefused, Secrets};
use serde_json::json;

use crate::pages;
use crate::support::{act, at, click, key, launch, middle, options, typed};

/// One secret, for pages of `127.0.0.1`.
struct Keyring;

impl Secrets for Keyring {
    fn resolve(&self, name: &str, origin: &str) -> Result<Secret, SecretRefused> {
        match name {
            "bank" if origin.starts_with("http://127.0.0.1:") => Ok(Secret::new("s3cret é".to_owned())),
            "bank" => Err(SecretRefused::WrongOrigin {
                origin: origin.to_owned(),
            }),
            _ => Err(SecretRefused::Unknown),
        }
    }
}

fn with_keyring() -> Browser {
    launch(BrowserOptions {
        secrets: Some(Box::new(Keyring)),
        ..options()
    })
}

fn black(png: &[u8], x: u32, y: u32) -> bool {
    image::load_from_memory(png).unwrap().to_rgb8().get_pixel(x, y).0 == [0, 0, 0]
}

#[test]
fn secrets_need_someone_to_keep_them() {
    let mut desk = at("recorder");
    let field = desk.middle("#field");
    desk.do_(click(field));
    let error = desk.act(typed("{{secret:bank}}")).unwrap_err();
    assert!(
        matches!(&error, ScreenError::Secret { name, .. } if name == "bank"),
        "{error}"
    );
    assert_eq!(desk.value("field.value"), json!(""));
}

#[test]
fn a_secret_reaches_its_field_and_no_picture() {
    let mut browser = with_keyring();
    browser.open(&pages::address("recorder")).unwrap();
    let field = middle(&mut browser, "#field");
    act(&mut browser, click(field)).unwrap();
    act(&mut browser, typed("my {{secret:bank}}!")).unwrap();
    assert_eq!(browser.evaluate("field.value").unwrap(), json!("my s3cret é!"));
    assert_eq!(browser.target(&key("x")).unwrap().unwrap().value, None);
    let frame = browser.look().unwrap();
    let (x, y) = (field.x as u32, field.y as u32);
    assert!(black(&frame.png, x, y) && black(&frame.png, x - 95, y));
    assert!(!black(&frame.png, x, y + 20));
    let region = Rect {
        x: field.x - 50,
        y: field.y - 30,
        width: 100,
        height: 60,
    };
    let zoom = act(&mut browser, Action::Zoom { region })
        .unwrap()
        .magnified
        .unwrap();
    assert!(black(&zoom, 200, 120) && !black(&zoom, 200, 10));
}

#[test]
fn a_secret_inside_a_frame_hides_the_frame() {
    let mut browser = with_keyring();
    browser.open(&pages::address("frames")).unwrap();
    let near = middle(&mut browser, "#near");
    // The field stands right of the button, 30 pixels down.
    let field = Point::new(near.x - 10, near.y - 32);
    assert_eq!(browser.target_at(field).unwrap().unwrap().label, "Within");
    act(&mut browser, click(field)).unwrap();
    act(&mut browser, typed("{{secret:bank}}")).unwrap();
    let frame = browser.look().unwrap();
    assert!(black(&frame.png, near.x as u32, near.y as u32));
    assert!(!black(&frame.png, 5, 5));
}

#[test]
fn a_secret_stays_on_its_origin() {
    let mut browser = with_keyring();
    let elsewhere = pages::address("recorder").replace("127.0.0.1", "localhost");
    browser.open(&elsewhere).unwrap();
    let field = middle(&mut browser, "#field");
    act(&mut browser, click(field)).unwrap();
    let error = act(&mut browser, typed("{{secret:bank}}")).unwrap_err();
    assert!(
        matches!(
            &error,
            ScreenError::Secret {
                refused: SecretRefused::WrongOrigin { .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(browser.evaluate("field.value").unwrap(), json!(""));
}
