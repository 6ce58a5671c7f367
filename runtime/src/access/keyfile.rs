//! A file of API keys as text → its entries; an entry more, or one less, and the rest as it was.
//!
//! ```toml
//! [[token]]
//! subject = "ci"
//! scopes = ["read:prices"]
//! sha256 = "…"                       # of the whole key; the key itself is nowhere
//! created = 2026-07-28T12:00:00Z
//! expires = 2026-10-26T12:00:00Z     # without it, never
//! ```

use std::{collections::HashSet, fmt, ops::Range};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use toml_edit::{ArrayOfTables, Datetime, DocumentMut, Item, Table, value};

/// What every key starts with, so that scanners of secrets can tell one in a leak.
pub(crate) const PREFIX: &str = "candor_";
/// Digits of a key's hash that name it to people.
const ID: usize = 12;

/// One key, as the file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) subject: Subject,
    pub(crate) scopes: Vec<Scope>,
    #[serde(rename = "sha256")]
    pub(crate) hash: Hash,
    pub(crate) created: Option<Time>,
    pub(crate) expires: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

/// What is wrong with a file of keys, and on which line.
#[derive(Debug)]
pub(crate) struct Unreadable {
    line: Option<usize>,
    why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// All keys of a file.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, Unreadable> {
    let file: File = toml_edit::de::from_str(text).map_err(|error| {
        // The parser's own text quotes the file; a line is enough, and repeats no secret that strayed into it.
        Unreadable { line: line(text, error.span()), why: error.message().trim().replace('\n', ", ") }
    })?;
    let mut seen = HashSet::new();
    for entry in &file.token {
        if !seen.insert(entry.hash.0) {
            let why = format!("two tokens are the same key, `{}`", entry.hash.id());
            return Err(Unreadable { line: None, why });
        }
    }
    Ok(file.token)
}

fn line(text: &str, span: Option<Range<usize>>) -> Option<usize> {
    let before = text.get(..span?.start)?;
    Some(before.matches('\n').count() + 1)
}

/// `text` with one entry more, and everything else as it was.
pub(crate) fn with(text: &str, entry: &Entry) -> Result<String, Unreadable> {
    let mut document = document(text)?;
    let mut table = Table::new();
    table["subject"] = value(&entry.subject.0);
    let scopes: toml_edit::Array = entry.scopes.iter().map(|scope| scope.0.as_str()).collect();
    table["scopes"] = value(scopes);
    table["sha256"] = value(entry.hash.to_string());
    for (name, time) in [("created", entry.created), ("expires", entry.expires)] {
        if let Some(time) = time {
            table[name] = value(time.written());
        }
    }
    if !text.is_empty() {
        table.decor_mut().set_prefix("\n");
    }
    let tables = document.entry("token").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    match tables {
        Item::ArrayOfTables(tables) => tables.push(table),
        // `token = [{…}]`, which reads the same.
        Item::Value(toml_edit::Value::Array(list)) => list.push(table.into_inline_table()),
        _ => return Err(Unreadable { line: None, why: "`token` is no list of tables".to_owned() }),
    }
    Ok(document.to_string())
}

/// `text` without the entry of this hash.
pub(crate) fn without(text: &str, hash: &Hash) -> Result<String, Unreadable> {
    let mut document = document(text)?;
    let id = hash.to_string();
    let kept = |said: Option<&str>| said.is_none_or(|said| !said.eq_ignore_ascii_case(&id));
    match document.get_mut("token") {
        Some(Item::ArrayOfTables(tables)) => {
            tables.retain(|table| kept(table.get("sha256").and_then(Item::as_str)));
        }
        Some(Item::Value(toml_edit::Value::Array(list))) => {
            list.retain(|entry| {
                kept(entry.as_inline_table().and_then(|table| table.get("sha256")?.as_str()))
            });
        }
        _ => {}
    }
    Ok(document.to_string())
}

/// The file as it is edited, once it is known to be read in full.
fn document(text: &str) -> Result<DocumentMut, Unreadable> {
    entries(text)?;
    text.parse().map_err(|error: toml_edit::TomlError| Unreadable {
        line: line(text, error.span()),
        why: error.message().to_owned(),
    })
}

/// The SHA-256 of a key. A look-up by it takes a time that says nothing of the keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hash(pub(crate) [u8; 32]);

impl Hash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads what stands in a file.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(digit).collect();
        let plain = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let hash = bytes.filter(|_| plain).and_then(|bytes| bytes.try_into().ok());
        hash.map(Self)
            .ok_or("`sha256` is no hash of a key: it takes the 64 hexadecimal digits of its SHA-256")
    }

    /// What names the key to people.
    pub(crate) fn id(&self) -> String {
        let mut id = self.to_string();
        id.truncate(ID);
        id
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, Self::parse)
    }
}

/// A caller's name.
#[derive(Clone, Debug)]
pub(crate) struct Subject(String);

impl Subject {
    pub(crate) fn new(name: &str) -> Result<Self, &'static str> {
        if name.trim().is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
            return Err("`subject` is no name: it takes 1 to 255 bytes of text on one line");
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, Self::new)
    }
}

/// One scope (RFC 6749 §3.3).
#[derive(Clone, Debug)]
pub(crate) struct Scope(String);

impl Scope {
    pub(crate) fn new(scope: &str) -> Result<Self, &'static str> {
        let plain = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if scope.is_empty() || !scope.bytes().all(plain) {
            return Err(
                "`scopes` takes one scope a text: visible ASCII without spaces, quotes and backslashes",
            );
        }
        Ok(Self(scope.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, Self::new)
    }
}

/// A text of the file that has to be of one form.
fn read<'de, D: Deserializer<'de>, T>(
    from: D,
    new: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<T, D::Error> {
    new(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// A point in time, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(Timestamp);

impl Time {
    pub(crate) fn new(at: Timestamp) -> Self {
        // A second is what `exp` counts in, and what a person reads.
        Self(Timestamp::from_second(at.as_second()).unwrap_or(at))
    }

    /// Seconds since 1970; what lies before is the beginning.
    pub(crate) fn seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or(0)
    }

    fn written(self) -> Datetime {
        self.0.to_string().parse().expect("a timestamp is a date-time of TOML")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let at = Datetime::deserialize(from)?;
        at.to_string().parse().map(Self::new).map_err(|_| {
            D::Error::custom(
                "this is no point in time: write date, time and zone, as in 2027-01-31T12:00:00Z",
            )
        })
    }
}
