use aurore_action::{Action, Button, Chord, Point, Target};

use crate::{
    Argument, Authority, Context, Decision, Layer, Outcome, Principal, Request, Rules, Tainted, Tier, judge,
    scopes_for,
};

const SHOP: &str = "https://shop.example";

fn context() -> Context {
    Context {
        goal: "look around".to_owned(),
        origin: SHOP.to_owned(),
        known_origins: vec![SHOP.to_owned()],
        controls: vec!["http://127.0.0.1:7777".to_owned()],
        attended: true,
        ..Context::default()
    }
}

fn button(label: &str) -> Target {
    Target {
        role: "button".to_owned(),
        label: label.to_owned(),
        origin: SHOP.to_owned(),
        agrees: true,
        enabled: true,
        identity: "7".to_owned(),
        ..Target::default()
    }
}

pub(super) fn click() -> Action {
    Action::Click {
        button: Button::Left,
        count: 1,
        at: Point::new(1, 1),
        modifiers: Vec::new(),
    }
}

pub(super) fn verdict(
    action: &Action,
    target: Option<&Target>,
    context: &Context,
    rules: &Rules,
) -> crate::Verdict {
    let principal = Principal::model("test");
    judge(
        &Request {
            principal: &principal,
            action,
            target,
            also: &[],
            context,
        },
        rules,
    )
}

fn rules(layers: &[(Layer, &str)]) -> Rules {
    layers.iter().fold(Rules::builtin(), |rules, (layer, text)| {
        rules.with(*layer, "test.toml", text).unwrap()
    })
}

fn rule(name: &str, decision: &str, rest: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\ndecision = \"{decision}\"\nreason = \"because\"\n{rest}\n")
}

#[test]
fn the_builtin_rules_load() {
    assert!(Rules::builtin().iter().count() >= 5);
    assert!(
        Rules::builtin()
            .iter()
            .all(|rule| rule.reference().name != "no-rules")
    );
}

#[test]
fn the_most_particular_layer_decides_and_within_it_the_strictest() {
    let ask = rule("u-ask", "ask", "");
    let allow = rule("r-allow", "allow", "role = \"button\"");
    let deny = rule("r-deny", "deny", "label = \"O*\"");
    let with = |layers: &[(Layer, &str)]| {
        let verdict = verdict(&click(), Some(&button("OK")), &context(), &rules(layers));
        (verdict.decision(), verdict.rule().to_string())
    };
    assert_eq!(with(&[]), (Decision::Allow, "builtin/tier-1-free".into()));
    assert_eq!(with(&[(Layer::User, &ask)]), (Decision::Ask, "user/u-ask".into()));
    assert_eq!(
        with(&[(Layer::User, &ask), (Layer::Run, &allow)]),
        (Decision::Allow, "run/r-allow".into())
    );
    let both = format!("{allow}{deny}");
    assert_eq!(
        with(&[(Layer::User, &ask), (Layer::Run, &both)]),
        (Decision::Deny, "run/r-deny".into())
    );
}

#[test]
fn a_locked_rule_binds_later_layers_and_a_project_only_tightens() {
    let locked = rule("s-lock", "ask", "locked = true");
    let allow = rule("r-allow", "allow", "");
    let project = rule("p-deny", "deny", "label = \"OK\"");
    let with = |layers: &[(Layer, &str)]| {
        let verdict = verdict(&click(), Some(&button("OK")), &context(), &rules(layers));
        (verdict.decision(), verdict.rule().name.clone())
    };
    assert_eq!(
        with(&[(Layer::System, &locked), (Layer::Run, &allow)]),
        (Decision::Ask, "s-lock".into())
    );
    assert_eq!(
        with(&[(Layer::Run, &allow), (Layer::Project, &project)]),
        (Decision::Deny, "p-deny".into())
    );
    let error = Rules::builtin()
        .with(Layer::Project, "p.toml", &allow)
        .unwrap_err();
    assert!(error.to_string().contains("may only ask or deny"), "{error}");
}

#[test]
fn nobody_there_means_no() {
    let mut alone = context();
    alone.attended = false;
    let verdict = verdict(&click(), Some(&button("Pay now")), &alone, &Rules::builtin());
    assert_eq!(verdict.decision(), Decision::Deny);
    assert_eq!(verdict.rule().name, "tier-3-ask");
    assert!(verdict.why().contains("nobody is there"));
    let Outcome::Denied(denial) = verdict.into_outcome() else {
        panic!()
    };
    assert!(denial.to_string().contains("tier-3-ask") && denial.to_string().contains("pays or orders"));
}

#[test]
fn an_uncertain_target_is_asked_about_even_if_a_rule_allows() {
    let mut target = button("OK");
    target.agrees = false;
    let allow = rule("r-allow", "allow", "");
    let verdict = verdict(
        &click(),
        Some(&target),
        &context(),
        &rules(&[(Layer::Run, &allow)]),
    );
    assert_eq!(
        (verdict.decision(), verdict.rule().name.as_str()),
        (Decision::Ask, "target-uncertain")
    );
}

#[test]
fn the_agents_own_controls_are_out_of_reach_whatever_the_rules_say() {
    let allow = rule("r-allow", "allow", "");
    let rules = rules(&[
        (Layer::System, &allow),
        (Layer::User, &allow),
        (Layer::Run, &allow),
    ]);
    let mut target = button("Allow");
    target.origin = "http://localhost:7777".to_owned();
    let denied = |action: &Action, target: Option<&Target>, name: &str| {
        let verdict = verdict(action, target, &context(), &rules);
        assert_eq!(
            (verdict.decision(), verdict.rule().name.as_str()),
            (Decision::Deny, name),
            "{action:?}"
        );
    };
    denied(&click(), Some(&target), "own-controls");
    let open = |url: &str| Action::OpenUrl { url: url.to_owned() };
    denied(&open("http://[::1]:7777/approve"), None, "own-controls");
    denied(&open("file:///root/.config/aurore/rules.toml"), None, "own-files");
    denied(&open("FILE:///etc"), None, "own-files");
    denied(&open("chrome://settings"), None, "browser-internals");
    denied(&open(" javascript:alert(1)"), None, "script-addresses");
    let chord = Chord::parse(&["shift", "ctrl", "I"]).unwrap();
    denied(&Action::Key { chord }, Some(&button("x")), "browser-keys");
    let mut link = button("x");
    link.link = Some("http://127.0.0.1:7777/".to_owned());
    denied(&click(), Some(&link), "own-controls");
}

#[test]
fn taint_raises_unless_both_ends_are_named() {
    let mut tainted = context();
    tainted.tainted = vec![Tainted {
        argument: Argument::Url,
        source: "https://mail.example".to_owned(),
        address: false,
    }];
    let open = Action::OpenUrl {
        url: format!("{SHOP}/x"),
    };
    let decision = |context: &Context, rules: &Rules| {
        let verdict = verdict(&open, None, context, rules);
        (verdict.tier(), verdict.decision())
    };
    assert_eq!(decision(&tainted, &Rules::builtin()), (Tier::Once, Decision::Ask));
    let allow = rule("u-allow", "allow", &format!("origin = \"{SHOP}\""));
    assert_eq!(
        decision(&tainted, &rules(&[(Layer::User, &allow)])).1,
        Decision::Ask,
        "an allow covers taint only if it says so"
    );
    let named = rule("u-allow", "allow", "taint = true");
    assert_eq!(
        decision(&tainted, &rules(&[(Layer::User, &named)])).1,
        Decision::Allow
    );
    tainted.goal = "Copy the link of mail.example to shop.example".to_owned();
    assert_eq!(
        decision(&tainted, &Rules::builtin()),
        (Tier::Free, Decision::Allow)
    );
}

#[test]
fn the_model_can_only_raise() {
    let mut raised = context();
    raised.raised = Some(Tier::Always);
    assert_eq!(
        verdict(&click(), Some(&button("OK")), &raised, &Rules::builtin()).decision(),
        Decision::Ask
    );
    raised.raised = Some(Tier::Free);
    assert_eq!(
        verdict(&click(), Some(&button("Pay now")), &raised, &Rules::builtin()).tier(),
        Tier::Always
    );
}

#[test]
fn an_allow_rule_speaks_for_all_places_a_deny_rule_for_any() {
    let mut link = button("More");
    link.link = Some("https://other.example/x".to_owned());
    let allow = rule("u", "allow", &format!("origin = \"{SHOP}\""));
    let deny = rule("u", "deny", "origin = \"https://other.example\"");
    let decide =
        |text: &str| verdict(&click(), Some(&link), &context(), &rules(&[(Layer::User, text)])).decision();
    assert_eq!(decide(&allow), Decision::Ask);
    assert_eq!(decide(&deny), Decision::Deny);
}

#[test]
fn a_drag_is_judged_by_both_ends() {
    let principal = Principal::model("test");
    let action = Action::Drag {
        path: vec![Point::new(1, 1), Point::new(9, 9)],
        modifiers: Vec::new(),
    };
    let context = context();
    let verdict = judge(
        &Request {
            principal: &principal,
            action: &action,
            target: Some(&button("Report.pdf")),
            also: &[button("Trash")],
            context: &context,
        },
        &Rules::builtin(),
    );
    assert_eq!(
        (verdict.decision(), verdict.tier()),
        (Decision::Ask, Tier::Always)
    );
}

#[test]
fn an_approval_is_bound_to_what_was_judged() {
    let target = button("Pay now");
    let Outcome::Ask(ask) = verdict(&click(), Some(&target), &context(), &Rules::builtin()).into_outcome()
    else {
        panic!()
    };
    let approved = ask.answered_yes("bob");
    assert_eq!(approved.authority(), &Authority::Answer { by: "bob".to_owned() });
    let bound = approved.binding().target.clone().unwrap();
    assert_eq!(bound.difference(&bound), None);
    let mut swapped = target.clone();
    swapped.label = "Delete".to_owned();
    assert!(
        bound
            .difference(&crate::BoundTarget::of(&swapped))
            .unwrap()
            .contains("Delete")
    );
    let mut moved = target;
    moved.bounds = Some(aurore_action::Rect {
        x: 1,
        y: 1,
        width: 2,
        height: 2,
    });
    assert_eq!(bound.difference(&crate::BoundTarget::of(&moved)), None);
}

#[test]
fn allowing_from_now_on_goes_from_narrow_to_wide_and_never_for_payments() {
    let principal = Principal::model("test");
    let context = context();
    let offered = |label: &str| {
        let target = button(label);
        let action = click();
        let request = Request {
            principal: &principal,
            action: &action,
            target: Some(&target),
            also: &[],
            context: &context,
        };
        let verdict = judge(&request, &Rules::builtin());
        scopes_for(&request, verdict.record())
    };
    assert!(offered("Pay now").is_empty());
    let scopes = offered("Log in");
    let allowed = |index: usize, label: &str| {
        let mut rules = Rules::builtin();
        rules.push(scopes[index].rule.clone());
        verdict(&click(), Some(&button(label)), &context, &rules).decision() == Decision::Allow
    };
    let table: Vec<[bool; 4]> = (0..scopes.len())
        .map(|index| ["Log in", "Sign in", "Upload", "Pay now"].map(|label| allowed(index, label)))
        .collect();
    assert_eq!(
        table,
        [
            [true, false, false, false],
            [true, true, false, false],
            [true, true, true, false],
            // Kept for every run: never "anything".
            [true, false, false, false],
            [true, true, false, false],
        ]
    );
    let kept: Vec<bool> = scopes.iter().map(|scope| scope.kept.is_some()).collect();
    assert_eq!(kept, [false, false, false, true, true]);
}

#[test]
fn mistakes_in_a_file_are_named_by_line() {
    let refused = |text: &str, line: usize, words: &str| {
        let error = Rules::builtin()
            .with(Layer::User, "rules.toml", text)
            .unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("hint:"));
    };
    refused(
        "[[rule]]\nname = \"a\"\ndecision = \"deny\"\nreason = \"r\"\norigen = \"x\"\n",
        5,
        "origen",
    );
    refused(
        "[[rule]]\nname = \"a\"\ndecision = \"perhaps\"\nreason = \"r\"\n",
        3,
        "perhaps",
    );
    refused("[[rule]]\nname = \"a\"\ndecision = \"deny\"\n", 1, "reason");
    refused(
        "\n[[rule]]\nname = \"a\"\ndecision = \"deny\"\nreason = \" \"\n",
        2,
        "reason",
    );
    refused(&rule("a", "deny", "origin = \"[\""), 1, "not a glob");
    refused(
        &rule("a", "deny", "action = \"leftclick\""),
        1,
        "no action is called",
    );
    refused(&rule("a", "deny", "action = []"), 1, "empty list");
    refused(&rule("a", "deny", "tier = 7"), 1, "tier 7");
    refused(&rule("a", "deny", "field = \"pasword\""), 1, "pasword");
    refused(&rule("a", "allow", "locked = true"), 1, "only ask and deny");
    refused(
        &format!("{}{}", rule("a", "deny", ""), rule("a", "ask", "")),
        6,
        "two rules",
    );
    refused(
        &rule(
            "a",
            "deny",
            "label = \"Pay*\"\nmatch = [\n { label = \"Buy\" },\n]",
        ),
        7,
        "does not match",
    );
    refused(
        &rule(
            "a",
            "deny",
            "label = \"Pay*\"\nnot_match = [{ label = \"pay now\" }]",
        ),
        6,
        "matches this example",
    );
    refused("not toml at all", 1, "");
}

/// Windows of a desktop and screens of a phone have an app's identity where a page has its origin.
#[test]
fn desktops_and_phones_come_through_the_same_door() {
    let on = |app: &str, role: &str, label: &str| Target {
        role: role.to_owned(),
        label: label.to_owned(),
        origin: app.to_owned(),
        agrees: true,
        enabled: true,
        ..Target::default()
    };
    let files = Context {
        goal: "Tidy up my downloads in Nautilus".to_owned(),
        origin: "org.gnome.Nautilus".to_owned(),
        controls: vec!["org.gnome.Terminal/window/1".to_owned()],
        attended: true,
        ..Context::default()
    };
    let decide = |action: &Action, target: &Target, context: &Context, rules: &Rules| {
        let verdict = verdict(action, Some(target), context, rules);
        (verdict.decision(), verdict.tier(), verdict.rule().name.clone())
    };
    let builtin = Rules::builtin();
    let view = on("org.gnome.Nautilus", "button", "List view");
    assert_eq!(
        decide(&click(), &view, &files, &builtin).0,
        Decision::Allow,
        "the goal names the app"
    );
    let trash = on("org.gnome.Nautilus", "menuitem", "Move to Trash");
    assert_eq!(decide(&click(), &trash, &files, &builtin).1, Tier::Always);
    let other = on("org.keepassxc.KeePassXC", "button", "OK");
    assert_eq!(
        decide(&click(), &other, &files, &builtin).1,
        Tier::Once,
        "another app"
    );
    // The terminal where the questions are answered.
    let own = on("org.gnome.Terminal/window/1", "terminal", "");
    let typed = Action::Type {
        text: "yes\n".to_owned(),
    };
    let everything = rules(&[(Layer::Run, &rule("r-allow", "allow", ""))]);
    assert_eq!(
        decide(&typed, &own, &files, &everything),
        (Decision::Deny, Tier::Once, "own-controls".into())
    );

    let phone = Context {
        goal: "Look at my photos".to_owned(),
        origin: "com.android.gallery".to_owned(),
        known_origins: vec!["com.android.gallery".to_owned()],
        attended: true,
        ..Context::default()
    };
    let press = Action::LongPress {
        at: Point::new(1, 1),
        milliseconds: 600,
    };
    let picture = on("com.android.gallery", "image", "Beach");
    assert_eq!(decide(&press, &picture, &phone, &builtin).0, Decision::Allow);
    let bin = on("com.android.gallery", "button", "Delete");
    assert_eq!(decide(&press, &bin, &phone, &builtin).1, Tier::Always);
    let app = |name: &str| Action::OpenApp {
        name: name.to_owned(),
    };
    assert_eq!(
        verdict(&app("Bank"), None, &phone, &builtin).decision(),
        Decision::Ask
    );
    let wanted = Context {
        goal: "Open the Gallery and count the photos".to_owned(),
        ..phone.clone()
    };
    assert_eq!(
        verdict(&app("Gallery"), None, &wanted, &builtin).decision(),
        Decision::Allow
    );
    let never = rule("u-never", "deny", "app = \"com.bank.*\"");
    let bank = on("com.bank.mobile", "button", "Balance");
    assert_eq!(
        decide(&click(), &bank, &phone, &rules(&[(Layer::User, &never)])).0,
        Decision::Deny
    );
}
