//! Prints the records of a log as lines.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::Value;

use super::{
    filter::Filter,
    read_contexts::{ReadContexts, chain},
    short,
};

/// The widths of the columns, in characters.
const TIME_CHARS: usize = 23;
const REPLICA_CHARS: usize = 12;
const TOOL_CHARS: usize = 24;
const CALLER_CHARS: usize = 16;
const STATUS_CHARS: usize = 32;
const REASON_CHARS: usize = 40;
const EVENT_CHARS: usize = 64;

/// The lines that the printers of all logs write together.
pub(super) struct Listing {
    pub(super) filter: Filter,
    /// Whether records are printed for a program.
    pub(super) json: bool,
    /// Whether a column names the replica that wrote the record.
    pub(super) names_replica: bool,
    pub(super) has_title: Cell<bool>,
}

/// Prints the records of one log.
pub(super) struct Printer<'a> {
    listing: &'a Listing,
    /// The intents of calls whose end was not read yet, by the id of the call.
    in_flight: BTreeMap<String, Value>,
    contexts: ReadContexts,
    wrong_lines: u64,
}

impl<'a> Printer<'a> {
    pub(super) fn new(listing: &'a Listing) -> Self {
        Self { listing, in_flight: BTreeMap::new(), contexts: ReadContexts::default(), wrong_lines: 0 }
    }

    /// The number of lines that were not records.
    pub(super) fn wrong_lines(&self) -> u64 {
        self.wrong_lines
    }

    /// Prints a line of the log, if it is asked for.
    pub(super) fn print(&mut self, line: &[u8], out: &mut impl Write) -> io::Result<()> {
        // A record is printable ASCII. JSON may contain other characters.
        let printable = line.iter().all(|byte| (b' '..=b'~').contains(byte));
        let record = if printable { serde_json::from_slice::<Value>(line).ok() } else { None };
        let Some(record) = record.filter(Value::is_object) else {
            self.wrong_lines += 1;
            return Ok(());
        };
        let record = self.contexts.add(record, line);
        if self.listing.json {
            return self.json_line(line, &record, out);
        }
        match record["kind"].as_str() {
            Some("intent") => {
                self.in_flight.insert(text(&record["call_id"]), record);
                Ok(())
            }
            Some("server") => {
                if record["event"] == "start" {
                    self.finish(out)?;
                }
                // A context is a part of reads.
                let is_shown = record["event"] != "context" && !self.listing.filter.only_calls();
                if is_shown { self.row(&record, out) } else { Ok(()) }
            }
            Some("asked") => self.row(&record, out),
            _ => {
                self.in_flight.remove(record["call_id"].as_str().unwrap_or_default());
                self.row(&record, out)
            }
        }
    }

    /// Prints a record for a program: as it is written, but a read with its context.
    fn json_line(&self, line: &[u8], record: &Value, out: &mut impl Write) -> io::Result<()> {
        let filter = &self.listing.filter;
        let is_asked = record["kind"] != "server" || !filter.only_calls();
        if !is_asked || !filter.matches(record) {
            return Ok(());
        }
        let context = self.contexts.members_of(record);
        let (body, chain) = line.split_at(chain(line));
        out.write_all(body)?;
        out.write_all(context)?;
        out.write_all(chain)?;
        out.write_all(b"\n")
    }

    /// Prints the calls that were in flight when the process or the log ended.
    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        let mut intents: Vec<Value> = std::mem::take(&mut self.in_flight).into_values().collect();
        intents.sort_by_key(|record| record["seq"].as_u64());
        for mut record in intents {
            record["kind"] = "unended".into();
            self.row(&record, out)?;
        }
        Ok(())
    }

    fn row(&mut self, record: &Value, out: &mut impl Write) -> io::Result<()> {
        let Listing { filter, has_title, .. } = self.listing;
        if !filter.matches(record) {
            return Ok(());
        }
        if !has_title.replace(true) {
            writeln!(
                out,
                "{:<TIME_CHARS$}  {}{:<TOOL_CHARS$}  {:<CALLER_CHARS$}  {:>10}  ENDED",
                "TIME (UTC)",
                self.replica("REPLICA"),
                "TOOL",
                "CALLER",
                "TOOK"
            )?;
        }
        let replica = self.replica(record["replica"].as_str().unwrap_or_default());
        let took = record["outcome"]["duration_us"].as_u64().or(record["us"].as_u64());
        let duration = took.map_or(String::new(), duration);
        let time = text(&record["ts"]).replace('T', " ");
        // To the millisecond.
        let time = short(time.get(..TIME_CHARS).unwrap_or(&time), TIME_CHARS);
        let tool = short(&text(&record["tool"]), TOOL_CHARS);
        let caller = short(&text(&record["caller"]["sub"]), CALLER_CHARS);
        let alias = record["alias"].as_str();
        let alias = alias.map_or(String::new(), |alias| format!(" (called as {})", short(alias, TOOL_CHARS)));
        let line = format!(
            "{time:<TIME_CHARS$}  {replica}{tool:<TOOL_CHARS$}  {caller:<CALLER_CHARS$}  {duration:>10}  {}{alias}",
            end(record)
        );
        writeln!(out, "{}", line.trim_end())
    }
}

impl Printer<'_> {
    /// Returns the column of a replica, if there is one.
    fn replica(&self, name: &str) -> String {
        if self.listing.names_replica {
            format!("{:<REPLICA_CHARS$}  ", short(name, REPLICA_CHARS))
        } else {
            String::new()
        }
    }
}

/// Says how a call ended, or what the server did.
fn end(record: &Value) -> String {
    let of = |key: &str| short(&text(&record[key]), EVENT_CHARS);
    match record["kind"].as_str() {
        Some(kind @ ("outcome" | "read")) => {
            let outcome = if kind == "read" { record } else { &record["outcome"] };
            let reason = text(&outcome["reason"]);
            let status = short(outcome["status"].as_str().unwrap_or("ok"), STATUS_CHARS);
            if reason.is_empty() { status } else { format!("{status}: {}", short(&reason, REASON_CHARS)) }
        }
        Some("denied") => {
            format!("denied: {}", short(&text(&record["decision"]["denied_by"]), REASON_CHARS))
        }
        Some("asked") => "asked the user".to_owned(),
        Some("unended") => "no outcome".to_owned(),
        Some("server") => format!("the server: {}", of("event")),
        _ => format!("a record of another kind: {}", of("kind")),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn duration(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_by_an_alias_is_shown_with_it() {
        let listing = Listing {
            filter: Filter::default(),
            json: false,
            names_replica: false,
            has_title: Cell::default(),
        };
        let mut shown = Vec::new();
        let record =
            br#"{"kind":"read","tool":"count","alias":"old_count","us":7,"ts":"2026-01-01T00:00:00.000Z"}"#;
        Printer::new(&listing).print(record, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.ends_with(" ok (called as old_count)\n"), "{shown}");
    }
}
