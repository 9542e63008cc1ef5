//! Files: what is read, written, deleted, and where it lies.

use aurore_action::FilePath;

use super::{Classified, Part};
use crate::{Context, Effect, Tier, facts::Place, path};

/// Names that hold what only its owner should read.
const PRIVATE: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".pgpass",
    ".password-store",
    ".mozilla",
    ".env",
    "keychains",
    "keyrings",
    "shadow",
    "cookies",
    "login data",
    "id_rsa",
    "id_ed25519",
    "credentials",
    "secrets.toml",
];

pub(super) fn reading(file: &FilePath, context: &Context) -> Part {
    let readings = path::readings(file, "/", &context.home);
    Part::new(read(&readings, context), places(&readings))
}

pub(super) fn writing(file: &FilePath, context: &Context) -> Part {
    let readings = path::readings(file, "/", &context.home);
    Part::new(written(&readings, context), places(&readings))
}

pub(super) fn deleting(file: &FilePath, context: &Context) -> Part {
    let readings = path::readings(file, "/", &context.home);
    Part::new(deleted(&readings, context), places(&readings))
}

pub(super) fn moving(from: &FilePath, to: &FilePath, context: &Context) -> Part {
    let mut readings = path::readings(from, "/", &context.home);
    readings.extend(path::readings(to, "/", &context.home));
    let tier = if inside(&readings, context) {
        Tier::Once
    } else {
        Tier::Always
    };
    let moved = Classified::new(
        tier,
        Effect::Move,
        format!("moves a file{}", outside_words(&readings, context)),
    );
    Part::new(moved, places(&readings))
}

pub(super) fn read(readings: &[String], context: &Context) -> Classified {
    if let Some(private) = readings.iter().find(|path| is_private(path)) {
        return Classified::new(
            Tier::Always,
            Effect::ReadFile,
            format!("reads {private}, which is private"),
        );
    }
    match outside(readings, context) {
        Some(path) => Classified::new(
            Tier::Once,
            Effect::ReadFile,
            format!("reads {path}, outside of the folders that the run was given"),
        ),
        None => Classified::free("reads in a folder that the run was given"),
    }
}

pub(super) fn written(readings: &[String], context: &Context) -> Classified {
    match outside(readings, context) {
        Some(path) => Classified::new(
            Tier::Always,
            Effect::WriteFile,
            format!("writes {path}, outside of the folders that the run was given"),
        ),
        None => Classified::new(Tier::Once, Effect::WriteFile, "writes a file"),
    }
}

pub(super) fn deleted(readings: &[String], context: &Context) -> Classified {
    let whole = readings.iter().find(|path| {
        context
            .folders
            .iter()
            .chain([&context.home])
            .any(|folder| !folder.is_empty() && path::is_in(folder, path))
            || *path == "/"
    });
    match whole {
        Some(path) => Classified::new(Tier::Hands, Effect::Delete, format!("deletes all of {path}")),
        None => Classified::new(
            Tier::Always,
            Effect::Delete,
            format!("deletes a file{}", outside_words(readings, context)),
        ),
    }
}

/// A file as a place: a path without origin and address.
pub(super) fn places(readings: &[String]) -> Vec<Place> {
    readings.iter().map(|path| Place::of_file(path)).collect()
}

/// The first reading that lies in none of the run's folders.
pub(super) fn outside<'a>(readings: &'a [String], context: &Context) -> Option<&'a String> {
    readings
        .iter()
        .find(|path| !context.folders.iter().any(|folder| path::is_in(path, folder)))
}

fn inside(readings: &[String], context: &Context) -> bool {
    outside(readings, context).is_none()
}

fn outside_words(readings: &[String], context: &Context) -> String {
    outside(readings, context).map_or_else(String::new, |path| {
        format!(": {path}, outside of the folders that the run was given")
    })
}

fn is_private(path: &str) -> bool {
    path.to_lowercase().split('/').any(|part| {
        let ending = part.rsplit_once('.').map_or("", |(_, ending)| ending);
        PRIVATE.contains(&part)
            || part.starts_with(".env.")
            || matches!(ending, "pem" | "kdbx" | "p12" | "pfx")
    })
}
