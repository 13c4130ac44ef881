//! Regular expressions against the ones of another implementation.

use super::{Constraint, Matcher, Random, Vocabulary};

const PATTERNS: [&str; 30] = [
    "abc",
    "a|b|",
    "a(b|c)*d",
    "(?:ab)+c?",
    "a{3}",
    "a{2,}b{0,2}",
    "(a|ab)(c|bcd)(d*)",
    "[a-c]+[^a-c]",
    "[^\\n]*",
    "[\\d\\-x]+",
    "\\d{1,3}(\\.\\d+)?",
    "\\w+\\s\\w+",
    "[^\\s]+",
    "\\S\\D\\W",
    ".",
    "..?",
    "é[à-ü]*",
    "[^é]",
    "\\u00e9\\x41",
    "(a*)*b",
    "(a|b)*a(a|b)(a|b)",
    "(?<year>\\d{4})-(?<month>\\d\\d)",
    "a+?b*?",
    "\\[\\]\\{\\}\\^\\$\\.\\|",
    "[]a]",
    "[a\\]^-]",
    "(((a)))",
    "(|a)(b|)",
    "x{0}y",
    "[\u{1F600}-\u{1F64F}]+",
];

/// A text of characters that the patterns are about.
fn text(random: &mut Random) -> String {
    let characters =
        ['a', 'b', 'c', 'd', 'x', '0', '7', '.', '-', ' ', '\n', 'é', 'ü', 'A', '_', ']', '^', '\u{1F600}', '\u{2028}'];
    (0..random.below(7)).map(|_| random.one_of(&characters)).collect()
}

fn accepts(constraint: &Constraint, vocabulary: &Vocabulary, text: &str) -> bool {
    let mut matcher = Matcher::unbounded(constraint, &vocabulary.trie).unwrap();
    (text.is_empty() || matcher.accept(text.as_bytes()).is_ok()) && matcher.is_complete()
}

/// The pattern in the other implementation's syntax, matching the whole text.
fn reference(pattern: &str) -> fancy_regex::Regex {
    let pattern = pattern
        .replace("\\d", "[0-9]")
        .replace("[[0-9]", "[0-9")
        .replace("\\D", "[^0-9]")
        .replace("\\w", "[0-9A-Za-z_]");
    let pattern = pattern.replace("\\W", "[^0-9A-Za-z_]").replace("[]a]", "(?!)");
    // Of the spaces outside ASCII none is written.
    let pattern = pattern.replace("+\\s", "+[\\t-\\r ]");
    // A point is no line terminator of ECMA-262.
    let pattern = pattern.replace("\\.", "\u{0}").replace('.', "[^\\n\\r\u{2028}\u{2029}]").replace('\u{0}', "\\.");
    fancy_regex::Regex::new(&format!("^(?:{pattern})$")).unwrap_or_else(|error| panic!("{error}: {pattern}"))
}

#[test]
fn a_text_matches_if_the_reference_says_so() {
    let vocabulary = Vocabulary::new();
    let mut random = Random(23);
    for pattern in PATTERNS.into_iter().filter(|pattern| *pattern != "[]a]") {
        let constraint = Constraint::regex(pattern).unwrap_or_else(|error| panic!("{error}: {pattern}"));
        let reference = reference(pattern);
        let mut matched = 0;
        for _ in 0..400 {
            let text = text(&mut random);
            let expected = reference.is_match(&text).unwrap();
            assert_eq!(accepts(&constraint, &vocabulary, &text), expected, "{text:?} and {pattern}");
            matched += usize::from(expected);
        }
        for budget in 20..40 {
            let (reply, _) = vocabulary.reply(&constraint, budget, &mut random);
            let reply = String::from_utf8(reply).unwrap();
            assert!(reference.is_match(&reply).unwrap(), "{reply:?} and {pattern}");
            matched += 1;
        }
        assert!(matched >= 20);
    }
}

#[test]
fn anchors_at_the_ends_are_allowed() {
    let vocabulary = Vocabulary::new();
    for pattern in ["^ab$", "^ab", "ab$", "^a$|^b$"] {
        let constraint = Constraint::regex(pattern).unwrap();
        assert!(!accepts(&constraint, &vocabulary, "xab") && !accepts(&constraint, &vocabulary, "abx"));
        assert!(accepts(&constraint, &vocabulary, if pattern.contains('|') { "b" } else { "ab" }));
    }
}

#[test]
fn a_pattern_of_a_schema_is_found_anywhere_unless_it_is_anchored() {
    let vocabulary = Vocabulary::new();
    for (pattern, matching, other) in [
        ("ab", "xaby", "axb"),
        ("^ab", "aby", "xab"),
        ("ab$", "xab", "abx"),
        ("^ab$", "ab", "abx"),
        ("^a|b$", "xb", "xa"),
    ] {
        let constraint = Constraint::json_schema(&format!("{{\"pattern\":\"{pattern}\"}}")).unwrap();
        assert!(accepts(&constraint, &vocabulary, &format!("\"{matching}\"")), "{matching} and {pattern}");
        assert!(!accepts(&constraint, &vocabulary, &format!("\"{other}\"")), "{other} and {pattern}");
    }
}

#[test]
fn lengths_are_counted_in_characters() {
    let vocabulary = Vocabulary::new();
    let mut random = Random(29);
    for (pattern, min, max) in
        [("[a-d]+(-[a-d]+)*", 3, 5), ("(ab|c)*", 2, 4), (".*", 1, 2), ("a{0,9}é?", 3, 100), ("(a|aa)+", 5, 5)]
    {
        let schema = format!("{{\"pattern\":\"^({pattern})$\",\"minLength\":{min},\"maxLength\":{max}}}");
        let bounded = Constraint::json_schema(&schema).unwrap();
        let least = Constraint::json_schema(&format!("{{\"pattern\":\"^({pattern})$\",\"minLength\":{min}}}")).unwrap();
        let reference = reference(pattern);
        for _ in 0..600 {
            let text = text(&mut random);
            let length = text.chars().count();
            let json = serde_json::to_string(&text).unwrap();
            let matches = reference.is_match(&text).unwrap() && length >= min;
            assert_eq!(accepts(&least, &vocabulary, &json), matches, "{json} and {schema} without a maximum");
            assert_eq!(accepts(&bounded, &vocabulary, &json), matches && length <= max, "{json} and {schema}");
        }
    }
}

#[test]
fn what_is_not_supported_is_named_with_its_position() {
    for (pattern, expected) in [
        ("ab(?=c)", "position 2: a lookaround"),
        ("(?<!a)b", "position 0: a lookaround"),
        ("a\\b", "position 1: the escape '\\b'"),
        ("(a)\\1", "position 3: the escape '\\1'"),
        ("\\p{L}", "position 0: the escape '\\p'"),
        ("a^b", "position 1: an anchor"),
        ("a$b", "position 2: an anchor"),
        ("(^a)", "position 1: an anchor within a group"),
        ("[[:alpha:]]", "position 1: a POSIX class"),
        ("a{20000}", "a repetition of more than 10000 times"),
        ("*a", "position 0: expected something to repeat"),
        ("a**", "position 2: expected something to repeat"),
        ("a{2,1}", "that is not less than the smallest"),
        ("a{,2}", "position 2: expected a number of repetitions"),
        ("(a", "position 2: expected ')'"),
        ("a)", "position 1: a group that was not opened"),
        ("[a", "position 2: expected ']'"),
        ("[]a]", "with a character, got an empty one"),
        ("[b-a]", "a range of two characters in their order"),
        ("\\", "expected a character after"),
        ("\\u12", "expected 4 hexadecimal digits"),
        ("\\ud800", "expected 4 hexadecimal digits that are a character"),
        ("a]", "a bracket that was not opened"),
    ] {
        let error = Constraint::regex(pattern).err().unwrap_or_else(|| panic!("{pattern} was not refused")).to_string();
        assert!(error.contains(expected), "{error}: {pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
    assert!(Constraint::regex(&deep[..4000]).err().unwrap().to_string().contains("more than 64 levels"));
    assert!(Constraint::regex(&"a".repeat(5000)).err().unwrap().to_string().contains("at most 4096 characters"));
}
