//! Writes records as rows of CSV (RFC 4180), which a spreadsheet shows without running what is in them.

use std::io::{self, Write};

use serde_json::Value;

/// The columns, in their order, and the members of a record that they show. A later version only adds columns at the end.
const COLUMNS: &[(&str, &[&str])] = &[
    ("seq", &["seq"]),
    ("ts", &["ts"]),
    ("kind", &["kind"]),
    ("event", &["event"]),
    ("call_id", &["call_id"]),
    ("tool", &["tool"]),
    ("alias", &["alias"]),
    ("effect", &["effect"]),
    ("caller_iss", &["caller", "iss"]),
    ("caller_sub", &["caller", "sub"]),
    ("caller_client", &["caller", "client"]),
    ("transport", &["transport"]),
    ("protocol", &["protocol"]),
    ("scopes", &["scopes"]),
    ("args", &["args"]),
    ("status", &["outcome", "status"]),
    ("reason", &["outcome", "reason"]),
    ("is_error", &["outcome", "is_error"]),
    ("duration_us", &["outcome", "duration_us"]),
    ("result_digest", &["outcome", "result_digest"]),
    ("result_bytes", &["outcome", "result_bytes"]),
    ("denied_by", &["decision", "denied_by"]),
    ("trace_id", &["trace_id"]),
    ("tool_digest", &["tool_digest"]),
    ("hash", &["hash"]),
    ("replica", &["replica"]),
];

/// Writes the row of the names.
pub(super) fn title(out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    write!(out, "{}\r\n", names.join(","))
}

/// Writes the row of a record. A member that the record does not have is empty, and one that is an object or a list is JSON.
pub(super) fn row(record: &Value, out: &mut dyn Write) -> io::Result<()> {
    let is_ok = record["kind"] == "read" && record.get("status").is_none();
    for (at, (name, path)) in COLUMNS.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        let value = path.iter().try_fold(record, |value, member| value.get(member));
        match value.or_else(|| of_read(record, name)) {
            // A read without a status succeeded.
            None if is_ok && *name == "status" => cell("ok", out)?,
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => cell(text, out)?,
            Some(value @ (Value::Number(_) | Value::Bool(_))) => write!(out, "{value}")?,
            Some(value) => cell(&value.to_string(), out)?,
        }
    }
    out.write_all(b"\r\n")
}

/// Returns the value of a column that a read has under another name.
fn of_read<'a>(record: &'a Value, column: &str) -> Option<&'a Value> {
    if record["kind"] != "read" {
        return None;
    }
    match column {
        "status" | "reason" => record.get(column),
        "duration_us" => record.get("us"),
        "result_digest" => record.get("result"),
        "result_bytes" => record.get("bytes"),
        _ => None,
    }
}

/// Writes text in quotes. Text that a spreadsheet would take for a formula begins with an apostrophe, as OWASP recommends
/// against CSV injection: a caller chooses some of it.
fn cell(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']);
    write!(out, "\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::audit::csv::*;

    fn written(record: &Value) -> String {
        let mut out = Vec::new();
        row(record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn row_has_every_column_and_no_cell_is_a_formula() {
        let mut title = Vec::new();
        super::title(&mut title).unwrap();
        let columns = String::from_utf8(title).unwrap().matches(',').count();
        for formula in ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "'=1"] {
            let record = json!({"seq": 7, "kind": "outcome", "caller": {"sub": formula}});
            let row = written(&record);
            assert!(row.starts_with("7,,\"outcome\",") && row.ends_with("\r\n"), "{row}");
            assert_eq!(row.matches(',').count(), columns);
            assert!(row.contains(&format!(",\"'{formula}\",")), "{row}");
        }
    }

    #[test]
    fn cell_with_quotes_commas_and_lines_is_one_cell() {
        let row = written(&json!({"args": {"a": "x,\"y\"\n"}}));
        assert!(row.contains(r#","{""a"":""x,\""y\""\n""}","#), "{row}");
    }
}
