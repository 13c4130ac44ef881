//! Formats of strings as patterns. Each matches a part of what the format allows: dates of the years 1000 to 9999, addresses and
//! names of hosts without rare characters.

/// The pattern of a format, if it is known.
pub fn pattern(format: &str) -> Option<String> {
    let leap = r"(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)";
    let date = format!(
        r"(?:[1-9]\d{{3}}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|{leap}-02-29)"
    );
    let time = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)";
    // A label has at most 63 characters.
    let label = "[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2}";
    let host = format!(r"{label}(?:\.{label}){{0,3}}\.[A-Za-z]{{2,12}}");
    let octet = r"(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])";
    Some(match format {
        "date" => date,
        "time" => time.to_owned(),
        "date-time" => format!("{date}T{time}"),
        "email" => format!("[A-Za-z0-9_+-]{{1,31}}(?:\\.[A-Za-z0-9_+-]{{1,31}})?@{host}"),
        "uuid" => "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}".to_owned(),
        "uri" => format!(
            r"https?://{host}(?::[1-9]\d{{0,3}})?(?:/[A-Za-z0-9._~-]{{0,80}}){{0,16}}(?:\?[A-Za-z0-9._~=&-]{{0,200}})?"
        ),
        "ipv4" => format!(r"{octet}(?:\.{octet}){{3}}"),
        _ => return None,
    })
}
