use crate::support::{at, click};

#[test]
fn a_click_reaches_its_point() {
    let mut desk = at("recorder");
    let point = desk.middle("#pad");
    desk.do_(click(point));
    assert_eq!(desk.log(), ["mousedown 120,70 b0 n1", "mouseup 120,70 b0 n1", "click 120,70 b0 n1"]);
}
