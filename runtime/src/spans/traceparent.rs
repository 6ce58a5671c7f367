//! Reads a `traceparent` value (W3C Trace Context, level 1).

/// The parts of a well-formed `traceparent`, in lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traceparent<'a> {
    /// 32 digits, not all of them zero.
    pub(crate) trace: &'a str,
    /// The span that sent the request: 16 digits, not all of them zero.
    pub(crate) parent: &'a str,
    /// Two digits.
    pub(crate) flags: &'a str,
}

impl<'a> Traceparent<'a> {
    /// Reads a value of version, trace, parent and flags; `None` if it is malformed.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |len: usize| {
            let part = parts.next().filter(|part| part.len() == len)?;
            part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
        };
        let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
        // Later versions may append fields; version 00 may not.
        let is_complete = version != "00" || parts.next().is_none();
        (version != "ff" && is_nonzero(trace) && is_nonzero(parent) && is_complete).then_some(Self {
            trace,
            parent,
            flags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_is_read_if_it_is_well_formed() {
        let (trace, parent, flags) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01");
        let expected = Some(Traceparent { trace, parent, flags });
        assert_eq!(Traceparent::parse(&format!("00-{trace}-{parent}-01")), expected);
        assert_eq!(Traceparent::parse(&format!("01-{trace}-{parent}-01-more")), expected);
        for wrong in [
            String::new(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{trace}0-{parent}-01"),
            format!("00-{trace}\n-{parent}-01"),
        ] {
            assert_eq!(Traceparent::parse(&wrong), None, "{wrong}");
        }
    }
}
