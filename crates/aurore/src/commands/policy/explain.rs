//! `aurore policy`: rules checked, verdicts explained.

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_action::{Action, Button, FieldKind, Form, Point, Target};
use aurore_policy::{Context, Layer, Principal, Request, Rules, explain, judge};
use serde_json::json;

use crate::failure::{WithHint, hinted};
use crate::global::Global;
use crate::rules;

/// Options of `aurore policy`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check a file of rules: fields, patterns, reasons, and its own examples.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Show how an action would be judged, and by which rule.
    Explain(Box<Explain>),
}

#[derive(clap::Args)]
struct Explain {
    /// `left_click`, `double_click`, `type`, `open_url`, `scroll`, `back`, …
    action: String,
    /// Address of the page in the frame.
    #[arg(long, default_value = "https://example.com/", value_name = "ADDRESS")]
    page: String,
    /// Role of what it hits: `button`, `link`, `textbox`, …
    #[arg(long, default_value = "", value_name = "ROLE")]
    role: String,
    /// Label of what it hits.
    #[arg(long, default_value = "", value_name = "TEXT")]
    label: String,
    /// What the field takes: `text`, `email`, `password`, `payment`, …
    #[arg(long, value_name = "KIND")]
    field: Option<String>,
    /// Where the link leads.
    #[arg(long, value_name = "ADDRESS")]
    link: Option<String>,
    /// Where the form is sent that it submits.
    #[arg(long, value_name = "ADDRESS")]
    submits_to: Option<String>,
    /// The text to type, or the address to open.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// The person's goal.
    #[arg(long, default_value = "", value_name = "TEXT")]
    goal: String,
    /// More rules for this run.
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Judge as if nobody were there to be asked.
    #[arg(long)]
    headless: bool,
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Check { file } => {
            let builtin = Rules::builtin().iter().count();
            let count = rules::add(Rules::builtin(), Layer::User, &file)?.iter().count() - builtin;
            if global.json {
                println!("{}", json!({"file": file, "rules": count, "ok": true}));
            } else {
                println!(
                    "{}: {count} rules, all examples come out as they say",
                    file.display()
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Explain(options) => explained(&options, global),
    }
}

fn explained(options: &Explain, global: &Global) -> anyhow::Result<ExitCode> {
    let rules = rules::load(&options.rules)?;
    let page = url::Url::parse(&options.page).with_hint(
        &format!("`{}` is no address", options.page),
        "write it in full: --page https://example.com/cart",
    )?;
    let origin = page.origin().ascii_serialization();
    let action = action(options)?;
    let principal = Principal::model("explain");
    let context = Context {
        goal: options.goal.clone(),
        origin: origin.clone(),
        url: Some(page.to_string()),
        known_origins: vec![origin.clone()],
        attended: !options.headless,
        step: 1,
        ..Context::default()
    };
    let target = Target {
        role: options.role.clone(),
        label: options.label.clone(),
        field: field(options.field.as_deref())?,
        origin,
        url: page.to_string(),
        link: options.link.clone(),
        form: options.submits_to.as_ref().map(|address| Form {
            action: address.clone(),
            method: "post".to_owned(),
            submits: true,
            ..Form::default()
        }),
        agrees: true,
        enabled: true,
        ..Target::default()
    };
    let has_target = action.point().is_some() || action.is_keyboard();
    let request = Request {
        principal: &principal,
        action: &action,
        target: has_target.then_some(&target),
        also: &[],
        context: &context,
    };
    if global.json {
        let verdict = judge(&request, &rules);
        println!("{}", serde_json::to_string(verdict.record())?);
    } else {
        print!("{}", explain(&request, &rules));
    }
    Ok(ExitCode::SUCCESS)
}

fn action(options: &Explain) -> anyhow::Result<Action> {
    let at = Point::new(0, 0);
    let click = |button, count| Action::Click {
        button,
        count,
        at,
        modifiers: Vec::new(),
    };
    let text = || options.text.clone().unwrap_or_default();
    Ok(match options.action.as_str() {
        "left_click" | "click" => click(Button::Left, 1),
        "double_click" => click(Button::Left, 2),
        "triple_click" => click(Button::Left, 3),
        "right_click" => click(Button::Right, 1),
        "middle_click" => click(Button::Middle, 1),
        "mouse_move" => Action::MouseMove { to: at },
        "scroll" => Action::Scroll {
            at: None,
            dx: 0,
            dy: 100,
            modifiers: Vec::new(),
        },
        "type" => Action::Type { text: text() },
        "open_url" => Action::OpenUrl { url: text() },
        "back" => Action::Back,
        "forward" => Action::Forward,
        "screenshot" => Action::Screenshot,
        "wait" => Action::Wait { milliseconds: 1000 },
        "answer" => Action::Answer { text: text() },
        other => {
            return Err(hinted(
                format!("`{other}` is no action that can be explained here"),
                "left_click, double_click, triple_click, right_click, middle_click, mouse_move, scroll, type, \
                 open_url, back, forward, screenshot, wait, answer",
            ));
        }
    })
}

fn field(name: Option<&str>) -> anyhow::Result<FieldKind> {
    let Some(name) = name else {
        return Ok(FieldKind::None);
    };
    serde_json::from_value(json!(name)).map_err(|_| {
        hinted(
            format!("`{name}` is no kind of field"),
            "text, search, email, telephone, personal, password, payment, file, choice, none",
        )
    })
}
