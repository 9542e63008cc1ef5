//! Laws of judging, on anything that can be put together.

use aurore_action::{Action, Chord, FieldKind, Form, Target, ToolCall};
use proptest::prelude::*;

use super::tests::{click, verdict};
use crate::{
    Argument, Context, Decision, Layer, Opinion, Principal, Rules, Tainted, Tier, ToolRequest, judge_tool,
};

fn rule(name: &str, decision: &str, rest: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\ndecision = \"{decision}\"\nreason = \"because\"\n{rest}\n")
}

fn loaded(layers: &[(Layer, &str, String)]) -> Rules {
    layers
        .iter()
        .enumerate()
        .fold(Rules::builtin(), |rules, (number, (layer, decision, rest))| {
            rules
                .with(*layer, "t", &rule(&format!("r{number}"), decision, rest))
                .unwrap()
        })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            "Pay now",
            "OK",
            "Delete",
            "https://shop.example",
            "http://127.0.0.1:7777",
            "file:///x",
            "null",
            "a.b",
            "Log in",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn any_field() -> impl Strategy<Value = FieldKind> {
    prop::sample::select(vec![
        FieldKind::None,
        FieldKind::Text,
        FieldKind::Search,
        FieldKind::Email,
        FieldKind::Password,
        FieldKind::Payment,
        FieldKind::File,
        FieldKind::Choice,
        FieldKind::Personal,
        FieldKind::Telephone,
    ])
}

prop_compose! {
    fn any_target()(
        role in prop::sample::select(vec!["button", "link", "textbox", "", "tab", "\u{202e}x"]),
        label in any_text(),
        field in any_field(),
        origin in any_text(),
        link in prop::option::of(any_text()),
        form in prop::option::of((any_text(), prop::collection::vec(any_field(), 0..3), any::<bool>())),
        agrees in any::<bool>(),
    ) -> Target {
        Target {
            role: role.to_owned(),
            label,
            field,
            origin,
            link,
            form: form.map(|(action, fields, submits)| Form { action, method: "post".to_owned(), fields, submits, button: None }),
            agrees,
            ..Target::default()
        }
    }
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(click()),
        any_text().prop_map(|text| Action::Type { text }),
        any_text().prop_map(|url| Action::OpenUrl { url }),
        any_text().prop_map(|name| Action::OpenApp { name }),
        prop::sample::select(vec!["Enter", "space", "F12", "a", "ctrl+Enter"]).prop_map(|key| Action::Key {
            chord: Chord::parse(&[key]).unwrap()
        }),
        Just(Action::Screenshot),
        Just(Action::MouseUp { at: None }),
    ]
}

prop_compose! {
    fn any_context()(
        goal in any_text(),
        origin in any_text(),
        known in prop::collection::vec(any_text(), 0..2),
        attended in any::<bool>(),
        taint in prop::option::of(any_text()),
        raised in prop::option::of(1u8..=4),
    ) -> Context {
        Context {
            goal,
            origin,
            known_origins: known,
            controls: vec!["http://127.0.0.1:7777".to_owned()],
            attended,
            tainted: taint.map(|source| Tainted { argument: Argument::Text, source, address: false }).into_iter().collect(),
            raised: raised.map(|tier| Tier::try_from(tier).unwrap()),
            ..Context::default()
        }
    }
}

fn any_rule() -> impl Strategy<Value = (Layer, &'static str, String)> {
    (
        prop::sample::select(vec![Layer::System, Layer::User, Layer::Run, Layer::Project]),
        prop::sample::select(vec!["allow", "ask", "deny"]),
        prop::sample::select(vec![
            "",
            "role = \"button\"",
            "label = \"*pay*\"",
            "origin = \"https://*.example\"",
            "tier = [1, 2]",
            "field = \"password\"",
            "taint = true",
            "effect = [\"pay\", \"new-place\"]",
            "source = \"https://*.example\"\ntaint = true",
            "action = \"left_*\"",
            "locked = true",
        ]),
    )
        .prop_filter_map("such a rule is refused", |(layer, decision, rest)| {
            let possible = decision != "allow" || (layer != Layer::Project && rest != "locked = true");
            possible.then(|| (layer, decision, rest.to_owned()))
        })
}

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "sh", "-c", "env", "A=b", "sudo", "rm", "git", "push", "--", "xargs", "find", "-exec", ";", "/",
            "~", "$(id)"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn any_script() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            prop::sample::select(vec![
                "ls", " ", "&&", "|", ";", "$(", ")", "`", "'", "\"", "\\", "<<", ">", "(", "{", "}", "$'",
                "#", "\n", "x=1"
            ])
            .prop_map(str::to_owned),
            any::<String>(),
        ],
        0..12,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn judging_is_total_and_pure_and_names_its_rule(
        action in any_action(), target in prop::option::of(any_target()), context in any_context(),
        layers in prop::collection::vec(any_rule(), 0..4),
    ) {
        let rules = loaded(&layers);
        let one = verdict(&action, target.as_ref(), &context, &rules);
        let again = verdict(&action, target.as_ref(), &context, &loaded(&layers));
        prop_assert_eq!(one.record(), again.record());
        prop_assert!(!one.rule().name.is_empty() && !one.rule().reason.is_empty() && !one.why().is_empty());
        prop_assert!(context.attended || one.decision() != Decision::Ask);
    }

    #[test]
    fn adding_a_rule_never_loosens_to_allow_unless_it_says_allow(
        action in any_action(), target in prop::option::of(any_target()), context in any_context(),
        layers in prop::collection::vec(any_rule(), 0..4), added in any_rule(),
    ) {
        let before = verdict(&action, target.as_ref(), &context, &loaded(&layers));
        let more = [layers, vec![added.clone()]].concat();
        let after = verdict(&action, target.as_ref(), &context, &loaded(&more));
        if before.decision() > Decision::Allow && after.decision() == Decision::Allow {
            prop_assert_eq!(added.1, "allow");
            prop_assert_eq!(after.rule().layer, added.0);
        }
    }

    #[test]
    fn a_locked_denial_denies_whatever_else_is_written(
        action in any_action(), target in prop::option::of(any_target()), context in any_context(),
        layers in prop::collection::vec(any_rule(), 0..4),
        layer in prop::sample::select(vec![Layer::System, Layer::User, Layer::Run, Layer::Project]),
    ) {
        let more = [layers, vec![(layer, "deny", "locked = true".to_owned())]].concat();
        prop_assert_eq!(verdict(&action, target.as_ref(), &context, &loaded(&more)).decision(), Decision::Deny);
    }

    #[test]
    fn a_projects_folder_never_loosens(
        action in any_action(), target in prop::option::of(any_target()), context in any_context(),
        layers in prop::collection::vec(any_rule(), 0..4), added in any_rule(),
    ) {
        prop_assume!(added.1 != "allow");
        let before = verdict(&action, target.as_ref(), &context, &loaded(&layers));
        let more = [layers, vec![(Layer::Project, added.1, added.2)]].concat();
        let after = verdict(&action, target.as_ref(), &context, &loaded(&more));
        prop_assert!(after.decision() >= before.decision());
    }

    #[test]
    fn taint_and_the_models_own_doubt_never_loosen(
        action in any_action(), target in prop::option::of(any_target()), context in any_context(),
        layers in prop::collection::vec(any_rule(), 0..4), source in any_text(), address in any::<bool>(),
        raised in 1u8..=4,
    ) {
        let rules = loaded(&layers);
        let plain = Context { tainted: Vec::new(), raised: None, ..context };
        let tainted = Context {
            tainted: vec![Tainted { argument: Argument::Text, source, address }],
            ..plain.clone()
        };
        let doubting = Context { raised: Tier::try_from(raised).ok(), ..plain.clone() };
        let both = Context { raised: doubting.raised, ..tainted.clone() };
        let of = |context: &Context| verdict(&action, target.as_ref(), context, &rules);
        for stricter in [&tainted, &doubting, &both] {
            prop_assert!(of(stricter).decision() >= of(&plain).decision());
            prop_assert!(of(stricter).tier() >= of(&plain).tier());
        }
    }

    #[test]
    fn a_second_opinion_never_loosens(
        action in any_action(), target in prop::option::of(any_target()), context in any_context(),
        decision in prop::sample::select(vec![Decision::Allow, Decision::Ask, Decision::Deny]),
    ) {
        let opinion = Opinion { by: "another model".into(), decision, reason: "it looks odd".into() };
        let of = || verdict(&action, target.as_ref(), &context, &Rules::builtin());
        let after = of().tightened(&opinion, context.attended);
        prop_assert!(after.decision() >= of().decision() && after.decision() >= decision);
        prop_assert!(context.attended || after.decision() != Decision::Ask);
        prop_assert_eq!(after.tier(), of().tier());
    }

    #[test]
    fn any_command_is_judged(
        argv in prop::collection::vec(any_word(), 0..6), script in any_script(), context in any_context(),
    ) {
        let principal = Principal::model("test");
        for argv in [argv, vec!["sh".to_owned(), "-c".to_owned(), script]] {
            let call = ToolCall::Command { argv, folder: "/work".into(), environment: Vec::new(), paths: Vec::new() };
            let request = ToolRequest { principal: &principal, call: &call, context: &context };
            let verdict = judge_tool(&request, &Rules::builtin());
            prop_assert!(!verdict.why().is_empty());
        }
    }

    /// Whatever stands around it: a script with a command in it is never milder than that command.
    #[test]
    fn a_script_is_never_milder_than_what_is_in_it(
        before in prop::sample::select(vec!["ls && ", "true; ", "A=b ", "echo x | ", "(", "if ls; then ", "env C=d ", "\n"]),
        after in prop::sample::select(vec!["", " && ls", "; true", " &", " # done", "\nls"]),
    ) {
        let principal = Principal::model("test");
        let context = Context { attended: true, folders: vec!["/work".into()], ..Context::default() };
        let call = ToolCall::Command {
            argv: vec!["sh".into(), "-c".into(), format!("{before}rm x{after}")],
            folder: "/work".into(),
            environment: Vec::new(),
            paths: Vec::new(),
        };
        let request = ToolRequest { principal: &principal, call: &call, context: &context };
        prop_assert_eq!(judge_tool(&request, &Rules::builtin()).tier(), Tier::Always);
    }
}
