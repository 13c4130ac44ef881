//! Python's `strftime`, in English.

use minijinja::{Error, ErrorKind};

/// `datetime.strftime` in English.
pub fn strftime(format: &str, local_time_s: i64) -> Result<String, Error> {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (days, seconds) = (local_time_s.div_euclid(86_400), local_time_s.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let weekday = (days + 4).rem_euclid(7) as usize;
    let year_day = days - first_day(year) + 1;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let month_name = MONTHS[month as usize - 1];
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut code = letters.next().unwrap_or('%');
        let plain = code == '-';
        if plain {
            code = letters.next().unwrap_or('-');
        }
        let two = |number: i64| if plain { number.to_string() } else { format!("{number:02}") };
        let part = match code {
            'Y' => year.to_string(),
            'y' => two(year.rem_euclid(100)),
            'm' => two(month),
            'd' => two(day),
            'e' => {
                if plain {
                    day.to_string()
                } else {
                    format!("{day:2}")
                }
            }
            'j' => {
                if plain {
                    year_day.to_string()
                } else {
                    format!("{year_day:03}")
                }
            }
            'B' => month_name.into(),
            'b' | 'h' => month_name[..3].into(),
            'A' => DAYS[weekday].into(),
            'a' => DAYS[weekday][..3].into(),
            'H' => two(hour),
            'I' => two(twelve),
            'M' => two(minute),
            'S' => two(second),
            'p' => if hour < 12 { "AM" } else { "PM" }.into(),
            'F' => format!("{year}-{month:02}-{day:02}"),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'D' => format!("{month:02}/{day:02}/{:02}", year.rem_euclid(100)),
            'R' => format!("{hour:02}:{minute:02}"),
            'u' => (if weekday == 0 { 7 } else { weekday }).to_string(),
            'w' => weekday.to_string(),
            '%' => "%".into(),
            // Of a time that knows no zone.
            'Z' | 'z' => String::new(),
            other => {
                let message = format!("strftime_now: '%{other}' is not supported");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
        text.push_str(&part);
    }
    Ok(text)
}

/// Year, month and day of a day that is counted from 1 January 1970.
///
/// # Source
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The number of 1 January of `year`, from 1 January 1970.
fn first_day(year: i64) -> i64 {
    let before = year - 1;
    365 * (year - 1970) + (before.div_euclid(4) - 492) - (before.div_euclid(100) - 19) + (before.div_euclid(400) - 4)
}
