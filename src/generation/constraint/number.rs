//! Numbers as languages of decimal digits.
//!
//! A number is a whole multiple of a power of ten, so bounds are whole numbers as well and compared digit by digit.

use super::bytes::ByteSet;
use super::grammar::{Expr, Grammar};

/// How many digits a number has at most, which a 64-bit float holds exactly.
pub const MAX_DIGITS: u32 = 15;

/// The numbers between two bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    /// The least and the largest number, both included, in units of the last decimal.
    pub min: i128,
    pub max: i128,
    /// How many digits there may be behind the point.
    pub decimals: u32,
    /// What whole numbers are multiples of; 1 where there are decimals.
    pub multiple_of: u32,
}

/// Any number: at most 15 digits on both sides of the point, and an exponent of two.
pub fn any(grammar: &mut Grammar) -> Expr {
    let whole = whole(grammar);
    let digit = grammar.byte_range(b'0', b'9');
    let point = grammar.literal(b".");
    let decimals = grammar.repeat(digit, 1, MAX_DIGITS);
    let fraction = grammar.sequence(point, decimals);
    let fraction = grammar.optional(fraction);

    let e = grammar.bytes(ByteSet::default().with(b'e').with(b'E'));
    let sign = grammar.bytes(ByteSet::default().with(b'+').with(b'-'));
    let sign = grammar.optional(sign);
    let digits = grammar.repeat(digit, 1, 2);
    let exponent = grammar.sequence_of(&[e, sign, digits]);
    let exponent = grammar.optional(exponent);

    let minus = grammar.literal(b"-");
    let minus = grammar.optional(minus);
    grammar.sequence_of(&[minus, whole, fraction, exponent])
}

/// Any whole number of at most 15 digits.
pub fn any_integer(grammar: &mut Grammar) -> Expr {
    let minus = grammar.literal(b"-");
    let minus = grammar.optional(minus);
    let whole = whole(grammar);
    grammar.sequence(minus, whole)
}

/// A number without a sign, a fraction and zeros before it.
fn whole(grammar: &mut Grammar) -> Expr {
    let zero = grammar.literal(b"0");
    let first = grammar.byte_range(b'1', b'9');
    let digit = grammar.byte_range(b'0', b'9');
    let rest = grammar.repeat(digit, 0, MAX_DIGITS - 1);
    let other = grammar.sequence(first, rest);
    grammar.choice(&[zero, other])
}

/// The numbers within `bounds`: [`Expr::NOTHING`] without one.
pub fn bounded(grammar: &mut Grammar, bounds: Bounded) -> Expr {
    let Bounded { min, max, decimals, multiple_of } = bounds;
    // What is a multiple of 10 ends in 0.
    if multiple_of > 1 && multiple_of % 10 == 0 {
        let tenth =
            Bounded { min: min.div_euclid(10) + i128::from(min.rem_euclid(10) > 0), max: max.div_euclid(10), ..bounds };
        let tenth = Bounded { multiple_of: multiple_of / 10, ..tenth };
        let zero = if min <= 0 && max >= 0 { grammar.literal(b"0") } else { Expr::NOTHING };
        let mut other = Vec::new();
        for part in [Bounded { max: tenth.max.min(-1), ..tenth }, Bounded { min: tenth.min.max(1), ..tenth }] {
            let digits = bounded(grammar, part);
            let last = grammar.literal(b"0");
            other.push(grammar.sequence(digits, last));
        }
        other.push(zero);
        return grammar.choice(&other);
    }
    let mut digits = Digits { grammar, multiple_of, free: Vec::new() };
    let positive = digits.magnitude(min.max(0), max, decimals);
    let negative = digits.magnitude((-max).max(1), -min, decimals);
    let minus = grammar.literal(b"-");
    let negative = grammar.sequence(minus, negative);
    grammar.choice(&[positive, negative])
}

struct Digits<'a> {
    grammar: &'a mut Grammar,
    multiple_of: u32,
    /// Whole numbers between whose bounds every digit is possible, by their digits and the remainder of what is before:
    /// [`Expr::NOTHING`] if they are not known yet.
    free: Vec<Expr>,
}

/// The digits that are left of a lower and an upper bound, each while the number's digits are equal to the bound's.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

impl<'a> Bounds<'a> {
    /// Each next digit that is possible, with the bounds of what follows it.
    fn digits(self) -> impl Iterator<Item = (u8, Bounds<'a>)> {
        let first = |bound: Option<&'a [u8]>| bound.and_then(|digits| digits.first().copied());
        let (from, to) = (first(self.low), first(self.high));
        let rest = |bound: Option<&'a [u8]>, is_equal: bool| bound.filter(|_| is_equal).map(|digits| &digits[1..]);
        (from.unwrap_or(0)..=to.unwrap_or(9)).map(move |digit| {
            (digit, Bounds { low: rest(self.low, from == Some(digit)), high: rest(self.high, to == Some(digit)) })
        })
    }

    /// Whether a number may end here: what is missing are zeros.
    fn may_end(self) -> bool {
        self.low.is_none_or(|digits| digits.iter().all(|&digit| digit == 0))
    }
}

impl Digits<'_> {
    /// The numbers without a sign from `min` to `max`, in units of the last decimal.
    fn magnitude(&mut self, min: i128, max: i128, decimals: u32) -> Expr {
        let mut options = Vec::new();
        let decimals = decimals as usize;
        for whole in 1..=(38 - decimals) {
            let power = |exponent: usize| 10i128.checked_pow(exponent as u32).unwrap_or(i128::MAX);
            let min = min.max(if whole == 1 { 0 } else { power(whole + decimals - 1) });
            let max = max.min(power(whole + decimals).saturating_sub(1));
            if min <= max {
                let [low, high] = [min, max].map(|bound| {
                    let text = format!("{bound:0width$}", width = whole + decimals);
                    text.bytes().map(|digit| digit - b'0').collect::<Vec<u8>>()
                });
                options.push(self.whole(Bounds { low: Some(&low), high: Some(&high) }, whole, decimals, 0));
            }
        }
        self.grammar.choice(&options)
    }

    /// `left` digits before the point, and what follows them. `remainder` is that of the digits before.
    fn whole(&mut self, bounds: Bounds<'_>, left: usize, decimals: usize, remainder: u32) -> Expr {
        if left == 0 {
            let point = self.grammar.literal(b".");
            let fraction = self.fraction(bounds, decimals);
            let fraction = self.grammar.sequence(point, fraction);
            let end = if bounds.may_end() && remainder == 0 { Expr::END } else { Expr::NOTHING };
            return self.grammar.choice(&[end, fraction]);
        }
        let is_free = bounds.low.is_none() && bounds.high.is_none();
        if is_free && self.multiple_of == 1 {
            let digit = self.grammar.byte_range(b'0', b'9');
            let digits = self.grammar.repeat(digit, left as u32, left as u32);
            let rest = self.whole(bounds, 0, decimals, 0);
            return self.grammar.sequence(digits, rest);
        }
        let at = left * self.multiple_of as usize + remainder as usize;
        if let (true, Some(&known)) = (is_free, self.free.get(at).filter(|known| **known != Expr::NOTHING)) {
            return known;
        }
        let mut options = Vec::new();
        for (digit, bounds) in bounds.digits() {
            let remainder = (remainder * 10 + u32::from(digit)) % self.multiple_of;
            options.push((digit, self.whole(bounds, left - 1, decimals, remainder)));
        }
        let expr = self.one_of(options);
        if is_free {
            self.free.resize(self.free.len().max(at + 1), Expr::NOTHING);
            self.free[at] = expr;
        }
        expr
    }

    /// From one to `left` digits behind the point.
    fn fraction(&mut self, bounds: Bounds<'_>, left: usize) -> Expr {
        if left == 0 {
            return Expr::NOTHING;
        }
        if bounds.low.is_none() && bounds.high.is_none() {
            let digit = self.grammar.byte_range(b'0', b'9');
            return self.grammar.repeat(digit, 1, left as u32);
        }
        let mut options = Vec::new();
        for (digit, bounds) in bounds.digits() {
            let end = if bounds.may_end() { Expr::END } else { Expr::NOTHING };
            let rest = self.fraction(bounds, left - 1);
            options.push((digit, self.grammar.choice(&[end, rest])));
        }
        self.one_of(options)
    }

    /// A digit with what follows it. Digits with the same rest are one option.
    fn one_of(&mut self, options: Vec<(u8, Expr)>) -> Expr {
        let mut by_rest: Vec<(Expr, ByteSet)> = Vec::new();
        for (digit, rest) in options {
            match by_rest.iter_mut().find(|known| known.0 == rest) {
                Some(known) => known.1 = known.1.with(b'0' + digit),
                None => by_rest.push((rest, ByteSet::default().with(b'0' + digit))),
            }
        }
        let mut options = Vec::new();
        for (rest, digits) in by_rest {
            let digits = self.grammar.bytes(digits);
            options.push(self.grammar.sequence(digits, rest));
        }
        self.grammar.choice(&options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(grammar: &mut Grammar, language: Expr, text: &str) -> bool {
        let end = text.bytes().fold(language, |expr, byte| grammar.after(expr, byte));
        end != Expr::NOTHING && grammar.is_nullable(end)
    }

    #[test]
    fn whole_numbers_are_those_between_the_bounds() {
        for (min, max) in [(0, 0), (-7, 12), (5, 1234), (-1300, -99), (99, 100), (7, 3), (-1000, 1000), (10, 10)] {
            for multiple_of in [1, 2, 7, 10, 30, 100] {
                let mut grammar = Grammar::new();
                let language = bounded(&mut grammar, Bounded { min, max, decimals: 0, multiple_of });
                grammar.classify_bytes();
                for number in -1400..1400i128 {
                    let expected = (min..=max).contains(&number) && number % i128::from(multiple_of) == 0;
                    let found = accepts(&mut grammar, language, &number.to_string());
                    assert_eq!(found, expected, "{number} in {min}..={max}, multiples of {multiple_of}");
                }
                for text in ["", "-", "-0", "00", "007", "+1", "1.0", "1e1", "--1", "-00"] {
                    assert!(
                        !accepts(&mut grammar, language, text),
                        "{text} in {min}..={max}, multiples of {multiple_of}"
                    );
                }
            }
        }
    }

    #[test]
    fn decimals_are_those_between_the_bounds() {
        for (min, max) in [(0, 0), (-150, 275), (1, 99), (1999, 2001), (-1, 1), (-1234, -1100), (100, 100), (5, 50)] {
            let mut grammar = Grammar::new();
            let language = bounded(&mut grammar, Bounded { min, max, decimals: 2, multiple_of: 1 });
            grammar.classify_bytes();
            for cents in -1400..2400i128 {
                let sign = if cents < 0 { "-" } else { "" };
                let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
                let expected = (min..=max).contains(&cents);
                let mut texts = vec![format!("{sign}{whole}.{rest:02}")];
                if rest % 10 == 0 {
                    texts.push(format!("{sign}{whole}.{}", rest / 10));
                }
                if rest == 0 {
                    texts.push(format!("{sign}{whole}"));
                }
                for text in texts {
                    assert_eq!(accepts(&mut grammar, language, &text), expected, "{text} in {min}..={max} hundredths");
                }
            }
            for text in ["", ".5", "1.", "-.1", "00.1", "1.000", "-0", "-0.0", "0.1.1"] {
                assert!(!accepts(&mut grammar, language, text), "{text} in {min}..={max} hundredths");
            }
        }
    }

    #[test]
    fn numbers_without_bounds_are_json_and_finite() {
        let mut grammar = Grammar::new();
        let [number, integer] = [any(&mut grammar), any_integer(&mut grammar)];
        grammar.classify_bytes();
        for text in ["0", "-0", "-1.5", "123456789012345.123456789012345e-99", "1E+9", "0.0"] {
            assert!(accepts(&mut grammar, number, text) && serde_json::from_str::<f64>(text).is_ok(), "{text}");
        }
        for text in ["", "-", "01", "1.", ".1", "1e", "1e100", "1234567890123456", "+1", "0x1", "1 "] {
            assert!(!accepts(&mut grammar, number, text), "{text}");
        }
        assert!(accepts(&mut grammar, integer, "-123456789012345"));
        assert!(!accepts(&mut grammar, integer, "1.0") && !accepts(&mut grammar, integer, "1e2"));
    }
}
