//! Paths as text: no file system is asked here.

use aurore_action::FilePath;

/// A path without `.`, `..` and doubled slashes, taken from `folder` if it is relative and from `home` if it
/// begins with `~`. `..` at the root stays there.
pub(crate) fn absolute(path: &str, folder: &str, home: &str) -> String {
    let path = path.replace('\\', "/");
    let expanded = ["~", "$HOME", "${HOME}"]
        .iter()
        .filter(|_| !home.is_empty())
        .find_map(|mark| {
            path.strip_prefix(mark)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .map_or_else(|| path.clone(), |rest| format!("{home}{rest}"));
    let whole = if is_absolute(&expanded) {
        expanded
    } else {
        format!("{folder}/{expanded}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if joined.ends_with(':') || joined.get(1..3) == Some(":/") {
        joined
    } else {
        format!("/{joined}")
    }
}

/// Every way in which a path can be read: as it was written, and as the file system has it.
pub(crate) fn readings(path: &FilePath, folder: &str, home: &str) -> Vec<String> {
    let mut readings = vec![absolute(&path.given, folder, home)];
    readings.extend(
        path.resolved
            .iter()
            .map(|resolved| absolute(resolved, folder, home)),
    );
    readings.dedup();
    readings
}

/// Whether `path` is `folder` or lies in it. Both are absolute.
pub(crate) fn is_in(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether an absolute path is a terminal, or another door to what a person types and is shown there: the questions of a
/// run stand there, and their answers come from there.
pub(crate) fn is_terminal(path: &str) -> bool {
    let of_a_process = path.starts_with("/proc/")
        && path
            .split('/')
            .skip(3)
            .any(|part| matches!(part, "fd" | "mem" | "root"));
    let devices = [
        "/dev/pts",
        "/dev/ptmx",
        "/dev/console",
        "/dev/uinput",
        "/dev/input",
    ];
    of_a_process
        || path.starts_with("/dev/tty")
        || path.starts_with("/dev/vcs")
        || devices.iter().any(|device| is_in(path, device))
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.get(1..3) == Some(":/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_climbs_out_is_seen_where_it_arrives() {
        assert_eq!(
            absolute("../../etc/passwd", "/home/a/work", "/home/a"),
            "/home/etc/passwd"
        );
        assert_eq!(absolute("../../../../etc", "/home/a", ""), "/etc");
        assert_eq!(absolute("~/.ssh//id", "/work", "/home/a"), "/home/a/.ssh/id");
        assert_eq!(absolute("$HOME/x", "/work", "/home/a"), "/home/a/x");
        assert_eq!(absolute("~b/x", "/work", "/home/a"), "/work/~b/x");
        assert_eq!(absolute("C:\\a\\..\\b", "/", ""), "C:/b");
        assert_eq!(absolute("", "/work", ""), "/work");
    }

    #[test]
    fn terminals_are_known_by_their_paths() {
        for terminal in [
            "/dev/tty",
            "/dev/ttyS0",
            "/dev/pts/3",
            "/dev/console",
            "/dev/input/event2",
            "/proc/812/fd/0",
            "/proc/self/fd/1",
            "/proc/812/mem",
        ] {
            assert!(is_terminal(terminal), "{terminal}");
        }
        for other in [
            "/dev/null",
            "/dev/stdin",
            "/proc/cpuinfo",
            "/proc/812/status",
            "/home/a/dev/tty",
            "/proc/fd",
        ] {
            assert!(!is_terminal(other), "{other}");
        }
    }

    #[test]
    fn neighbours_are_not_inside() {
        assert!(is_in("/work/a", "/work/") && is_in("/work", "/work"));
        assert!(!is_in("/workshop", "/work"));
    }
}
