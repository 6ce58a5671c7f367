//! Reads a file of API keys, and adds or removes an entry without touching the rest of the text.
//!
//! ```toml
//! [[token]]
//! subject = "ci"
//! scopes = ["read:prices"]
//! sha256 = "…"                       # of the whole key; the key itself is not stored
//! created = 2026-07-28T12:00:00Z
//! expires = 2026-10-26T12:00:00Z     # without it, the key does not expire
//! ```

use std::{collections::HashSet, fmt, ops::Range};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use toml_edit::{ArrayOfTables, Datetime, DocumentMut, Item, Table, value};

/// The start of every key, by which secret scanners recognize a leaked one.
pub(crate) const KEY_PREFIX: &str = "candor_";
/// The digits of a key's hash that name it to people.
const ID_DIGITS: usize = 12;

/// One entry of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    pub(crate) subject: Subject,
    pub(crate) scopes: Vec<Scope>,
    #[serde(rename = "sha256")]
    pub(crate) hash: TokenHash,
    pub(crate) created: Option<KeyTime>,
    pub(crate) expires: Option<KeyTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    token: Vec<KeyEntry>,
}

/// The reason why a file of keys cannot be parsed, with its line.
#[derive(Debug)]
pub(crate) struct KeyFileError {
    line: Option<usize>,
    reason: String,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Reads all entries.
pub(crate) fn entries(text: &str) -> Result<Vec<KeyEntry>, KeyFileError> {
    syntax(text)?;
    let file: KeyFile = toml_edit::de::from_str(text)
        .map_err(|error| KeyFileError { line: line(text, error.span()), reason: reason(error.message()) })?;
    let mut seen = HashSet::new();
    for entry in &file.token {
        if !seen.insert(entry.hash.0) {
            let reason = format!("key `{}` has two entries", entry.hash.id());
            return Err(KeyFileError { line: None, reason });
        }
    }
    Ok(file.token)
}

/// Parses the file for editing. Messages about the syntax do not repeat the file.
fn syntax(text: &str) -> Result<DocumentMut, KeyFileError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let reason = error.message().trim().replace('\n', ", ");
        KeyFileError { line: line(text, error.span()), reason }
    })
}

/// Words an error of the parser without what it repeats from the file, where a key can stand by mistake.
fn reason(message: &str) -> String {
    const FIELDS: [&str; 6] = ["token", "subject", "scopes", "sha256", "created", "expires"];
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let name = rest.split('`').next().unwrap_or_default();
        return match crate::text::nearest(name, FIELDS.into_iter()) {
            Some(nearest) => format!("unknown field: did you mean `{nearest}`?"),
            None => "unknown field: expected `subject`, `scopes`, `sha256`, `created` or `expires`, below `[[token]]`"
                .to_owned(),
        };
    }
    let is_own = message.starts_with('`') || message.starts_with("expected a date, ");
    if is_own || message.starts_with("missing field `") {
        return message.to_owned();
    }
    // The type that was expected follows the value that was found.
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("the value has the wrong type: expected {expected}"),
        None => "the value has the wrong type".to_owned(),
    }
}

fn line(text: &str, span: Option<Range<usize>>) -> Option<usize> {
    let before = text.get(..span?.start)?;
    Some(before.matches('\n').count() + 1)
}

/// Adds an entry to `text`.
pub(crate) fn with(text: &str, entry: &KeyEntry) -> Result<String, KeyFileError> {
    let mut document = document(text)?;
    let mut table = Table::new();
    table["subject"] = value(&entry.subject.0);
    let scopes: toml_edit::Array = entry.scopes.iter().map(|scope| scope.0.as_str()).collect();
    table["scopes"] = value(scopes);
    table["sha256"] = value(entry.hash.to_string());
    for (name, time) in [("created", entry.created), ("expires", entry.expires)] {
        if let Some(time) = time {
            table[name] = value(time.to_toml());
        }
    }
    if !text.is_empty() {
        table.decor_mut().set_prefix("\n");
    }
    let tables = document.entry("token").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    match tables {
        Item::ArrayOfTables(tables) => tables.push(table),
        // `token = [{…}]` means the same.
        Item::Value(toml_edit::Value::Array(list)) => list.push(table.into_inline_table()),
        _ => return Err(KeyFileError { line: None, reason: "`token` is not a list of tables".to_owned() }),
    }
    Ok(document.to_string())
}

/// Removes the entry of this hash from `text`.
pub(crate) fn without(text: &str, hash: &TokenHash) -> Result<String, KeyFileError> {
    let mut document = document(text)?;
    let digits = hash.to_string();
    let is_other = |hash: Option<&str>| hash.is_none_or(|hash| !hash.eq_ignore_ascii_case(&digits));
    match document.get_mut("token") {
        Some(Item::ArrayOfTables(tables)) => {
            tables.retain(|table| is_other(table.get("sha256").and_then(Item::as_str)));
        }
        Some(Item::Value(toml_edit::Value::Array(list))) => {
            list.retain(|entry| {
                is_other(entry.as_inline_table().and_then(|table| table.get("sha256")?.as_str()))
            });
        }
        _ => {}
    }
    Ok(document.to_string())
}

/// Parses the file for editing, after checking that every entry is valid.
fn document(text: &str) -> Result<DocumentMut, KeyFileError> {
    entries(text)?;
    syntax(text)
}

/// The SHA-256 of a token. The time of a look-up by it reveals nothing about the tokens in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads the digits of a file.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(digit).collect();
        let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let hash = bytes.filter(|_| is_hex).and_then(|bytes| bytes.try_into().ok());
        hash.map(Self)
            .ok_or("`sha256` is not the hash of a key: expected the 64 hexadecimal digits of its SHA-256")
    }

    /// The digits that name the key to people.
    pub(crate) fn id(&self) -> String {
        let mut id = self.to_string();
        id.truncate(ID_DIGITS);
        id
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
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
            return Err("`subject` is not a valid name: expected 1 to 255 bytes of text on one line");
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
        let is_allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if scope.is_empty() || !scope.bytes().all(is_allowed) {
            return Err(
                "`scopes` must hold one scope per string: visible ASCII without spaces, quotes or backslashes",
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

/// Reads a string that must have a certain form.
fn read<'de, D: Deserializer<'de>, T>(
    from: D,
    new: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<T, D::Error> {
    new(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// A point in time, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyTime(Timestamp);

impl KeyTime {
    pub(crate) fn new(at: Timestamp) -> Self {
        // `exp` counts in seconds, and people do not read fractions of one.
        Self(Timestamp::from_second(at.as_second()).unwrap_or(at))
    }

    /// Seconds since 1970; 0 for earlier times.
    pub(crate) fn seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or(0)
    }

    fn to_toml(self) -> Datetime {
        self.0.to_string().parse().expect("a timestamp is a date-time of TOML")
    }
}

impl fmt::Display for KeyTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for KeyTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let at = Datetime::deserialize(from)?;
        at.to_string().parse().map(Self::new).map_err(|_| {
            D::Error::custom("expected a date, a time and a zone, for example 2027-01-31T12:00:00Z")
        })
    }
}
