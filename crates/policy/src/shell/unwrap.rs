//! From an argument vector to the programs that it starts.

use super::lex::{Script, script};

/// One program that would be started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Started {
    /// Its name and arguments.
    pub(crate) argv: Vec<String>,
    /// Files that its input or output is redirected to.
    pub(crate) redirected: Vec<String>,
    /// Variables set for it.
    pub(crate) environment: Vec<String>,
    /// Whether it is exactly its words: nothing is put in place of parts of them, nothing is set or redirected.
    pub(crate) bare: bool,
    /// Whether it gets the rights of another user.
    pub(crate) rights: bool,
    /// Why what it does cannot be foreseen, if so.
    pub(crate) unread: Option<&'static str>,
}

/// Deeper wrapping is not looked into.
const DEEPEST: usize = 8;

/// Programs that run the rest of their arguments as a command, and the options of each that take a value.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("env", &["-u", "--unset", "-C", "--chdir"]),
    ("nohup", &[]),
    ("nice", &["-n", "--adjustment"]),
    ("ionice", &["-c", "-n", "-p"]),
    ("time", &["-f", "-o"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("setsid", &[]),
    ("command", &[]),
    ("builtin", &[]),
    ("exec", &["-a"]),
    ("busybox", &[]),
    ("toybox", &[]),
    ("caffeinate", &[]),
    ("unbuffer", &[]),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"]),
    ("xargs", &["-I", "-n", "-P", "-d", "-L", "-a", "-E", "-s"]),
    (
        "sudo",
        &["-u", "-g", "-C", "-p", "-h", "-U", "-r", "-t", "-D", "-R"],
    ),
    ("doas", &["-u", "-C"]),
    ("pkexec", &["--user"]),
    ("run0", &["-u", "--user"]),
    ("chroot", &[]),
    ("unshare", &[]),
    ("nsenter", &["-t"]),
    ("watch", &["-n"]),
    ("strace", &["-o", "-e", "-p"]),
];

const RIGHTS: &[&str] = &[
    "sudo", "doas", "pkexec", "run0", "su", "chroot", "unshare", "nsenter", "runuser",
];

const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash"];

const INTERPRETERS: &[&str] = &[
    "python",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "deno",
    "bun",
    "php",
    "lua",
    "luajit",
    "osascript",
    "powershell",
    "pwsh",
    "tclsh",
    "Rscript",
    "julia",
    "ghc",
    "gawk",
    "awk",
    "mawk",
    "sqlite3",
    "psql",
    "mysql",
    "emacs",
    "vim",
    "vi",
    "ed",
    "gdb",
    "make",
    "irb",
    "groovy",
    "scala",
    "jshell",
    "cmd",
    "wscript",
    "cscript",
    "mshta",
];

/// Options by which interpreters take code from the command line.
const CODE: &[&str] = &[
    "-c",
    "-e",
    "-E",
    "-r",
    "-p",
    "--eval",
    "--print",
    "-exec",
    "--execute",
    "-Command",
    "-EncodedCommand",
    "-enc",
    "-ec",
    "/c",
    "/C",
    "--command",
    "-ex",
    "+",
    "-cmd",
];

/// Variables that change which code runs.
const DECISIVE: &[&str] = &[
    "PATH",
    "IFS",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "PROMPT_COMMAND",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "PAGER",
    "EDITOR",
    "VISUAL",
    "BROWSER",
    "HOME",
    "SHELL",
    "GCONV_PATH",
    "CLASSPATH",
    "MAKEFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC",
    "CC",
];

/// Everything that an argument vector would start.
pub(crate) fn started(argv: &[String], environment: &[(String, String)]) -> Vec<Started> {
    let mut first = Started {
        argv: argv.to_vec(),
        bare: environment.is_empty(),
        ..Started::default()
    };
    for (name, _) in environment {
        first.set(name);
    }
    let mut found = Vec::new();
    follow(first, false, 0, &mut found);
    found
}

fn follow(mut this: Started, piped: bool, depth: usize, found: &mut Vec<Started>) {
    if depth > DEEPEST {
        this.unread.get_or_insert("a command inside too many others");
        found.push(this);
        return;
    }
    // `A=b program`: what is set counts, and the program is judged.
    while let Some((name, _)) = this.argv.first().and_then(|word| assignment(word)) {
        this.set(&name);
        this.argv.remove(0);
    }
    let Some(program) = this.argv.first().map(|word| base(word).to_owned()) else {
        if !this.environment.is_empty() || !this.redirected.is_empty() {
            found.push(this);
        }
        return;
    };
    this.rights |= RIGHTS.contains(&program.as_str());
    if matches!(
        program.as_str(),
        "eval" | "source" | "." | "ssh" | "parallel" | "script" | "su" | "runuser" | "at" | "batch"
    ) {
        this.unread
            .get_or_insert("code that is made while it runs, or runs elsewhere");
        found.push(this);
    } else if SHELLS.contains(&program.as_str()) {
        shell(this, piped, depth, found);
    } else if let Some((_, valued)) = WRAPPERS.iter().find(|(name, _)| *name == program) {
        wrapper(this, &program, valued, piped, depth, found);
    } else {
        if is_interpreter(&program) && takes_code(&program, &this.argv, piped) {
            this.unread
                .get_or_insert("code given on the command line or fed to an interpreter");
        }
        if program == "find" || program == "fd" {
            nested_exec(&this, depth, found);
        }
        found.push(this);
    }
}

/// `sh -c SCRIPT`, a script file, or what is fed.
fn shell(mut this: Started, piped: bool, depth: usize, found: &mut Vec<Started>) {
    let mut arguments = this.argv.iter().skip(1);
    let mut inline = None;
    let mut file = false;
    while let Some(argument) = arguments.next() {
        let short = argument.starts_with('-') && !argument.starts_with("--");
        if short && argument.contains('c') {
            inline = arguments.find(|next| !next.starts_with('-')).cloned();
            break;
        }
        if !argument.starts_with('-') && !argument.starts_with('+') {
            file = true;
            break;
        }
    }
    match inline {
        Some(text) => nest(&this, script(&text), depth, found),
        None if file && !piped => {
            this.unread.get_or_insert("a script in a file");
            found.push(this);
        }
        None => {
            this.unread.get_or_insert("a script that is fed to a shell");
            found.push(this);
        }
    }
}

/// The commands of a script that `outer` runs.
fn nest(outer: &Started, script: Script, depth: usize, found: &mut Vec<Started>) {
    if let Some(why) = script.unread {
        found.push(Started {
            unread: Some(why),
            bare: false,
            ..outer.clone()
        });
    }
    for command in script.commands {
        let mut inner = Started {
            environment: outer.environment.clone(),
            rights: outer.rights,
            unread: outer.unread,
            bare: outer.bare
                && command.redirected.is_empty()
                && command.words.iter().all(|word| !word.expands),
            redirected: command.redirected.iter().map(|word| word.text.clone()).collect(),
            argv: command.words.iter().map(|word| word.text.clone()).collect(),
        };
        // Which program it is must stand there.
        let program = command.words.iter().find(|word| assignment(&word.text).is_none());
        if program.is_some_and(|word| word.expands) {
            inner.unread = Some("a program whose name is made while it runs");
        }
        follow(inner, command.piped, depth + 1, found);
    }
}

/// Takes a wrapper with its options off.
fn wrapper(
    mut this: Started,
    program: &str,
    valued: &[&str],
    piped: bool,
    depth: usize,
    found: &mut Vec<Started>,
) {
    let words = this.argv.split_off(1);
    let mut rest = words.into_iter().peekable();
    while let Some(word) = rest.peek() {
        if program == "env" && (word == "-S" || word.starts_with("--split-string")) {
            this.unread.get_or_insert("a command inside a text");
        }
        if let Some((name, _)) = assignment(word).filter(|_| matches!(program, "env" | "sudo" | "doas")) {
            this.set(&name);
            rest.next();
        } else if word.starts_with('-') && word.len() > 1 {
            let takes = valued.contains(&word.as_str());
            rest.next();
            if takes {
                rest.next();
            }
        } else {
            break;
        }
    }
    if matches!(program, "timeout" | "chroot") {
        rest.next();
    }
    let inner: Vec<String> = rest.collect();
    if inner.is_empty() {
        // A wrapper by itself: `env` prints, `sudo -i` opens a shell.
        this.unread = this.unread.or(this.rights.then_some("a shell with other rights"));
        found.push(this);
        return;
    }
    if program == "xargs" {
        this.bare = false;
        if piped || !inner.is_empty() {
            this.unread.get_or_insert("arguments that another command makes");
        }
    }
    if program == "watch" {
        nest(&this, script(&inner.join(" ")), depth, found);
        return;
    }
    this.argv = inner;
    follow(this, piped, depth + 1, found);
}

/// `find … -exec PROGRAM … ;`
fn nested_exec(this: &Started, depth: usize, found: &mut Vec<Started>) {
    let mut words = this.argv.iter();
    while let Some(word) = words.next() {
        if matches!(
            word.as_str(),
            "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch"
        ) {
            let argv: Vec<String> = words
                .by_ref()
                .take_while(|word| !matches!(word.as_str(), ";" | "+"))
                .cloned()
                .collect();
            let inner = Started {
                argv,
                bare: false,
                ..this.clone()
            };
            follow(inner, false, depth + 1, found);
        }
    }
}

fn takes_code(program: &str, argv: &[String], piped: bool) -> bool {
    let arguments = &argv[1..];
    if matches!(
        program,
        "make" | "awk" | "gawk" | "mawk" | "ed" | "gdb" | "sqlite3" | "psql" | "mysql" | "cmd"
    ) {
        return true;
    }
    let option = |word: &String| {
        CODE.iter().any(|code| word.eq_ignore_ascii_case(code))
            || (word.starts_with('-')
                && !word.starts_with("--")
                && word.len() > 2
                && word[1..].contains(['c', 'e'])
                && !word.contains('='))
    };
    let file = arguments.iter().find(|word| !word.starts_with('-'));
    arguments
        .iter()
        .take_while(|word| Some(*word) != file || word.starts_with('-'))
        .any(option)
        || arguments.iter().any(|word| word == "-")
        || file.is_none() && (piped || arguments.is_empty())
        || piped && file.is_none()
}

fn is_interpreter(program: &str) -> bool {
    let plain = program
        .trim_end_matches(".exe")
        .trim_end_matches(|character: char| character.is_ascii_digit() || character == '.');
    INTERPRETERS.contains(&plain) || INTERPRETERS.contains(&program)
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let named = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    named.then(|| (name.to_owned(), value.to_owned()))
}

/// The program's own name: `/usr/bin/git` is `git`.
pub(crate) fn base(program: &str) -> &str {
    program.rsplit(['/', '\\']).next().unwrap_or(program)
}

impl Started {
    fn set(&mut self, name: &str) {
        self.bare = false;
        self.environment.push(name.to_owned());
        let decisive = DECISIVE.contains(&name)
            || [
                "LD_",
                "DYLD_",
                "GIT_",
                "BASH_FUNC",
                "npm_config_",
                "PIP_",
                "CARGO_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if decisive {
            self.unread
                .get_or_insert("a program under variables that change what it runs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(argv: &[&str]) -> Vec<String> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        started(&argv, &[])
            .into_iter()
            .map(|started| match started.unread {
                Some(_) => format!("?{}", started.argv.join(" ")),
                None => started.argv.join(" "),
            })
            .collect()
    }

    #[test]
    fn wrappers_are_taken_off() {
        assert_eq!(programs(&["env", "-u", "X", "A=b", "rm", "x"]), ["rm x"]);
        assert_eq!(programs(&["A=b", "rm", "x"]), ["rm x"]);
        assert_eq!(
            programs(&["timeout", "-k", "5", "10", "nice", "-n", "3", "rm", "x"]),
            ["rm x"]
        );
        assert_eq!(programs(&["bash", "-lc", "ls && exec rm x"]), ["ls", "rm x"]);
        assert_eq!(programs(&["sh", "-c", "sh -c 'rm x'"]), ["rm x"]);
        assert_eq!(
            programs(&["find", ".", "-exec", "rm", "{}", ";"]),
            ["rm {}", "find . -exec rm {} ;"]
        );
        assert_eq!(programs(&["env"]), ["env"]);
    }

    #[test]
    fn what_cannot_be_read_is_marked() {
        for argv in [
            vec!["sh", "-c", "echo cm0gLXJmIH4= | base64 -d | sh"],
            vec!["bash", "-c", "$X y"],
            vec!["python3", "-c", "import os"],
            vec!["python3.11", "-Bc", "import os"],
            vec!["perl", "-e", "1"],
            vec!["powershell", "-EncodedCommand", "AAAA"],
            vec!["sh", "script.sh"],
            vec!["eval", "rm x"],
            vec!["env", "LD_PRELOAD=./x.so", "ls"],
            vec!["xargs", "rm"],
            vec!["sh"],
            vec!["ssh", "host", "rm x"],
        ] {
            assert!(
                programs(&argv).iter().any(|program| program.starts_with('?')),
                "{argv:?}: {:?}",
                programs(&argv)
            );
        }
        assert!(programs(&["python3", "build.py"])[0].starts_with("python3"));
    }
}
