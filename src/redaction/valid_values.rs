//! Property test: values that are valid by their standards are recognised, whatever is next to them.

use proptest::prelude::*;
use proptest::strategy::Union;

use super::*;

/// So many digits.
pub fn digits(count: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(0_u8..10, count).prop_map(|digits| digits.iter().map(u8::to_string).collect())
}

/// `digits` in groups of `size`.
pub fn grouped(digits: &str, size: usize, separator: &str) -> String {
    let groups: Vec<&str> = digits.as_bytes().chunks(size).filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(separator)
}

/// A value of any recogniser that can make some.
fn any_value() -> impl Strategy<Value = String> {
    Union::new(RECOGNISERS.iter().filter_map(|recogniser| Some((recogniser.valid?)())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn all_are_recognised(
        value in any_value(),
        before in prop::sample::select(vec!["", "a ", "(", "\"", ": ", "is: ", "b, ", "\n", "…", "—", "<", "=", "«", "是", "no.\t", "Tel:", "abc:", "No."]),
        behind in prop::sample::select(vec!["", ".", ", b", ")", "\"", "\n1", " and", "!", "…", ";", ": c", ">", "»", "?", "\t2", "吗"]),
    ) {
        let text = format!("{before}{value}{behind}");
        // An equals sign before bare digits is of a formula or an address of the web.
        prop_assume!(before != "=" || !value.bytes().all(|byte| byte.is_ascii_digit()));
        let spans = spans::merged(&text, recognise(&text));
        let covered = spans.iter().any(|span| span.start <= before.len() && span.end >= before.len() + value.len());
        prop_assert!(covered, "{:?} in {:?}: {:?}", value, text, spans);
    }
}
