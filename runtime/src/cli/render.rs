//! Formats an answer for a terminal: text, two columns, or a table.

use serde_json::{Map, Value};

use crate::{client::Answer, tool::output::Block};

/// The result as the JSON that the server sent.
pub(super) fn raw(result: &Value) -> String {
    let mut text = serde_json::to_string_pretty(result).unwrap_or_default();
    text.push('\n');
    text
}

/// The result in its most readable form.
pub(super) fn answer(answer: &Answer) -> String {
    if let (Some(value), false) = (&answer.structured, answer.is_error) {
        let text = answer.text();
        // Content of its own is meant to be read; without it, the text is the data.
        if serde_json::from_str::<Value>(&text).is_ok() {
            return structured(value, &Order::of(&text));
        }
    }
    answer.content.iter().map(block).collect()
}

/// The order of a result's fields. JSON objects are sorted here; the result's text has the fields in the order of their
/// declaration.
struct Order<'a>(&'a str);

impl<'a> Order<'a> {
    fn of(text: &'a str) -> Self {
        Self(text)
    }

    fn position(&self, name: &str) -> usize {
        self.0.find(&format!("{}:", Value::from(name))).unwrap_or(usize::MAX)
    }

    fn sorted<'o>(&self, object: &'o Map<String, Value>) -> Vec<(&'o String, &'o Value)> {
        let mut fields: Vec<_> = object.iter().collect();
        fields.sort_by_key(|(name, _)| self.position(name));
        fields
    }
}

fn block(block: &Block) -> String {
    match block.plain() {
        Block::Text(text) => format!("{}\n", text.trim_end()),
        Block::Image { data, mime_type } => format!("[image, {mime_type}, {}]\n", size(data)),
        Block::Audio { data, mime_type } => format!("[audio, {mime_type}, {}]\n", size(data)),
        Block::Resource { uri, text, .. } => format!("[{uri}]\n{}\n", text.trim_end()),
        Block::ResourceLink { uri, name, .. } => format!("[{name}: {uri}]\n"),
        Block::Blob { uri, data, .. } => format!("[{uri}, {}]\n", size(data)),
        Block::Annotated { block, .. } => self::block(block),
    }
}

/// The size of the data behind this base64 text.
fn size(base64: &str) -> String {
    format!("{} bytes", base64.trim_end_matches('=').len() * 3 / 4)
}

fn structured(value: &Value, order: &Order<'_>) -> String {
    match value {
        Value::Object(object) => fields(object, order),
        Value::Array(rows) if !rows.is_empty() => table(rows, order).unwrap_or_else(|| list(rows, order)),
        Value::Array(_) => "(empty)\n".to_owned(),
        scalar => format!("{}\n", cell(scalar)),
    }
}

/// Formats plain fields in two columns, then lists and objects under their names.
fn fields(object: &Map<String, Value>, order: &Order<'_>) -> String {
    let (plain, deep): (Vec<_>, Vec<_>) =
        order.sorted(object).into_iter().partition(|(_, value)| is_plain(value));
    let width = plain.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text: String =
        plain.iter().map(|(name, value)| format!("{name:width$}  {}\n", cell(value))).collect();
    for (name, value) in deep {
        let gap = if text.is_empty() { "" } else { "\n" };
        let inside: String = structured(value, order).lines().map(|line| format!("  {line}\n")).collect();
        text += &format!("{gap}{name}\n{inside}");
    }
    text
}

/// Formats objects of plain values as rows; `None` if a value is not plain.
fn table(rows: &[Value], order: &Order<'_>) -> Option<String> {
    let objects: Vec<&Map<String, Value>> = rows.iter().map(Value::as_object).collect::<Option<_>>()?;
    let mut columns: Vec<&String> = Vec::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns.sort_by_key(|name| order.position(name));
    if columns.is_empty() || !objects.iter().all(|object| object.values().all(is_plain)) {
        return None;
    }
    let cells: Vec<Vec<String>> = objects
        .iter()
        .map(|object| columns.iter().map(|name| object.get(*name).map(cell).unwrap_or_default()).collect())
        .collect();
    let numeric =
        |at: usize| objects.iter().all(|object| object.get(columns[at]).is_none_or(Value::is_number));
    let width = |at: usize| {
        cells
            .iter()
            .map(|row| row[at].chars().count())
            .chain([columns[at].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let line = |row: Vec<&str>| {
        let padded = row.iter().enumerate().map(|(at, cell)| {
            let width = width(at);
            if numeric(at) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head = line(columns.iter().map(|name| name.as_str()).collect());
    Some(
        cells
            .iter()
            .map(|row| line(row.iter().map(String::as_str).collect()))
            .fold(head, |text, row| text + &row),
    )
}

fn list(values: &[Value], order: &Order<'_>) -> String {
    values
        .iter()
        .map(|value| {
            if is_plain(value) {
                return format!("{}\n", cell(value));
            }
            let inside: String = structured(value, order).lines().map(|line| format!("  {line}\n")).collect();
            format!("-{}", inside.get(1..).unwrap_or_default())
        })
        .collect()
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// A plain value without quotes, on one line.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('\n', " "),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}
