//! Passwords that are given to a program on its command line: `curl -u user:password`.
//!
//! # Source
//! The programs' manuals.

use std::ops::Range;

use super::ascii_fold::{byte_at, run_end};
use super::{PiiLabel, Recogniser};

/// A program, or a word of its command, with its options that take a password.
struct Program {
    names: &'static [&'static str],
    options: &'static [&'static str],
    /// What the option takes, and how.
    takes: Takes,
}

#[derive(Clone, Copy, PartialEq)]
enum Takes {
    /// A name, a colon and a password.
    Pair,
    /// A password.
    Password,
    /// A password without a space before it.
    Attached,
}

const PROGRAMS: [Program; 6] = [
    Program { names: &["curl"], options: &["-u", "--user", "-U", "--proxy-user"], takes: Takes::Pair },
    Program { names: &["http", "https", "xh"], options: &["-a", "--auth"], takes: Takes::Pair },
    Program { names: &["sshpass", "login"], options: &["-p", "--password"], takes: Takes::Password },
    Program { names: &["redis-cli"], options: &["-a", "--pass"], takes: Takes::Password },
    Program { names: &["ldapsearch", "ldapmodify"], options: &["-w"], takes: Takes::Password },
    Program { names: &["mysql", "mysqldump", "mysqladmin", "mariadb"], options: &["-p"], takes: Takes::Attached },
];
/// The longest value in quotes.
const MAX_QUOTED: usize = 512;

/// A password on a command line.
pub const CREDENTIALS: Recogniser = Recogniser {
    label: PiiLabel::new("SECRET"),
    find: credentials,
    #[cfg(test)]
    slow: &["curl ", "curl -u ", "curl -u '", "curl\\\n"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: None,
};

/// Every password in `text` that is given to one of the programs, with the user's name where that is before it.
pub fn credentials(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut program: Option<&Program> = None;
    let mut at = 0;
    while at < text.len() {
        let word_end = run_end(text, at, |byte| !byte.is_ascii_whitespace());
        let word = &text[at..word_end];
        // A command ends with its line, unless a backslash is before the end, or where another begins.
        match word {
            [] => {
                let goes_on = at > 0 && matches!(text[at - 1], b'\\' | b'\r');
                program = program.filter(|_| text[at] != b'\n' || goes_on);
                at += 1;
                continue;
            }
            b"|" | b";" | b"&&" | b"||" => program = None,
            _ => {}
        }
        program = named(word).or(program);
        let value = program.and_then(|program| value(text, at..word_end, program));
        at = value.as_ref().map_or(word_end, |value| value.end.max(word_end));
        // What goes on behind a password may be another command.
        program = program.filter(|program| value.is_none() || program.takes == Takes::Pair);
        found.extend(value);
    }
    found
}

/// The program of that name, which may have a path or a prompt before it.
fn named(word: &[u8]) -> Option<&'static Program> {
    let start = word.iter().rposition(|byte| b"/$`(\"'".contains(byte)).map_or(0, |last| last + 1);
    let name = &word[start..];
    PROGRAMS.iter().find(|program| program.names.iter().any(|known| name == known.as_bytes()))
}

/// The value of the option that `word` is, if it is one that takes a password.
fn value(text: &[u8], word: Range<usize>, program: &Program) -> Option<Range<usize>> {
    if text[word.start] != b'-' {
        return None;
    }
    let words = &text[word.clone()];
    let name_end = word.start + program.options.iter().filter_map(|option| option_len(words, option)).max()?;
    let start = match (words.starts_with(b"--"), byte_at(text, name_end)) {
        _ if name_end == word.end && program.takes == Takes::Attached => return None,
        _ if name_end == word.end => run_end(text, name_end, |byte| matches!(byte, b' ' | b'\t')),
        (true, b'=') => name_end + 1,
        (true, _) => return None,
        (false, _) => name_end,
    };
    let quote = Some(byte_at(text, start)).filter(|byte| matches!(byte, b'"' | b'\''));
    let start = start + usize::from(quote.is_some());
    let near = &text[..text.len().min(start + MAX_QUOTED)];
    let end = match quote {
        Some(quote) => run_end(near, start, |byte| byte != quote && byte != b'\n'),
        None => run_end(near, start, |byte| !byte.is_ascii_whitespace() && !b"\"'`".contains(&byte)),
    };
    let last = text.get(start..end)?.iter().rposition(|byte| !b".,;)".contains(byte))?;
    let value = start..start + last + 1;
    is_password(&text[value.clone()], program.takes).then_some(value)
}

/// How much of `word` is `option`; options of one letter may be written as one word, of which it is the last.
fn option_len(word: &[u8], option: &str) -> Option<usize> {
    if word.starts_with(option.as_bytes()) {
        return Some(option.len());
    }
    let letters = word.strip_prefix(b"-").filter(|letters| letters.iter().all(u8::is_ascii_alphabetic))?;
    (option.len() == 2 && letters.last() == option.as_bytes().last()).then_some(word.len())
}

/// Whether it is not the name of a variable or of what is to be written there.
fn is_password(value: &[u8], takes: Takes) -> bool {
    let password = match (takes, value.iter().position(|byte| *byte == b':')) {
        (Takes::Pair, None | Some(0)) => return false,
        (Takes::Pair, Some(colon)) => &value[colon + 1..],
        _ => value,
    };
    password.first().is_some_and(|first| !b"$<{[%-/".contains(first))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn passwords_on_command_lines() {
        for (text, password) in [
            ("curl -u user:password https://example.com", "user:password"),
            ("$ /usr/bin/curl -s --user 'ann:correct horse' https://example.com", "ann:correct horse"),
            ("curl -uann:pa55 https://example.com", "ann:pa55"),
            ("curl -sSu ann:pa55 https://example.com", "ann:pa55"),
            ("curl --proxy-user=ann:pa55, then", "ann:pa55"),
            ("`curl https://example.com \\\n  -X POST -u ann:pa55`", "ann:pa55"),
            ("try curl with -u ann:pa55.", "ann:pa55"),
            ("http -a ann:pa55 example.com", "ann:pa55"),
            ("sshpass -p hunter2 ssh ann@host", "hunter2"),
            ("sudo docker login -u ann -p \"hunter2\"", "hunter2"),
            ("mysql -u root -phunter2 shop", "hunter2"),
            ("redis-cli -h host -a hunter2 ping", "hunter2"),
            ("ldapsearch -D cn=ann -w hunter2", "hunter2"),
        ] {
            assert_eq!(found(credentials, text), [password], "{text}");
        }
    }

    #[test]
    fn other_options() {
        for text in [
            "docker run -u 1000:1000 -p 8080:80 image",
            "rsync -u host:path .",
            "curl -u \"$USER:$PASSWORD\" https://example.com",
            "curl -u <user>:<password> https://example.com",
            "curl -u ann https://example.com",
            "curl https://example.com\nps -u ann:b",
            "curl https://example.com | ps -u ann:b",
            "curl --url https://example.com",
            "curl -u",
            "curl -u '",
            "mysql -u root -p shop",
            "mysql -p",
            "ssh -p 2222 host",
            "-u ann:pa55",
        ] {
            assert_eq!(found(credentials, text), [""; 0], "{text}");
        }
    }
}
