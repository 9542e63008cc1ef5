//! A shell script as simple commands: `a && b | c $(d)` is a, b, c and d.

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    /// Quotes taken off.
    pub(super) text: String,
    /// Whether the shell puts something else in place of parts of it: variables, substitutions, globs.
    pub(super) expands: bool,
}

/// A program with its words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Simple {
    pub(super) words: Vec<Word>,
    /// Files that its output or input is redirected to.
    pub(super) redirected: Vec<Word>,
    /// Whether it reads what another command writes.
    pub(super) piped: bool,
}

/// All commands of a script, nested ones included, and why it was not understood, if so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Simple>,
    pub(super) unread: Option<&'static str>,
}

/// Longer scripts and deeper nesting are not looked into.
const LONGEST: usize = 16 * 1024;
const DEEPEST: usize = 8;

pub(super) fn script(text: &str) -> Script {
    parse(text, 0)
}

fn parse(text: &str, depth: usize) -> Script {
    if text.len() > LONGEST || depth > DEEPEST {
        return Script {
            commands: Vec::new(),
            unread: Some("a script too long or too nested to be judged"),
        };
    }
    let mut lexer = Lexer {
        rest: text.chars().collect(),
        at: 0,
        depth,
        script: Script::default(),
        command: Simple::default(),
        word: None,
        redirects: false,
    };
    lexer.run();
    lexer.script
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    depth: usize,
    script: Script,
    command: Simple,
    word: Option<Word>,
    /// The next word is a file.
    redirects: bool,
}

impl Lexer {
    fn run(&mut self) {
        while let Some(character) = self.next() {
            match character {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(escaped) => self.push(escaped),
                },
                '\'' => self.quoted(),
                '"' => self.double(),
                '$' => self.dollar(),
                '`' => self.backticks(),
                '#' if self.word.is_none() => {
                    while self.peek().is_some_and(|next| next != '\n') {
                        self.at += 1;
                    }
                }
                ' ' | '\t' => self.end_word(),
                '\n' | ';' | '(' | ')' => self.end_command(false),
                '&' if self.peek() == Some('>') => self.redirect(),
                '&' => {
                    self.take('&');
                    self.end_command(false);
                }
                '|' => {
                    let alternative = self.take('|');
                    self.take('&');
                    self.end_command(!alternative);
                }
                '<' | '>' if self.peek() == Some('(') => {
                    self.at += 1;
                    self.substitution();
                }
                '<' if self.peek() == Some('<') => {
                    self.unread("a script that brings its own input");
                    self.at += 1;
                    self.take('<');
                    self.end_word();
                }
                '>' | '<' => {
                    // A number before it is a channel and no word.
                    if self
                        .word
                        .as_ref()
                        .is_some_and(|word| word.text.chars().all(|digit| digit.is_ascii_digit()))
                    {
                        self.word = None;
                    }
                    self.redirect();
                }
                '*' | '?' | '[' | '{' => {
                    self.push(character);
                    self.expands();
                }
                '~' if self.word.is_none() => {
                    self.push('~');
                    self.expands();
                }
                other => self.push(other),
            }
        }
        self.end_command(false);
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += 1;
        Some(character)
    }

    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().text.push(character);
    }

    fn expands(&mut self) {
        self.word.get_or_insert_default().expands = true;
    }

    fn unread(&mut self, why: &'static str) {
        self.script.unread.get_or_insert(why);
    }

    fn quoted(&mut self) {
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return,
                Some(character) => self.push(character),
                None => return self.unread("a script with an open quotation"),
            }
        }
    }

    fn double(&mut self) {
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('"') => return,
                Some('\\') => {
                    if let Some(escaped) = self.next() {
                        self.push(escaped);
                    }
                }
                Some('$') => self.dollar(),
                Some('`') => self.backticks(),
                Some(character) => self.push(character),
                None => return self.unread("a script with an open quotation"),
            }
        }
    }

    fn dollar(&mut self) {
        self.expands();
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.substitution();
            }
            Some('\'' | '"') => self.unread("a script with encoded text"),
            _ => self.push('$'),
        }
    }

    /// The inside of `$(…)`, `<(…)`: a script of its own.
    fn substitution(&mut self) {
        self.expands();
        let begin = self.at;
        let mut open = 1_usize;
        while let Some(character) = self.next() {
            match character {
                '\\' => self.at += 1,
                '\'' => while self.next().is_some_and(|next| next != '\'') {},
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                let inner: String = self.rest[begin..self.at - 1].iter().collect();
                return self.nested(&inner);
            }
        }
        self.unread("a script with an open substitution");
    }

    fn backticks(&mut self) {
        self.expands();
        let begin = self.at;
        while let Some(character) = self.next() {
            match character {
                '\\' => self.at += 1,
                '`' => {
                    let inner: String = self.rest[begin..self.at - 1].iter().collect();
                    return self.nested(&inner);
                }
                _ => {}
            }
        }
        self.unread("a script with an open substitution");
    }

    fn nested(&mut self, inner: &str) {
        let inner = parse(inner, self.depth + 1);
        self.script.commands.extend(inner.commands);
        if let Some(why) = inner.unread {
            self.unread(why);
        }
    }

    fn redirect(&mut self) {
        self.end_word();
        while self.peek().is_some_and(|next| matches!(next, '>' | '|' | '&')) {
            self.at += 1;
        }
        self.redirects = true;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.redirects) {
            // `2>&1` goes to no file.
            if !word
                .text
                .chars()
                .all(|digit| digit.is_ascii_digit() || digit == '-')
                && word.text != "/dev/null"
            {
                self.command.redirected.push(word);
            }
            return;
        }
        if self.command.words.is_empty() && !word.expands {
            match word.text.as_str() {
                "if" | "then" | "else" | "elif" | "fi" | "while" | "until" | "do" | "done" | "!" | "{"
                | "}" | "time" => return,
                "for" | "case" | "select" | "function" | "esac" | "coproc" => {
                    self.unread("a script with loops or functions");
                }
                _ => {}
            }
        }
        if word.expands && word.text == "{" && self.command.words.is_empty() {
            return;
        }
        self.command.words.push(word);
    }

    fn end_command(&mut self, pipes: bool) {
        self.end_word();
        self.redirects = false;
        let command = std::mem::replace(
            &mut self.command,
            Simple {
                piped: pipes,
                ..Simple::default()
            },
        );
        if !command.words.is_empty() || !command.redirected.is_empty() {
            self.script.commands.push(command);
        } else if command.piped && pipes {
            self.command.piped = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        script(text)
            .commands
            .iter()
            .map(|command| command.words.iter().map(|word| word.text.clone()).collect())
            .collect()
    }

    #[test]
    fn every_command_of_a_script_is_found() {
        assert_eq!(
            words("ls && rm -rf 'a b'"),
            [vec!["ls"], vec!["rm", "-rf", "a b"]]
        );
        assert_eq!(words("echo \"$(rm x)\""), [vec!["rm", "x"], vec!["echo", ""]]);
        assert_eq!(
            words("echo `rm x`|sh\nid"),
            [vec!["rm", "x"], vec!["echo", ""], vec!["sh"], vec!["id"]]
        );
        assert_eq!(
            words("(rm a); { rm b; } & if rm c; then rm d; fi"),
            [["rm", "a"], ["rm", "b"], ["rm", "c"], ["rm", "d"]]
        );
        assert_eq!(words("r\\m x # rm y\n'r'\"m\" z"), [["rm", "x"], ["rm", "z"]]);
        assert_eq!(words("diff <(rm a) b"), [vec!["rm", "a"], vec!["diff", "", "b"]]);
    }

    #[test]
    fn where_output_goes_is_found() {
        let redirected = |text: &str| {
            script(text).commands[0]
                .redirected
                .iter()
                .map(|word| word.text.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(redirected("ls >a 2>> b"), ["a", "b"]);
        assert_eq!(redirected("ls &>c"), ["c"]);
        assert!(redirected("ls 2>&1 >/dev/null").is_empty());
        assert_eq!(redirected("> d"), ["d"]);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in [
            "echo 'open",
            "echo $(rm",
            "cat <<EOF\nEOF",
            "for x in a; do rm $x; done",
            "echo $'\\x72m'",
        ] {
            assert!(script(text).unread.is_some(), "{text}");
        }
        assert!(script("ls | wc -l").unread.is_none());
        assert!(script("ls | wc -l").commands[1].piped);
    }
}
