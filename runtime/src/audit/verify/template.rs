//! Parses a line quickly if it differs from an earlier line only inside its values.
//!
//! A log holds records of few forms, and many of each.

use crate::audit::{
    hex::unhex_number,
    scan::{Members, Scanned, begins, is_members},
};

/// The number of templates. The template of a length replaces an earlier one whose length has the same remainder.
const TEMPLATES: usize = 256;
/// The distance from the first to the last printable character.
const PRINTABLE_RANGE: u8 = b'~' - b' ';

/// The first members of a record.
pub(super) struct Heading<'a> {
    pub(super) ts: &'a [u8],
    pub(super) kind: &'a [u8],
    /// The call that the record is about, if it names one next.
    pub(super) call_id: Option<u128>,
    /// The number of a context, if the record names one next.
    pub(super) context: Option<u64>,
}

/// The templates of records that were parsed in full.
pub(super) struct Templates(Vec<Template>);

/// The bytes that the members of a record may have, so that they parse like the record from which the template was made.
#[derive(Clone, Default)]
struct Template {
    /// The least byte at each position.
    least: Vec<u8>,
    /// The distance to the greatest byte at each position: 0 for a fixed byte, a digit's for a digit, and that of all
    /// printable characters inside a string, except those that end or escape it.
    more: Vec<u8>,
}

impl Templates {
    pub(super) fn new() -> Self {
        Self(vec![Template::default(); TEMPLATES])
    }

    /// Parses a line as [`scan`](crate::audit::scan::scan) does, and its time, kind and call as well.
    pub(super) fn scan<'a>(&mut self, line: &'a [u8]) -> Option<(Scanned<'a>, Heading<'a>)> {
        let (scanned, mut rest) = begins(line)?;
        let (ts, kind, members) = (rest.time()?, rest.kind()?, rest.rest);
        let template = &mut self.0[members.len() % TEMPLATES];
        if !template.fits(members) {
            if !is_members(members) {
                return None;
            }
            template.learn(members);
        }
        let call_id =
            members.strip_prefix(b",\"call_id\":\"").and_then(|rest| unhex_number(rest.first_chunk()?));
        let context = members.strip_prefix(b",\"context\":").and_then(|rest| Members { rest }.digits());
        Some((scanned, Heading { ts, kind, call_id, context }))
    }
}

impl Template {
    fn fits(&self, members: &[u8]) -> bool {
        const CHUNK: usize = 64;
        let fits = |((byte, least), more): ((&u8, &u8), &u8)| {
            let is_text = *more != PRINTABLE_RANGE || (*byte != b'"' && *byte != b'\\');
            (byte.wrapping_sub(*least) <= *more) & is_text
        };
        // In chunks, so that the compiler uses vector instructions.
        let chunks = members.chunks(CHUNK).zip(self.least.chunks(CHUNK)).zip(self.more.chunks(CHUNK));
        self.least.len() == members.len() && { chunks }.all(|((bytes, least), more)| {
            bytes.iter().zip(least).zip(more).fold(true, |all, position| all & fits(position))
        })
    }

    /// Makes this the template of members that were parsed in full.
    fn learn(&mut self, members: &[u8]) {
        self.least.clear();
        self.more.clear();
        let (mut in_string, mut escaped, mut before) = (false, 0_u8, b',');
        for &byte in members {
            let (least, more) = match byte {
                _ if escaped > 0 => {
                    // `\u` has four more characters.
                    escaped = if byte == b'u' && before == b'\\' { 4 } else { escaped - 1 };
                    (byte, 0)
                }
                b'\\' => {
                    escaped = 1;
                    (byte, 0)
                }
                b'"' => {
                    in_string = !in_string;
                    (byte, 0)
                }
                _ if in_string => (b' ', PRINTABLE_RANGE),
                // A number that begins with a digit other than 0 may begin with any of those.
                b'1'..=b'9' if !before.is_ascii_digit() => (b'1', b'9' - b'1'),
                b'0'..=b'9' if before.is_ascii_digit() => (b'0', b'9' - b'0'),
                _ => (byte, 0),
            };
            self.least.push(least);
            self.more.push(more);
            before = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{chain::Head, scan::scan, verify::template::*};

    #[test]
    fn template_parses_a_line_that_differs_in_one_byte_like_a_full_scan() {
        let members = r#""kind":"intent","call_id":"0a","a":{"b c":[10,-2.05e-3,0,7,true,null,{}]},"d":"x\u00e9\"\\y","e":"""#;
        let mut line = Vec::new();
        Head { next: 7, ..Head::START }.append(&mut line, "t", members.as_bytes());
        line.pop();
        let (mut records, mut templates) = (0, Templates::new());
        assert!(templates.scan(&line).is_some());
        for at in 0..line.len() {
            for byte in 0..=255 {
                let mut changed = line.clone();
                changed[at] = byte;
                let full = scan(&changed).is_some();
                assert_eq!(templates.scan(&changed).is_some(), full, "byte {at} as {byte}");
                records += u32::from(full);
                // Learns the first line again.
                assert!(templates.scan(&line).is_some());
            }
        }
        assert!(records > 5_000, "{records}");
    }

    #[test]
    fn template_of_a_number_does_not_accept_invalid_digits() {
        let line = |number: &str| {
            let (mut line, mut head) = (Vec::new(), Head::START);
            head.append(&mut line, "t", format!(r#""kind":"x","n":{number}"#).as_bytes());
            line.pop();
            line
        };
        for (first, other) in [("12", "02"), ("10", "00"), ("-1", "--"), ("1.5", "01."), ("1e5", "0e5")] {
            let mut templates = Templates::new();
            assert!(templates.scan(&line(first)).is_some());
            assert_eq!(
                templates.scan(&line(other)).is_some(),
                scan(&line(other)).is_some(),
                "{first} {other}"
            );
        }
    }
}
