//! Checks the formats that are enforced. The other formats of JSON Schema inform people only.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::civil;

use super::pattern::regex;

/// Finds the check of a format, if the format is enforced.
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
        "regex" => |text| regex(text).is_ok(),
        _ => return None,
    })
}

/// RFC 3339 `full-date`. `jiff` knows the calendar; it reads more notations, so the notation is read here.
fn date(text: &str) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return false };
    let (Some(century), Some(year), Some(month), Some(day)) =
        (digits(y1, y2), digits(y3, y4), digits(m1, m2), digits(d1, d2))
    else {
        return false;
    };
    civil::Date::new(i16::from(century) * 100 + i16::from(year), month, day).is_ok()
}

/// RFC 3339 `full-time`. A leap second is valid at 23:59 UTC only.
fn time(text: &str) -> bool {
    let [h1, h2, b':', m1, m2, b':', s1, s2, ref zone @ ..] = *text.as_bytes() else { return false };
    let (Some(hour), Some(minute), Some(second)) = (digits(h1, h2), digits(m1, m2), digits(s1, s2)) else {
        return false;
    };
    let zone = match zone.strip_prefix(b".") {
        Some(fraction) => {
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return false;
            }
            &fraction[length..]
        }
        None => zone,
    };
    let Some(offset) = offset_minutes(zone) else { return false };
    let utc = i32::from(hour) * 60 + i32::from(minute) - offset;
    let is_leap = second == 60 && utc.rem_euclid(24 * 60) == 23 * 60 + 59;
    civil::Time::new(hour, minute, if is_leap { 59 } else { second }, 0).is_ok()
}

/// RFC 3339 `time-offset`, in minutes.
fn offset_minutes(zone: &[u8]) -> Option<i32> {
    let (sign, [h1, h2, b':', m1, m2]) = (match zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', offset @ ..] => (1, offset),
        [b'-', offset @ ..] => (-1, offset),
        _ => return None,
    }) else {
        return None;
    };
    let offset = civil::Time::new(digits(*h1, *h2)?, digits(*m1, *m2)?, 0, 0).ok()?;
    Some(sign * (i32::from(offset.hour()) * 60 + i32::from(offset.minute())))
}

fn digits(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| (byte - b'0').cast_signed());
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// RFC 3339 `date-time`.
fn date_time(text: &str) -> bool {
    text.split_once(['T', 't']).is_some_and(|(day, clock)| date(day) && time(clock))
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

/// Checks numbers with their units, which must be consecutive and in order.
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

/// RFC 3986 §3: a scheme, and after it only characters that a URI may contain.
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
