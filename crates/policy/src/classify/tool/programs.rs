//! What well-known programs do. Everything else only "runs a program".

use crate::{Effect, Tier};

/// What a program does with the files that its arguments name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// Reads them.
    Read,
    /// Writes or makes them.
    Write,
    /// Deletes them.
    Delete,
}

/// Programs that only look, whatever their arguments.
const LOOKING: &[&str] = &[
    "ls",
    "pwd",
    "echo",
    "printf",
    "date",
    "whoami",
    "id",
    "uname",
    "hostname",
    "which",
    "type",
    "true",
    "false",
    "test",
    "[",
    "cat",
    "head",
    "tail",
    "wc",
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "stat",
    "file",
    "du",
    "df",
    "uniq",
    "cut",
    "tr",
    "nl",
    "tac",
    "basename",
    "dirname",
    "realpath",
    "readlink",
    "cmp",
    "diff",
    "comm",
    "tree",
    "seq",
    "sleep",
    "cd",
    "base64",
    "base32",
    "xxd",
    "od",
    "hexdump",
    "sha256sum",
    "md5sum",
    "cksum",
    "jq",
    "less",
    "more",
    "sort",
    "ps",
    "uptime",
    "free",
    "column",
];

/// Those of them whose arguments are no files.
const NO_FILES: &[&str] = &[
    "echo", "printf", "date", "whoami", "id", "uname", "hostname", "which", "type", "true", "false", "seq",
    "sleep", "tr", "ps", "uptime", "free", "pwd",
];

/// Subcommands that only look.
const LOOKING_SUBCOMMANDS: &[(&str, &[&str])] = &[
    (
        "git",
        &[
            "status",
            "log",
            "diff",
            "show",
            "blame",
            "ls-files",
            "rev-parse",
            "describe",
            "shortlog",
            "grep",
        ],
    ),
    ("cargo", &["tree", "metadata"]),
    ("docker", &["ps", "images", "logs"]),
    ("kubectl", &["get", "describe", "logs"]),
];

/// Programs and subcommands with consequences of their own.
const CONSEQUENCES: &[(&[&str], Tier, Effect, &str)] = &[
    (
        &["passwd", "chpasswd", "usermod", "visudo", "htpasswd"],
        Tier::Hands,
        Effect::Password,
        "changes a password or an account",
    ),
    (
        &["mkfs", "fdisk", "parted", "wipefs", "dd", "cryptsetup"],
        Tier::Hands,
        Effect::Delete,
        "writes over a whole disk",
    ),
    (
        &["shutdown", "reboot", "poweroff", "halt"],
        Tier::Always,
        Effect::Run,
        "turns the machine off",
    ),
    (
        &[
            "kill",
            "pkill",
            "killall",
            "systemctl",
            "service",
            "launchctl",
            "crontab",
            "loginctl",
            "iptables",
            "nft",
            "sysctl",
            "mount",
            "umount",
            "modprobe",
        ],
        Tier::Always,
        Effect::Run,
        "changes what runs on this machine",
    ),
    (
        &["chmod", "chown", "chgrp", "setfacl", "icacls"],
        Tier::Always,
        Effect::Share,
        "changes who may read or write",
    ),
    (
        &[
            "mail", "sendmail", "mutt", "msmtp", "telnet", "nc", "ncat", "netcat", "socat", "scp", "sftp",
            "ftp", "rsync", "rclone", "aws", "gcloud", "az", "gh", "twine",
        ],
        Tier::Always,
        Effect::Send,
        "sends data to another machine",
    ),
    (
        &[
            "git push",
            "git send-email",
            "docker push",
            "npm publish",
            "cargo publish",
            "cargo login",
            "kubectl apply",
            "kubectl delete",
            "terraform apply",
            "terraform destroy",
        ],
        Tier::Always,
        Effect::Send,
        "publishes or changes something elsewhere",
    ),
    (
        &[
            "git clean",
            "git reset",
            "git rebase",
            "git filter-branch",
            "git stash",
            "git checkout",
            "git restore",
            "git branch",
            "docker rm",
            "docker system",
        ],
        Tier::Always,
        Effect::Delete,
        "can lose work",
    ),
    (
        &[
            "git config",
            "git remote",
            "git submodule",
            "git clone",
            "git fetch",
            "git pull",
        ],
        Tier::Always,
        Effect::RunUnread,
        "can bring in or name code that runs later",
    ),
    (
        &[
            "apt",
            "apt-get",
            "dnf",
            "yum",
            "pacman",
            "brew",
            "snap",
            "flatpak",
            "dpkg",
            "rpm",
            "apk",
            "zypper",
            "pip install",
            "pip3 install",
            "pipx",
            "uv",
            "npm install",
            "npm i",
            "npm ci",
            "npx",
            "yarn",
            "pnpm",
            "cargo install",
            "cargo add",
            "gem",
            "go install",
            "go get",
            "rustup",
            "conda",
            "nix",
            "winget",
            "choco",
        ],
        Tier::Always,
        Effect::Install,
        "installs software",
    ),
    (
        &["docker", "podman", "kubectl", "lxc", "virsh"],
        Tier::Always,
        Effect::Rights,
        "starts something with rights of its own",
    ),
];

const FILES: &[(&[&str], Files)] = &[
    (
        &["rm", "rmdir", "unlink", "shred", "trash", "srm", "del"],
        Files::Delete,
    ),
    (
        &[
            "truncate", "touch", "mkdir", "tee", "ln", "cp", "install", "mv", "patch", "sponge", "tar",
            "unzip", "zip", "gzip", "sed", "split",
        ],
        Files::Write,
    ),
];

/// Programs that ask web servers.
pub(super) const FETCHING: &[&str] = &["curl", "wget", "http", "https", "aria2c", "lynx", "w3m"];

/// What a program causes by itself.
pub(super) fn consequence(argv: &[String]) -> Option<(Tier, Effect, &'static str)> {
    let name = super::command::name(argv);
    if name == "find" && argv.iter().any(|word| word == "-delete") {
        return Some((Tier::Always, Effect::Delete, "deletes what it finds"));
    }
    let pair = subcommand(argv).map(|second| format!("{name} {second}"));
    CONSEQUENCES
        .iter()
        .find(|(programs, ..)| {
            programs.iter().any(|program| {
                *program == name
                    || Some(*program) == pair.as_deref()
                    || name.starts_with("mkfs.") && *program == "mkfs"
            })
        })
        .filter(|(programs, ..)| !looks(argv) || programs.contains(&name))
        .map(|(_, tier, effect, what)| (*tier, *effect, *what))
        .filter(|_| !is_looking_subcommand(argv))
}

/// Whether it only looks.
pub(super) fn looks(argv: &[String]) -> bool {
    let name = super::command::name(argv);
    let quiet = !argv.iter().any(|word| writes_by_option(name, word));
    (LOOKING.contains(&name) && quiet)
        || is_looking_subcommand(argv)
        || (matches!(name, "find" | "fd")
            && !argv.iter().any(|word| {
                matches!(
                    word.as_str(),
                    "-delete"
                        | "-exec"
                        | "-execdir"
                        | "-ok"
                        | "-okdir"
                        | "-fprint"
                        | "-fprintf"
                        | "-fls"
                        | "-x"
                        | "-X"
                        | "--exec"
                        | "--exec-batch"
                )
            }))
}

/// What it does with the files it names.
pub(super) fn files(argv: &[String]) -> Option<Files> {
    let name = super::command::name(argv);
    if matches!(name, "find" | "fd") {
        return Some(Files::Read);
    }
    let listed = FILES
        .iter()
        .find(|(programs, _)| programs.contains(&name))
        .map(|(_, files)| *files);
    listed.or_else(|| (looks(argv) && !NO_FILES.contains(&name)).then_some(Files::Read))
}

fn is_looking_subcommand(argv: &[String]) -> bool {
    let name = super::command::name(argv);
    // An option before the subcommand may say what runs: `git -c core.pager=… log`.
    argv.get(1).is_some_and(|second| {
        LOOKING_SUBCOMMANDS
            .iter()
            .any(|(program, subcommands)| *program == name && subcommands.contains(&second.as_str()))
    }) && !argv.iter().any(|word| {
        word.starts_with("--output")
            || word.starts_with("--ext-diff")
            || word.starts_with("--open-files-in-pager")
    })
}

fn subcommand(argv: &[String]) -> Option<&String> {
    argv.iter()
        .skip(1)
        .find(|word| !word.starts_with('-') && !word.contains('='))
}

/// `sort -o FILE` and the like.
fn writes_by_option(name: &str, word: &str) -> bool {
    match name {
        "sort" | "tree" => word.starts_with("-o") || word.starts_with("--output"),
        "xxd" => word == "-r",
        "rg" => word.starts_with("--pre"),
        "less" | "more" => true,
        _ => false,
    }
}
