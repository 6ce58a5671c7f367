//! The formats that are enforced; the others of JSON Schema's list say something to people alone.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What checks a format, where it is enforced.
pub(super) fn named(format: &str) -> Option<fn(&str) -> bool> {
    Some(match format {
        "date" => date,
        "time" => time,
        "date-time" => date_time,
        "duration" => duration,
        "uuid" => uuid,
        "ipv4" => |text| text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => |text| text.parse::<Ipv6Addr>().is_ok(),
        "hostname" => hostname,
        "email" => email,
        "uri" => uri,
        "json-pointer" => json_pointer,
        "regex" => |text| super::compile::regex(text).is_ok(),
        _ => return None,
    })
}

/// RFC 3339 `full-date`.
fn date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) =
        (digits(&bytes[..4]), digits(&bytes[5..7]), digits(&bytes[8..]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// RFC 3339 `full-time`; a leap second stands at 23:59 UTC alone.
fn time(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 9 || bytes[2] != b':' || bytes[5] != b':' {
        return false;
    }
    let (Some(hour), Some(minute), Some(second)) =
        (digits(&bytes[..2]), digits(&bytes[3..5]), digits(&bytes[6..8]))
    else {
        return false;
    };
    let mut zone = &bytes[8..];
    if let Some(fraction) = zone.strip_prefix(b".") {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return false;
        }
        zone = &fraction[length..];
    }
    let offset = match zone {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => match (digits(&[*h1, *h2]), digits(&[*m1, *m2])) {
            (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => {
                (hours * 60 + minutes) * if *sign == b'+' { 1 } else { -1 }
            }
            _ => return false,
        },
        _ => return false,
    };
    let leap = second == 60 && (hour * 60 + minute - offset).rem_euclid(24 * 60) == 23 * 60 + 59;
    hour <= 23 && minute <= 59 && (second <= 59 || leap)
}

/// RFC 3339 `date-time`.
fn date_time(text: &str) -> bool {
    let at = text.find(['T', 't']);
    at.is_some_and(|at| date(&text[..at]) && time(&text[at + 1..]))
}

/// RFC 3339 appendix A `duration`.
fn duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else { return false };
    let (days, clock) = match text.split_once('T') {
        Some((days, clock)) => (days, Some(clock)),
        None => (text, None),
    };
    let weeks = days.strip_suffix('W').is_some_and(|weeks| {
        !weeks.is_empty() && weeks.bytes().all(|byte| byte.is_ascii_digit()) && clock.is_none()
    });
    weeks
        || (parts(days, "YMD")
            && clock.is_none_or(|clock| !clock.is_empty() && parts(clock, "HMS"))
            && !(days.is_empty() && clock.is_none()))
}

/// Numbers, each with its unit: units in order, none between two left out.
fn parts(mut text: &str, units: &str) -> bool {
    let mut last: Option<usize> = None;
    while !text.is_empty() {
        let length = text.bytes().take_while(u8::is_ascii_digit).count();
        let Some(at) = text[length..].chars().next().and_then(|unit| units.find(unit)) else { return false };
        if length == 0 || last.is_some_and(|last| at != last + 1) {
            return false;
        }
        last = Some(at);
        text = &text[length + 1..];
    }
    true
}

/// RFC 9562.
fn uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// RFC 1123 §2.1.
fn hostname(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// RFC 5321 §4.1.2, without quoted local parts.
fn email(text: &str) -> bool {
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        let literal = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']'));
        let literal = literal.is_some_and(|text| {
            text.parse::<Ipv4Addr>().is_ok()
                || text.strip_prefix("IPv6:").is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
        });
        local.len() <= 64
            && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
            && (literal || hostname(domain))
    })
}

/// RFC 3986 §3: a scheme, and after it only what a URI may hold.
fn uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut scheme = scheme.bytes();
    let named = scheme.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && scheme.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let bytes = rest.as_bytes();
    named
        && rest.matches('#').count() <= 1
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'%' => bytes.get(at + 1..at + 3).is_some_and(|escape| escape.iter().all(u8::is_ascii_hexdigit)),
            byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
        })
}

/// RFC 6901.
fn json_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

fn digits(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))
}
