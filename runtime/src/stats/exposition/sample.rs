//! Reads one line of `OpenMetrics` text: the name of a series, its labels and its value.

use std::borrow::Cow;

/// Names and values.
type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// A value of a series.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    labels: Labels<'a>,
    pub(super) value: f64,
}

impl<'a> Sample<'a> {
    /// Reads a line; `None` if it is not a sample.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_at(line.find(['{', ' '])?);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        // A time and an exemplar may follow.
        let value = rest.strip_prefix(' ')?.split(' ').next()?.parse().ok()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        (!name.is_empty() && name.chars().all(is_name)).then_some(Self { name, labels, value })
    }

    /// Returns the value of a label; an empty one is the same as none (`OpenMetrics` 1.0, *Label*).
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|(other, _)| *other == name);
        label.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }
}

/// Reads labels up to the closing brace. Returns them and the rest of the line.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    while !rest.starts_with('}') {
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = value(quoted)?;
        labels.push((name, value));
        rest = match after.strip_prefix(',') {
            Some(rest) => rest,
            None => after.starts_with('}').then_some(after)?,
        };
    }
    Some((labels, &rest[1..]))
}

/// Reads the value of a label up to the closing quote. Returns it and the rest of the line.
fn value(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut value = Cow::Borrowed("");
    let mut rest = quoted;
    loop {
        let (plain, after) = rest.split_at(rest.find(['"', '\\'])?);
        if value.is_empty() {
            value = Cow::Borrowed(plain);
        } else {
            value.to_mut().push_str(plain);
        }
        let Some(escaped) = after.strip_prefix('\\') else { return Some((value, &after[1..])) };
        value.to_mut().push(match escaped.chars().next()? {
            'n' => '\n',
            c @ ('"' | '\\') => c,
            _ => return None,
        });
        rest = &escaped[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_with_their_escapes() {
        let sample = Sample::read(r#"a:b_1{x="1",y="",z="\"q\\\" \n, }=",} -2.5e3 17 # {x="}"} 1"#).unwrap();
        assert_eq!((sample.name, sample.value), ("a:b_1", -2500.0));
        assert_eq!([sample.label("x"), sample.label("y"), sample.label("w")], [Some("1"), None, None]);
        assert_eq!(sample.label("z"), Some("\"q\\\" \n, }="));
        assert_eq!(Sample::read("a 1").unwrap().labels, []);
        for wrong in [
            "",
            "a",
            "a{",
            "a{x=\"1\"",
            "a{x=\"1\"y=\"2\"} 1",
            "a{x=\"\\x\"} 1",
            "a{} ",
            "ä 1",
            "a{x=\"1\"} ",
        ] {
            assert_eq!(Sample::read(wrong), None, "{wrong}");
        }
    }
}
