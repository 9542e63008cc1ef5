//! The grammar of an agent's step: reason before deed, and one deed.

use std::fmt::Write;

use aurore_engine::Grammar;

use super::spec::{Kind, SPECS, Spec, TOOL};
use crate::parser::Tags;

/// What a step's grammar asks for beside intent, expected effect and call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepForm {
    /// The answer starts inside thinking; without, its thinking was closed in the prompt.
    pub thinking: bool,
    /// A plan and notes may stand before the intent ([`crate::step::Step`]).
    pub plan: bool,
}

/// Thinking, `Intent:`, `Expect:` and one call of `computer_use` with an action of a browser, in this order. The
/// tags are those of the checkpoint ([`crate::Chat::tags`]).
///
/// Free text is a sequence of rows, not one long terminal: within a row nearly every token may come next, which the
/// grammar's engine finds out at once, while it would walk the whole vocabulary at every token of a terminal that ends in
/// a closing tag.
pub fn step_grammar(tags: &Tags, form: StepForm) -> Grammar {
    let Tags {
        think_end,
        call,
        call_end,
        ..
    } = tags;
    let start = if form.thinking {
        format!(r#"start: thinking <[{think_end}]> "\n\n" step"#)
    } else {
        "start: step".to_owned()
    };
    let (before, rules) = if form.plan {
        (
            "plan? note* ",
            r#"plan: "Plan:\n" ("- [" MARK "] " LINE "\n")+
MARK: /[ x-]/
note: "Note: " LINE "\n"
"#,
        )
    } else {
        ("", "")
    };
    let mut lark = format!(
        r#"{start}
step: {before}"Intent: " LINE "\nExpect: " LINE "\n\n" <[{call}]> "\n<function={TOOL}>\n" deed "</function>\n" <[{call_end}]>
{rules}FIRST_ROW: /\S[^\n]*/
thinking: FIRST_ROW (NEWLINE ROW?)* NEWLINE
LINE: /[^\s][^\n]*/
NUMBER: /0|[1-9][0-9]{{0,2}}|1000/
point: "[" NUMBER ", " NUMBER "]\n</parameter>\n"
path: "[[" NUMBER ", " NUMBER "]" (", [" NUMBER ", " NUMBER "]")+ "]\n</parameter>\n"
region: "[" NUMBER ", " NUMBER ", " NUMBER ", " NUMBER "]\n</parameter>\n"
NAME: /"[^"\\\n\x00-\x1F]+"/
names: "[" NAME (", " NAME)* "]\n</parameter>\n"
MODIFIER: /"(ctrl|shift|alt|meta)"/
modifiers: "[" MODIFIER (", " MODIFIER)* "]\n</parameter>\n"
NEWLINE: /\n/
ROW: /[^\n]+/
OTHER_ROW: /[^\n]+/ & ~/<\/parameter>/
text: ROW? (NEWLINE OTHER_ROW?)* NEWLINE "</parameter>\n"
URL: /[^\s]+/
url: URL "\n</parameter>\n"
PIXELS: /0|-?[1-9][0-9]{{0,4}}/
pixels: PIXELS "\n</parameter>\n"
SECONDS: /60|[1-5]?[0-9](\.[0-9]{{1,3}})?/
seconds: SECONDS "\n</parameter>\n"
INDEX: /0|[1-9][0-9]{{0,2}}/
index: INDEX "\n</parameter>\n"
status: ("success" | "failure") "\n</parameter>\n"
"#
    );
    let offered = || SPECS.iter().filter(|spec| spec.browser);
    let deeds: Vec<String> = offered().map(deed).collect();
    _ = writeln!(lark, "deed: \"<parameter=action>\\n\" ({})", deeds.join(" | "));
    Grammar::Lark(lark)
}

/// One alternative: the action's name and its arguments.
fn deed(spec: &Spec) -> String {
    let mut rule = format!(r#""{}\n</parameter>\n""#, spec.name);
    if spec.name == "left_click_drag" {
        // Two points or a path, never both.
        let [start, end, path, held] = ["start_coordinate", "coordinate", "path", "modifiers"];
        _ = write!(
            rule,
            " ({} {} | {}) {}?",
            parameter(start, Kind::Point),
            parameter(end, Kind::Point),
            parameter(path, Kind::Path),
            parameter(held, Kind::Modifiers)
        );
        return rule;
    }
    for argument in spec.arguments {
        let optional = if argument.required { "" } else { "?" };
        _ = write!(rule, " {}{optional}", parameter(argument.name, argument.kind));
    }
    rule
}

fn parameter(name: &str, kind: Kind) -> String {
    let rule = match kind {
        Kind::Point => "point",
        Kind::Path => "path",
        Kind::Region => "region",
        Kind::Keys => "names",
        Kind::Modifiers => "modifiers",
        Kind::Text => "text",
        Kind::Url => "url",
        Kind::Pixels => "pixels",
        Kind::Seconds => "seconds",
        Kind::Index => "index",
        Kind::Status | Kind::Button => "status",
    };
    format!(r#"("<parameter={name}>\n" {rule})"#)
}
