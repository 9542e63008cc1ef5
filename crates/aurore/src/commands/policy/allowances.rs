//! What was allowed from now on: a list, and the way back.

use std::process::ExitCode;

use serde_json::json;

use crate::allowances::Allowances;
use crate::failure::hinted;
use crate::global::Global;

pub(super) fn list(global: &Global) -> anyhow::Result<ExitCode> {
    let allowances = Allowances::of_the_user()?;
    let kept = allowances.kept()?;
    for rule in &kept {
        if global.json {
            println!("{}", serde_json::to_string(rule)?);
        } else {
            println!("{}", rule.name);
            println!("  {}", rule.reason);
            for (field, value) in rule.conditions() {
                println!("  {field} = {value}");
            }
        }
    }
    if !global.json && kept.is_empty() {
        println!(
            "nothing is allowed from now on; {} would hold it",
            allowances.file().display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke(name: &str, global: &Global) -> anyhow::Result<ExitCode> {
    let allowances = Allowances::of_the_user()?;
    if !allowances.revoke(name)? {
        return Err(hinted(
            format!("nothing named `{name}` was allowed"),
            "`aurore policy allowances` lists what was",
        ));
    }
    if global.json {
        println!("{}", json!({"revoked": name}));
    } else {
        println!("{name} is revoked: it will be asked about again");
    }
    Ok(ExitCode::SUCCESS)
}
