//! `aurore policy explain`: how something would be judged, and by which rule.

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_action::{Action, Button, FieldKind, FilePath, Form, Point, Target, ToolCall};
use aurore_policy::{
    Argument, Context, Principal, Request, Tainted, ToolRequest, explain, facts, tool_facts,
};
use serde_json::json;

use crate::failure::{WithHint, hinted};
use crate::global::Global;
use crate::rules;

/// Options of `aurore policy explain`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// `left_click`, `double_click`, `type`, `open_url`, `scroll`, `back`, …, or a tool: `run_command`, `read_file`,
    /// `write_file`, `delete_file`, `fetch`, `mcp_call`.
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
    /// The text to type, or the address to open or to fetch.
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
    /// Judge as if the text or the address had come off a page of this origin.
    #[arg(long, value_name = "ORIGIN")]
    tainted_from: Option<String>,
    /// Folder that a command starts in, and that the run was given.
    #[arg(long, default_value = "/work", value_name = "DIR")]
    folder: String,
    /// Path of a file.
    #[arg(long, default_value = "", value_name = "PATH")]
    path: String,
    /// Where that path leads, links followed; the same if absent.
    #[arg(long, value_name = "PATH")]
    resolves_to: Option<String>,
    /// Tool of a tool server, as SERVER/TOOL.
    #[arg(long, default_value = "server/tool", value_name = "TOOL")]
    tool: String,
    /// Arguments of a call to it, as a JSON object.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    arguments: String,
    /// The program and its arguments, after `--`.
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let rules = rules::load(&args.rules)?;
    let page = url::Url::parse(&args.page).with_hint(
        &format!("`{}` is no address", args.page),
        "write it in full: --page https://example.com/cart",
    )?;
    let origin = page.origin().ascii_serialization();
    let principal = Principal::model("explain");
    let context = Context {
        goal: args.goal.clone(),
        origin: origin.clone(),
        url: Some(page.to_string()),
        known_origins: vec![origin.clone()],
        attended: !args.headless,
        folders: vec![args.folder.clone()],
        tainted: args.tainted_from.iter().map(|source| tainted(source)).collect(),
        step: 1,
        ..Context::default()
    };
    let seen = match tool_call(args)? {
        Some(call) => tool_facts(&ToolRequest {
            principal: &principal,
            call: &call,
            context: &context,
        }),
        None => {
            let action = action(args)?;
            let target = target(args, &origin, page.as_str())?;
            let has_target = action.point().is_some() || action.is_keyboard();
            facts(&Request {
                principal: &principal,
                action: &action,
                target: has_target.then_some(&target),
                also: &[],
                context: &context,
            })
        }
    };
    let (verdict, words) = explain(&seen, &rules, context.attended);
    if global.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        print!("{words}");
    }
    Ok(ExitCode::SUCCESS)
}

fn tainted(source: &str) -> Tainted {
    Tainted {
        argument: Argument::Text,
        source: source.to_owned(),
        address: false,
    }
}

fn target(args: &Args, origin: &str, page: &str) -> anyhow::Result<Target> {
    Ok(Target {
        role: args.role.clone(),
        label: args.label.clone(),
        field: field(args.field.as_deref())?,
        origin: origin.to_owned(),
        url: page.to_owned(),
        link: args.link.clone(),
        form: args.submits_to.as_ref().map(|address| Form {
            action: address.clone(),
            method: "post".to_owned(),
            submits: true,
            ..Form::default()
        }),
        agrees: true,
        enabled: true,
        ..Target::default()
    })
}

/// The use of a tool that the options describe, if it is one.
fn tool_call(args: &Args) -> anyhow::Result<Option<ToolCall>> {
    let path = FilePath {
        given: args.path.clone(),
        resolved: Some(args.resolves_to.as_ref().unwrap_or(&args.path).clone()),
    };
    Ok(Some(match args.action.as_str() {
        "run_command" => ToolCall::Command {
            argv: args.command.clone(),
            folder: args.folder.clone(),
            environment: Vec::new(),
            paths: Vec::new(),
        },
        "read_file" => ToolCall::ReadFile { path },
        "write_file" => ToolCall::WriteFile { path },
        "delete_file" => ToolCall::DeleteFile { path },
        "fetch" => ToolCall::Fetch {
            method: "GET".to_owned(),
            url: args.text.clone().unwrap_or_default(),
            body: None,
        },
        "mcp_call" => {
            let (server, tool) = args.tool.split_once('/').ok_or_else(|| {
                hinted(
                    format!("`{}` names no tool of a server", args.tool),
                    "--tool SERVER/TOOL",
                )
            })?;
            ToolCall::Mcp {
                server: server.to_owned(),
                tool: tool.to_owned(),
                arguments: serde_json::from_str(&args.arguments).with_hint(
                    &format!("`{}` are no arguments", args.arguments),
                    "a JSON object: --arguments '{\"to\": \"bob\"}'",
                )?,
            }
        }
        _ => return Ok(None),
    }))
}

fn action(options: &Args) -> anyhow::Result<Action> {
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
                 open_url, back, forward, screenshot, wait, answer, run_command, read_file, write_file, delete_file, \
                 fetch, mcp_call",
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
