use aurore_action::{Action, Button, Frame, FrameId, Point, Rect, Size, Target};
use aurore_policy::{Decision, Layer, RuleRef, Tier, VerdictRecord};

use super::{ReportOptions, html};
use crate::{
    Approval, Budgets, DecisionRecord, End, EndKind, EndRecord, Event, Journal, Order, OrderRecord, PlanItem,
    PlanState, ResultRecord, StartRecord, StepOutcome, journal::sha256,
};

const HOSTILE: &str = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}";

fn frame() -> Frame {
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(160, 210, image::Rgb([240, 240, 250]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let png = png.into_inner();
    Frame {
        id: FrameId(sha256(&png)),
        size: Size {
            width: 160,
            height: 210,
        },
        png: png.into(),
        url: Some(HOSTILE.into()),
        origin: HOSTILE.into(),
        title: HOSTILE.into(),
        tabs: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn a_hostile_run_makes_a_harmless_page_with_everything_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_folder(folder.path()).unwrap();
    let run = journal.new_run().unwrap();
    let picture = frame();
    let start = StartRecord {
        goal: HOSTILE.into(),
        name: HOSTILE.into(),
        principal: HOSTILE.into(),
        fingerprint: String::new(),
        rules: String::new(),
        budgets: Budgets::default(),
        written_rules: String::new(),
        known_origins: Vec::new(),
        still_allowed: Vec::new(),
    };
    let decision = DecisionRecord {
        step: 1,
        frame: picture.id.clone(),
        size: picture.size,
        url: picture.url.clone(),
        origin: HOSTILE.into(),
        title: HOSTILE.into(),
        thinking: HOSTILE.into(),
        plan: Some(vec![PlanItem {
            text: HOSTILE.into(),
            state: PlanState::Done,
            evidence: HOSTILE.into(),
        }]),
        notes: vec![HOSTILE.into()],
        intent: HOSTILE.into(),
        expect: HOSTILE.into(),
        action: Some(Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(30, 40),
            modifiers: Vec::new(),
        }),
        target: Some(Target {
            role: "button".into(),
            label: HOSTILE.into(),
            bounds: Some(Rect {
                x: 20,
                y: 30,
                width: 50,
                height: 20,
            }),
            ..Target::default()
        }),
        verdict: Some(VerdictRecord {
            decision: Decision::Deny,
            rule: RuleRef {
                layer: Layer::User,
                name: HOSTILE.into(),
                reason: HOSTILE.into(),
            },
            tier: Tier::Always,
            why: HOSTILE.into(),
        }),
        facts: None,
        more_facts: Vec::new(),
        approval: None,
        granted: Vec::new(),
        perform: false,
        tokens: 7,
        seconds: 1.5,
    };
    let result = ResultRecord {
        step: 1,
        outcome: StepOutcome::Refused,
        result: HOSTILE.into(),
        frame: None,
        seconds: 2.0,
    };
    let end = EndRecord {
        end: End {
            kind: EndKind::Refused,
            message: HOSTILE.into(),
        },
        frame: None,
    };
    journal.append(&run, &Event::Start(start), &[]).unwrap();
    journal
        .append(&run, &Event::Decision(Box::new(decision)), &[&picture])
        .unwrap();
    journal.append(&run, &Event::Result(result), &[]).unwrap();
    journal.append(&run, &Event::End(end), &[]).unwrap();

    let page = html(&journal, &[run.clone(), run], &ReportOptions::default()).unwrap();
    for harmful in ["<script", "<img src=x", "</title><", "\u{202e}"] {
        assert!(!page.contains(harmful), "{harmful}");
    }
    for part in [
        "⟨U+202E⟩",
        "class=\"box\" x=\"20\"",
        "data:image/png;base64,iVBOR",
        "refused by a rule",
        "width:320px",
        "Plan, 1 of 1 done",
        "<li class=\"note\">",
        "journal whole, 4 records",
        "default-src 'none'",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_time_line_says_where_the_time_went_and_leads_to_each_step() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_folder(folder.path()).unwrap();
    let run = journal.new_run().unwrap();
    let picture = frame();
    let decision = |step, allowed| DecisionRecord {
        step,
        frame: picture.id.clone(),
        size: picture.size,
        url: None,
        origin: "https://a.example".into(),
        title: String::new(),
        thinking: String::new(),
        plan: None,
        notes: Vec::new(),
        intent: String::new(),
        expect: String::new(),
        action: Some(Action::Back),
        target: None,
        verdict: None,
        facts: None,
        more_facts: Vec::new(),
        approval: Some(Approval {
            allowed,
            by: "ann".into(),
            note: "dear".into(),
            at_ms: 951_782_400_000,
        }),
        granted: Vec::new(),
        perform: allowed,
        tokens: 7,
        seconds: 1.5,
    };
    for (step, allowed, outcome) in [(1, true, StepOutcome::Done), (2, false, StepOutcome::Refused)] {
        journal
            .append(
                &run,
                &Event::Decision(Box::new(decision(step, allowed))),
                &[&picture],
            )
            .unwrap();
        let result = ResultRecord {
            step,
            outcome,
            result: "Done.".into(),
            frame: None,
            seconds: 4.0,
        };
        journal.append(&run, &Event::Result(result), &[]).unwrap();
        for order in [Order::Take, Order::GiveBack] {
            let by = "ann".to_owned();
            journal
                .append(&run, &Event::Order(OrderRecord { order, by, step }), &[])
                .unwrap();
        }
    }
    let page = html(&journal, &[run], &ReportOptions::default()).unwrap();
    for part in [
        "<a class=\"good\" href=\"#run-0-step-1\"",
        "<a class=\"bad\" href=\"#run-0-step-2\"",
        "<a id=\"run-0-step-2\"></a>",
        "<i class=\"thought\" style=\"flex-grow:1500\"></i>",
        "<i class=\"waited\"",
        "Yes, said ann at 2000-02-29 00:00:00 UTC: dear",
        "Taken over by hand by ann",
        "Given back by ann",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}
