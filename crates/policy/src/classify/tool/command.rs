//! Commands: each program that an argument vector starts, for itself.

use aurore_action::FilePath;

use super::{
    Classified, Part, fetch, file,
    programs::{self, Files},
};
use crate::{
    Context, Effect, Tier,
    facts::Place,
    path,
    shell::{self, Started},
};

pub(super) fn parts(
    argv: &[String],
    folder: &str,
    environment: &[(String, String)],
    paths: &[FilePath],
    context: &Context,
) -> Vec<Part> {
    let folder = path::absolute(folder, "/", &context.home);
    let mut parts: Vec<Part> = shell::started(argv, environment)
        .iter()
        .map(|started| part(started, &folder, paths, context))
        .collect();
    if parts.is_empty() {
        parts.push(Part::new(
            Classified::new(
                Tier::Always,
                Effect::RunUnread,
                "starts nothing that can be named",
            ),
            Vec::new(),
        ));
    }
    parts
}

/// The name of the program: its last part.
pub(super) fn name(argv: &[String]) -> &str {
    argv.first().map_or("", |program| shell::base(program))
}

fn part(started: &Started, folder: &str, resolved: &[FilePath], context: &Context) -> Part {
    let argv = &started.argv;
    let mut classified = of_program(argv);
    if let Some(why) = started.unread {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::RunUnread,
            format!("runs {why}"),
        ));
    }
    if started.rights {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::Rights,
            "gets the rights of another user",
        ));
    }
    let mut places = Vec::new();
    // A program that is named by its path is a file that must be where it should.
    if argv.first().is_some_and(|program| program.contains('/')) {
        places.push(Place::of_file(&path::absolute(&argv[0], folder, &context.home)));
    }
    let files = programs::files(argv);
    let mut touched = Vec::new();
    for argument in argv.iter().skip(1) {
        if let Some((judged, led)) = fetch::named(argument, context)
            .filter(|(_, places)| places.iter().any(|place| !place.url.is_empty()))
        {
            classified = classified.or(judged);
            places.extend(led);
        } else if let Some(path) = path_in(argument, files.is_some()) {
            touched.extend(path::readings(&known(path, resolved), folder, &context.home));
        }
    }
    // What the caller resolved beside the arguments counts too.
    touched.extend(
        resolved
            .iter()
            .flat_map(|path| path::readings(path, folder, &context.home)),
    );
    touched.sort_unstable();
    touched.dedup();
    if !touched.is_empty() || files == Some(Files::Delete) {
        classified = classified.or(match files {
            Some(Files::Delete) => file::deleted(&touched, context),
            Some(Files::Write) => file::written(&touched, context),
            Some(Files::Read) | None => file::read(&touched, context),
        });
    } else if files == Some(Files::Read) {
        classified = classified.or(file::read(&[folder.to_owned()], context));
    }
    if !started.redirected.is_empty() {
        let written: Vec<String> = started
            .redirected
            .iter()
            .flat_map(|file| path::readings(&known(file, resolved), folder, &context.home))
            .collect();
        classified = classified.or(file::written(&written, context));
        touched.extend(written);
    }
    places.extend(file::places(&touched));
    Part {
        command: argv.clone(),
        bare: started.bare && started.unread.is_none(),
        ..Part::new(classified, places)
    }
}

fn of_program(argv: &[String]) -> Classified {
    if let Some((tier, effect, what)) = programs::consequence(argv) {
        return Classified::new(tier, effect, what);
    }
    let name = name(argv);
    if programs::FETCHING.contains(&name) {
        let sends = argv.iter().skip(1).any(|word| {
            [
                "-d",
                "--data",
                "-F",
                "--form",
                "-T",
                "--upload",
                "-X",
                "--request",
                "--post",
                "--body",
                "--json",
                "--method",
                "-o",
                "-O",
                "--output",
                "-K",
                "--config",
            ]
            .iter()
            .any(|option| word.starts_with(option))
        });
        return if sends {
            Classified::new(
                Tier::Always,
                Effect::Send,
                "sends to or fetches from a web server",
            )
        } else {
            Classified::new(Tier::Once, Effect::Run, "asks a web server")
        };
    }
    if programs::looks(argv) {
        return Classified::free("only looks");
    }
    match programs::files(argv) {
        Some(Files::Delete) => Classified::new(Tier::Always, Effect::Delete, "deletes files"),
        Some(Files::Write) => Classified::new(Tier::Once, Effect::WriteFile, "writes files"),
        Some(Files::Read) | None => Classified::new(Tier::Once, Effect::Run, format!("runs {name}")),
    }
}

/// The path in an argument: `--file=x`, or the argument itself if it looks like one or the program takes files.
fn path_in(argument: &str, takes_files: bool) -> Option<&str> {
    if let Some(option) = argument.strip_prefix('-') {
        let (_, value) = option.split_once('=')?;
        return (value.contains('/') || value.starts_with(['~', '.'])).then_some(value);
    }
    (takes_files || argument.contains(['/', '\\']) || argument.starts_with(['~', '.'])).then_some(argument)
}

/// The argument as the caller resolved it, if it did.
fn known(path: &str, resolved: &[FilePath]) -> FilePath {
    resolved
        .iter()
        .find(|known| known.given == path)
        .cloned()
        .unwrap_or_else(|| FilePath {
            given: path.to_owned(),
            resolved: None,
        })
}
