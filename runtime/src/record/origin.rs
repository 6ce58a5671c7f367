//! Describes how a call reached the server: its transport, the client's claimed name, and the trace it belongs to.

/// The way a call reached the server.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) transport: &'static str,
    /// The client's name and version, as the client claims them.
    pub(crate) client: Option<String>,
    pub(crate) trace: Option<TraceId>,
}

/// The id of the trace that a call is part of (W3C Trace Context, `traceparent`).
#[derive(Clone)]
pub(crate) struct TraceId(String);

impl TraceId {
    /// Reads the id out of a `traceparent` value of version, trace, parent and flags; `None` if the value is malformed.
    pub(crate) fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let mut part = |len: usize| {
            let part = parts.next().filter(|part| part.len() == len)?;
            part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
        };
        let (version, trace, parent, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
        // Later versions may append fields; version 00 may not.
        let is_complete = version != "00" || parts.next().is_none();
        (version != "ff" && is_nonzero(trace) && is_nonzero(parent) && is_complete)
            .then(|| Self(trace.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_id_is_read_from_a_well_formed_traceparent_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parse = |text: &str| TraceId::parse(text).map(|id| id.0);
        assert_eq!(parse(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace));
        assert_eq!(parse(&format!("01-{trace}-00f067aa0ba902b7-01-more")).as_deref(), Some(trace));
        for wrong in [
            String::new(),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{trace}\n-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }
}
