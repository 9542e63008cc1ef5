//! What something costs changes between the question and the input, wherever the page says it.

use aurore_agent::{CountingApprover, DenyAll, StepOutcome};
use serde_json::json;

use super::stage::{Stage, click, elsewhere, typed};

const PAY: &str =
    "<button style='top: 215px' onclick=\"log.push('paid'); textContent = 'Paid'\">Pay now</button>";

/// The page does `trick` while the question stands: the amount is shown with the question, `now` keeps the press away.
fn withheld(page: &str, trick: &str, shown: &str, now: &str) {
    let mut stage = Stage::with(&format!(
        "{page}{PAY}<script>whenAsked(() => {{ {trick} }});</script>"
    ));
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Pay.", &[click(100, 230)], &mut approver);
    assert_eq!(approver.asked, 1);
    let amounts = &reports[0].target.as_ref().unwrap().amounts;
    assert!(amounts.iter().any(|amount| amount == shown), "{amounts:?}");
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{page}: {reports:#?}");
    assert!(reports[0].result.contains(now), "{}", reports[0].result);
    assert!(stage.log().is_empty());
}

#[test]
fn in_a_field() {
    let field = "<label>To transfer <input id=it value='45.30 €'></label>";
    withheld(
        field,
        "it.value = '4530.00 €'",
        "To transfer 45.30 €",
        "4530.00 €",
    );
    let number = "<label>Pieces <input id=it type=number value=2></label>";
    withheld(number, "it.value = 20", "Pieces 2", "Pieces 20");
    let list = "<label>Amount <select id=it><option>50<option>500</select></label>";
    withheld(list, "it.selectedIndex = 1", "Amount 50", "Amount 500");
    // When the pointer comes: too late for anything but the guard in the page.
    let mut stage = Stage::with(&format!(
        "{field}{PAY}<script>addEventListener('pointermove', () => {{ it.value = '99 €' }});</script>"
    ));
    let (reports, _) = stage.run("Pay.", &[click(100, 230)], &mut CountingApprover::yes());
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(reports[0].result.contains("99 €"), "{}", reports[0].result);
    assert!(stage.log().is_empty());
}

#[test]
fn in_a_frame() {
    let frame = "<iframe id=it srcdoc='<p>Total <b>45.30 €</b></p>'></iframe>";
    withheld(
        frame,
        "it.contentDocument.querySelector('b').textContent = '95.30 €'",
        "45.30 €",
        "95.30 €",
    );
    // In one of another origin, which the page itself cannot read.
    let mut other = Stage::with(
        "<p>Total <b id=sum>45.30 €</b></p><script>onmessage = () => { sum.textContent = '95.30 €'; parent.postMessage('done', '*'); };</script>",
    );
    let address = other
        .browser
        .evaluate("location.href")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let (_, rest) = address.split_once("/page").unwrap();
    withheld(
        &format!("<iframe id=it src='{}/page{rest}'></iframe>", elsewhere()),
        "return new Promise(done => { onmessage = done; it.contentWindow.postMessage('now', '*'); })",
        "45.30 €",
        "95.30 €",
    );
    // The button in the frame, the total around it.
    let mut stage = Stage::with(
        "<p>Total <b id=total>45.30 €</b></p>
         <iframe id=it style='position: absolute; left: 0; top: 200px; width: 250px; height: 60px; border: 0'
          srcdoc='<button style=\"position: absolute; left: 20px; top: 10px; width: 200px; height: 30px\" onclick=\"parent.log.push(1)\">Pay now</button>'></iframe>
         <script>whenAsked(() => { total.textContent = '95.30 €' });</script>",
    );
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Pay.", &[click(100, 225)], &mut approver);
    assert_eq!(reports[0].target.as_ref().unwrap().amounts, ["45.30 €"]);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(stage.log().is_empty());
}

#[test]
fn without_a_currency_beside_it() {
    let line = "<p>Total: <b id=it>120</b></p>";
    withheld(line, "it.textContent = '1200'", "120", "1200");
    let above = "<table><tr><th>Preis</th></tr><tr><td id=it>120</td></tr></table>";
    withheld(above, "it.textContent = '1200'", "120", "1200");
    let chinese = "<p>应付总额</p><p id=it>120</p>";
    withheld(chinese, "it.textContent = '1200'", "120", "1200");
    let decimals = "<p>Tea <b id=it>12.50</b></p>";
    withheld(decimals, "it.textContent = '92.50'", "12.50", "92.50");
    // Times, dates, versions and counts are none: a clock stops no press.
    let mut stage = Stage::with(&format!(
        "<p id=it>12:30:05, 12.05.2026, 1.25.3, 3 people look at this</p>{PAY}
         <script>whenAsked(() => {{ it.textContent = '12:30:09, 13.05.2026, 1.26.0, 4 people look at this' }});</script>"
    ));
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Pay.", &[click(100, 230)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Done, "{reports:#?}");
    assert_eq!(stage.log(), ["paid"]);
}

#[test]
fn in_a_components_own_tree() {
    withheld(
        "<div id=it></div><script>it.attachShadow({mode: 'open'}).innerHTML = '<p>Total <b>45.30 €</b></p>'</script>",
        "it.shadowRoot.querySelector('b').textContent = '95.30 €'",
        "45.30 €",
        "95.30 €",
    );
}

#[test]
fn for_a_link_and_for_the_key_that_sends_a_form() {
    let page = |control: &str| {
        Stage::with(&format!(
            "<p>Total <b id=total>45.30 €</b></p>{control}<script>whenAsked(() => {{ total.textContent = '95.30 €' }});</script>"
        ))
    };
    let mut stage = page("<a href='#paid' style='top: 215px' onclick='log.push(1)'>Pay now</a>");
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Pay.", &[click(100, 230)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(reports[0].result.contains("95.30 €"), "{}", reports[0].result);

    let form = "<form onsubmit='log.push(\"sent\"); this.append(\"Sent\"); return false'><input name=note style='top: 115px'><button style='top: 215px'>Pay now</button></form>";
    let enter = json!({"action": "key", "keys": ["enter"]});
    for send in [enter, typed("For Ann\n")] {
        let mut stage = page(form);
        let mut approver = stage.turncoat();
        let (reports, _) = stage.run(
            "Pay with the note For Ann.",
            &[click(100, 130), send],
            &mut approver,
        );
        assert_eq!(approver.asked, 1, "{reports:#?}");
        assert_eq!(reports[1].outcome, StepOutcome::Failed, "{reports:#?}");
        assert!(reports[1].result.contains("95.30 €"), "{}", reports[1].result);
        assert!(stage.log().is_empty());
    }
    // The same press with nothing changed.
    let mut stage = Stage::with(&format!("<p>Total 45.30 €</p>{form}"));
    let enter = json!({"action": "key", "keys": ["enter"]});
    let (reports, _) = stage.run("Pay.", &[click(100, 130), enter], &mut CountingApprover::yes());
    assert_eq!(reports[1].outcome, StepOutcome::Done, "{reports:#?}");
    assert_eq!(stage.log(), ["sent"]);
    // What is asked about and is no press is held to none: text goes into a field beside prices.
    let mut stage = Stage::with(
        "<p>Total 45.30 €</p><label>Your name <input id=it autocomplete=name style='top: 115px'></label>",
    );
    stage.known_origins.push(elsewhere());
    let mut approver = CountingApprover::yes();
    let calls = [click(100, 130), typed("Ann Example")];
    let (reports, _) = stage.run("Fill in the form.", &calls, &mut approver);
    assert!(reports[1].approval.is_some(), "{reports:#?}");
    assert_eq!(reports[1].outcome, StepOutcome::Done, "{reports:#?}");
    // Nobody who was not asked is held to anything.
    let mut stage = page(form);
    let (reports, _) = stage.run("Look.", &[click(100, 130)], &mut DenyAll);
    assert_eq!(reports[0].outcome, StepOutcome::Done, "{reports:#?}");
}
