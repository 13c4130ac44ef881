//! What holds for all recognisers together, and for redaction as a whole.

#[cfg(not(target_family = "wasm"))]
mod golden;

use super::*;

/// What a recogniser finds in a text, in words.
pub fn found(find: fn(&[u8]) -> Vec<Range<usize>>, text: &str) -> Vec<&str> {
    let folded = Folded::new(text);
    let ranges = find(folded.bytes());
    let spans = ranges.into_iter().map(|range| folded.span(range, PiiLabel::new("SECRET")));
    spans.map(|span| &text[span.start..span.end]).collect()
}

#[test]
fn a_message_with_everything() {
    let text = "Hi, I am at ann@example.com or +49 30 1234567 (fax 212-555-0123 x12). Card 4111 1111 1111 1111, \
        IBAN DE89 3704 0044 0532 0130 00, SSN 123-45-6789. From 192.168.0.1 or 2001:db8::1, 00:1B:44:11:3A:B7. \
        postgres://a:b@db/x, password: Tr0ub4dor&3, AKIAIOSFODNN7EXAMPLE.";
    assert_eq!(
        redact(&[(text, vec![])]).texts(),
        ["Hi, I am at [EMAIL_1] or [PHONE_1] (fax [PHONE_2]). Card [CARD_1], \
        IBAN [IBAN_1], SSN [SSN_1]. From [IP_1] or [IP_2], [MAC_1]. \
        [URL_1], password: [SECRET_1], [SECRET_2]."]
    );
    assert_eq!(mask("to ann@example.com"), "to [EMAIL]");
}

/// Forms that people write and that no standard has.
#[test]
fn values_as_people_write_them() {
    for (text, masked) in [
        // Telephone numbers.
        ("(11) 98765-4321", "[PHONE]"),
        ("030 / 12345678", "[PHONE]"),
        ("+49 30 / 12345678", "[PHONE]"),
        ("+1 212 - 555 - 0123", "[PHONE]"),
        ("8 (912) 345-67-89", "[PHONE]"),
        ("13800138000", "[PHONE]"),
        ("612 345 678", "[PHONE]"),
        ("teléfono 612345678", "teléfono [PHONE]"),
        ("call +49 30\n1234567 now", "call [PHONE] now"),
        ("my number is 212-555-\n0123.", "my number is [PHONE]."),
        ("020 - 123 45 67", "[PHONE]"),
        ("138-0013-8000", "[PHONE]"),
        ("347 123 4567", "[PHONE]"),
        ("11 98765-4321", "[PHONE]"),
        ("(+34) 612 345 678", "([PHONE]"),
        ("03ー1234ー5678", "[PHONE]"),
        ("📞612 345 678", "📞[PHONE]"),
        ("tele\u{301}fono: 612345678", "tele\u{301}fono: [PHONE]"),
        ("0\u{FE0F}\u{20E3}3\u{FE0F}\u{20E3}0\u{FE0F}\u{20E3} 12345678", "[PHONE]"),
        // Secrets.
        ("https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/4fTq9xLmZ2wR8vNc7yKd4fTq", "[SECRET]"),
        ("https://discord.com/api/webhooks/123456789012345678/4fTq9xLmZ2wR8vNc7yKd", "[SECRET]"),
        ("https://api.telegram.org/bot123456789:AAF4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR/getMe", "[SECRET]"),
        ("key 0123456789abcdef0123456789abcdef-us12", "key [SECRET]"),
        ("curl -u user:password https://example.com", "curl -u [SECRET] https://example.com"),
        // Digits of other scripts, and separators.
        ("𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏", "[CARD]"),
        ("૪૧૧૧ ૧૧૧૧ ૧૧૧૧ ૧૧૧૧", "[CARD]"),
        ("๔๑๑๑ ๑๑๑๑ ๑๑๑๑ ๑๑๑๑", "[CARD]"),
        ("៤១១១ ១១១១ ១១១១ ១១១១", "[CARD]"),
        ("+᠔᠙ ᠓᠐ ᠑᠒᠓᠔᠕᠖᠗", "[PHONE]"),
        ("4111  1111  1111  1111", "[CARD]"),
        ("4111 1111\n1111 1111", "[CARD]"),
        ("4111.1111.1111.1111", "[CARD]"),
        ("DE89.3704.0044.0532.0130.00", "[IBAN]"),
        ("DE89 3704 0044\n0532 0130 00", "[IBAN]"),
        ("DE89\u{A0}3704\u{A0}0044 - 0532 0130 00", "[IBAN]"),
        ("123 - 45 - 6789", "[SSN]"),
    ] {
        assert_eq!(mask(text), masked);
    }
}

#[test]
fn ordinary_sentences_stay_as_they_are() {
    for text in [
        "The meeting on 2026-11-24 at 10:30 costs 1,234.56 EUR for 12 people.",
        "Version 1.95.0 of the compiler, RFC 9110, section 5.6.7.",
        "I paid $1,299 for order 1234567 and it took 14 days, 3 hours!",
        "std::fs::read(\"a.txt\") gives Result<Vec<u8>>; a[0] += 1;",
        "The password has to be changed. My token of thanks, and the key to it.",
        "Call it what you like: 50 % of 2,000,000 is 1 000 000.",
        "See https://example.com/a/b?c=d#e and @ann on page 12-14.",
    ] {
        assert_eq!(redact(&[(text, vec![])]).texts(), [text]);
    }
}

/// Texts made to be slow: each would take hours if anything took the square of their length.
#[test]
fn long_texts_take_no_longer_than_their_length() {
    let placeholders = ["[", "]", "[EMAIL_1", "é", "\u{200B}"];
    let values = RECOGNISERS.iter().flat_map(|recogniser| recogniser.slow);
    for piece in values.chain(&placeholders) {
        let text = piece.repeat((1 << 17) / piece.len());
        let redaction = redact(&[(text.as_str(), vec![])]);
        assert!(redaction.restore(&redaction.texts()[0]) == text, "{piece}");
    }
}

#[test]
fn labels_of_models_become_names() {
    for (label, name) in [
        ("GIVEN_NAME", "GIVEN_NAME"),
        ("B-per son", "B_PER_SON"),
        ("  ", "VALUE"),
        ("[x]\n", "X"),
        ("Łódź", "D"),
        ("email", "EMAIL"),
    ] {
        assert_eq!(PiiLabel::from_label(label).name(), name);
    }
    assert_eq!(PiiLabel::from_label(&"a".repeat(1000)).name().len(), 32);
    assert!(PiiLabel::from_label("email").has_form() && !PiiLabel::from_label("city").has_form());
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Texts with much in them that matters here.
    fn any_text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "ann@example.com",
            "4111 1111 1111 1111",
            "DE89370400440532013000",
            "123-45-6789",
            "10.0.0.1",
            "+49 30 1234567",
            "sk-proj-4fTq9xLmZ2wR8vNc7yKd",
            "[EMAIL_1]",
            "[EMAIL_2",
            "[",
            "]",
            "_1]",
            "EMAIL",
            "[NAME_1]",
            "[A_1][",
            "Ann",
            "Anna",
            " ",
            "\n",
            "Łódź",
            "👍",
            "王小明",
            "password: ",
            "a1B2c3D4",
            ", ",
            "1",
            "\u{200B}",
            "é",
            "+49 30\n1234567",
            "٤١١١",
            "1\u{FE0F}\u{20E3}",
            "e\u{301}",
            "DE89.3704",
            "·",
            "curl -u ann:pa55 ",
            "https://discord.com/api/webhooks/1234567890/a1B2c3D4",
        ]);
        prop::collection::vec(prop_oneof![4 => pieces.prop_map(String::from), 1 => "\\PC{0,6}"], 0..24)
            .prop_map(|pieces| pieces.concat())
    }

    use crate::redaction::spans::span;

    fn any_spans() -> impl Strategy<Value = Vec<PiiSpan>> {
        let label = prop::sample::select(vec!["NAME", "EMAIL", "a", "city of birth"]);
        let fields = (0_usize..220, 0_usize..30, label);
        prop::collection::vec(fields.prop_map(|(start, length, label)| span(start, start + length, label)), 0..6)
    }

    fn any_request() -> impl Strategy<Value = Vec<(String, Vec<PiiSpan>)>> {
        prop::collection::vec((any_text(), any_spans()), 0..4)
    }

    fn borrowed(request: &[(String, Vec<PiiSpan>)]) -> Vec<(&str, Vec<PiiSpan>)> {
        request.iter().map(|(text, spans)| (text.as_str(), spans.clone())).collect()
    }

    /// Where in `text` that stands which is left in `redacted`; `taken_out` has placeholders there instead.
    fn ranges_left(text: &str, redacted: &str, taken_out: &[Range<usize>], redaction: &Redaction) -> Vec<Range<usize>> {
        let (mut left, mut from, mut rest) = (Vec::new(), 0, redacted);
        for range in taken_out {
            rest = rest.strip_prefix(&text[from..range.start]).unwrap();
            let (name, behind) = rest.split_at(rest.find(']').unwrap() + 1);
            assert_eq!(redaction.restore(name), text[range.clone()]);
            left.push(from..range.start);
            (from, rest) = (range.end, behind);
        }
        assert_eq!(rest, &text[from..]);
        left.push(from..text.len());
        left
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_was_redacted_is_restored(request in any_request(), cuts in prop::collection::vec(0_usize..400, 0..8)) {
            let redaction = redact(&borrowed(&request));
            for ((text, _), redacted) in request.iter().zip(redaction.texts()) {
                prop_assert_eq!(&redaction.restore(redacted), text);
                let mut cuts: Vec<usize> = cuts.iter().map(|cut| redacted.floor_char_boundary(*cut)).chain([0, redacted.len()]).collect();
                cuts.sort_unstable();
                let mut restorer = redaction.restorer();
                let mut streamed: String = cuts.windows(2).map(|cut| restorer.feed(&redacted[cut[0]..cut[1]])).collect();
                streamed.push_str(&restorer.end());
                prop_assert_eq!(&streamed, text);
            }
        }

        /// What is left between the placeholders has no value that is known by its form, wherever it stands,
        /// and no value that a model has marked as a whole word.
        #[test]
        fn nothing_of_a_value_is_left(request in any_request()) {
            let redaction = redact(&borrowed(&request));
            let values = request.iter().flat_map(|(text, spans)| {
                let mut all = recognise(text);
                all.extend_from_slice(spans);
                spans::merged(text, all).into_iter().map(|span| (&text[span.start..span.end], span.label.has_form()))
            });
            let values: Vec<(&str, bool)> = values.filter(|(value, _)| value.contains(char::is_alphanumeric)).collect();
            for (((text, _), redacted), taken_out) in request.iter().zip(redaction.texts()).zip(redaction.places()) {
                for left in ranges_left(text, redacted, taken_out, &redaction) {
                    let starts = text[left.clone()].char_indices().map(|(at, _)| left.start + at);
                    for (start, (value, has_form)) in starts.flat_map(|start| values.iter().map(move |value| (start, value))) {
                        if text[start..left.end].starts_with(value) {
                            let next_to = [text[..start].chars().next_back(), text[start + value.len()..].chars().next()];
                            let whole = next_to.iter().flatten().all(|char| !char.is_alphanumeric());
                            prop_assert!(!has_form && !whole, "{} is left in {}", value, redacted);
                        }
                    }
                }
            }
        }

        #[test]
        fn counts_are_right(request in any_request()) {
            let redaction = redact(&borrowed(&request));
            let mut count = 0;
            for taken_out in redaction.places() {
                count += taken_out.len();
            }
            prop_assert_eq!(redaction.replaced().iter().map(|one| one.places as usize).sum::<usize>(), count);
            prop_assert!(redaction.replaced().iter().all(|one| one.values > 0 && one.values <= one.places));
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,200}", near in "[a-f0-9@.:+() /%_\\[\\]\"=-]{0,80}") {
            let _ = (mask(&text), mask(&near));
        }
    }
}
