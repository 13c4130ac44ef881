//! The `Retry-After` header, in both of its forms.
//!
//! # Source
//! RFC 9110, 10.2.3 "Retry-After" and 5.6.7 "Date/Time Formats".

/// How long `value` asks to wait from `now_ms`, which is the time since 1970; `None` where it is no such
/// header.
pub fn retry_after_ms(value: &str, now_ms: f64) -> Option<f64> {
    let value = value.trim();
    // Some servers give fractions, for which RFC 9110 has no form.
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if !whole.is_empty()
        && !fraction.is_empty()
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return value.parse().ok().map(|seconds: f64| seconds * 1000.0);
    }
    Some((http_date_ms(value, now_ms)? - now_ms).max(0.0))
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The time since 1970 that an HTTP-date names: `Sun, 06 Nov 1994 08:49:37 GMT`, or one of the two old
/// forms, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
fn http_date_ms(value: &str, now_ms: f64) -> Option<f64> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let (day_name, day, month, year, time) = match words[..] {
        [name, day, month, year, time, "GMT"] => (name.strip_suffix(',')?, day, month, number(year, 4)?, time),
        [name, date, time, "GMT"] => {
            let (day, rest) = date.split_once('-')?;
            let (month, year) = rest.split_once('-')?;
            (name.strip_suffix(',')?, day, month, full_year(number(year, 2)?, now_ms), time)
        }
        [name, month, day, time, year] => (name, day, month, number(year, 4)?, time),
        _ => return None,
    };
    DAYS.iter().find(|day| **day == day_name || day[..3] == *day_name)?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let day = number(day, day.len().clamp(1, 2))?;
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    // The 60th second is a leap second.
    if !(1..=days_of(month, year)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds as f64 * 1000.0)
}

/// A number of just so many digits.
fn number(digits: &str, count: usize) -> Option<i64> {
    let right = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_digit());
    if right { digits.parse().ok() } else { None }
}

/// The year of two digits: one that seems more than 50 years ahead is the last one past.
fn full_year(year: i64, now_ms: f64) -> i64 {
    const MS_PER_YEAR: f64 = 365.2425 * 86_400_000.0;
    let this_year = 1970 + (now_ms / MS_PER_YEAR).floor() as i64;
    let year = this_year - this_year.rem_euclid(100) + year;
    if year > this_year + 50 { year - 100 } else { year }
}

fn days_of(month: i64, year: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts from March, so that the leap day is the last of its year.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time that the RFC's examples name.
    const EXAMPLE_MS: f64 = 784_111_777_000.0;
    /// 2026-11-24T00:00:00Z.
    const NOW_MS: f64 = 1_795_478_400_000.0;

    #[test]
    fn seconds() {
        for (value, ms) in
            [("0", 0.0), ("120", 120_000.0), (" 7 ", 7000.0), ("2.5", 2500.0), ("99999999999999999999", 1e23)]
        {
            assert_eq!(retry_after_ms(value, NOW_MS), Some(ms), "{value}");
        }
    }

    #[test]
    fn dates_in_all_three_forms() {
        let dates = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
        for date in dates {
            assert_eq!(http_date_ms(date, NOW_MS), Some(EXAMPLE_MS), "{date}");
            assert_eq!(retry_after_ms(date, EXAMPLE_MS - 5000.0), Some(5000.0), "{date}");
            assert_eq!(retry_after_ms(date, NOW_MS), Some(0.0), "{date}");
        }
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            ("Thu, 29 Feb 2024 23:59:60 GMT", 1_709_251_200_000.0),
            ("Tue, 24 Nov 2026 00:00:00 GMT", NOW_MS),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799_000.0),
        ];
        for (date, ms) in known {
            assert_eq!(http_date_ms(date, NOW_MS), Some(ms), "{date}");
        }
    }

    #[test]
    fn two_digits_of_a_year() {
        for (digits, year) in [(26, 2026), (27, 2027), (76, 2076), (77, 1977), (99, 1999), (0, 2000)] {
            assert_eq!(full_year(digits, NOW_MS), year);
        }
    }

    #[test]
    fn other_values_are_ignored() {
        let values = [
            "",
            "-1",
            "1.",
            ".5",
            "1.5.1",
            "soon",
            "+3",
            "0x10",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Thu, 29 Feb 2023 00:00:00 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Day, 06 Nov 1994 08:49:37 GMT",
            "Sun, 006 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
        ];
        for value in values {
            assert_eq!(retry_after_ms(value, NOW_MS), None, "{value}");
        }
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn every_day_follows_the_one_before(year in 1970_i64..9999, month in 1_i64..=12) {
            let first = days_since_1970(year, month, 1);
            let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            proptest::prop_assert_eq!(days_since_1970(next_year, next_month, 1), first + days_of(month, year));
        }

        #[test]
        fn any_words_are_read(value in "\\PC{0,40}", near in "[SunModayNv0-9,: GMT-]{0,32}") {
            let _ = (retry_after_ms(&value, NOW_MS), retry_after_ms(&near, NOW_MS));
        }
    }
}
