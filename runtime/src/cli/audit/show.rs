//! `audit show`: records → a line each for people, or as they stand for programs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::Value;

use super::{Folder, plain};
use crate::{
    audit::Reader,
    cli::{DONE, FAILED, fail},
    server::Server,
};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    folder: Folder,
    /// Only calls of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls of this caller
    #[arg(long, value_name = "SUBJECT")]
    caller: Option<String>,
    /// Only records from this time on: `2026-11-21T12:00:00Z`, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only calls that ended so: `ok`, `error`, `denied`, `none`, or the reason, such as `scope` or `timeout`
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// Go on with what is recorded from now on
    #[arg(long, short)]
    follow: bool,
    /// Print the records as they stand, a line of JSON each
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run<C>(self, server: &Server<C>) -> ExitCode {
        let folders = match self.folder.found(server) {
            Ok((_, folders)) => folders,
            Err(error) => return fail(&error),
        };
        let range = [&self.since, &self.until].map(|time| time.as_deref().map(when).transpose());
        let [since, until] = match range {
            [Ok(since), Ok(until)] => [since, until],
            [Err(error), _] | [_, Err(error)] => return fail(&error),
        };
        let wanted = Wanted { show: &self, since, until };
        let mut logs: Vec<_> = folders.iter().map(|folder| (Reader::new(folder), Printer::new())).collect();
        let mut out = io::BufWriter::new(io::stdout().lock());
        loop {
            for (reader, printer) in &mut logs {
                let read = reader.read(|line| printer.take(line, &wanted, &mut out));
                let read =
                    read.and_then(|()| if self.follow { Ok(()) } else { printer.end(&wanted, &mut out) });
                match read.and_then(|()| out.flush()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::from(DONE),
                    Err(error) => return fail(&format!("the log cannot be read: {error}")),
                }
            }
            if !self.follow {
                let wrong: u64 = logs.iter().map(|(_, printer)| printer.wrong).sum();
                if wrong > 0 {
                    eprintln!("error: {wrong} lines are no records\nhelp: `audit verify` says which");
                    return ExitCode::from(FAILED);
                }
                return ExitCode::from(DONE);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A time as it stands in records.
fn when(word: &str) -> Result<String, String> {
    let no_time = || {
        let shown = crate::text::shown(word);
        format!("`{shown}` is no time\nhelp: for example `2026-11-21T12:00:00Z`, or `2h` for two hours ago")
    };
    let at = match word.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let span: Span = word.parse().map_err(|_| no_time())?;
            Timestamp::now().to_zoned(TimeZone::UTC).checked_sub(span).map_err(|_| no_time())?.timestamp()
        }
    };
    Ok(format!("{at:.6}"))
}

/// What is asked for.
struct Wanted<'a> {
    show: &'a Show,
    since: Option<String>,
    until: Option<String>,
}

impl Wanted<'_> {
    fn fits(&self, record: &Value) -> bool {
        let ts = record["ts"].as_str().unwrap_or_default();
        let is =
            |wanted: &Option<String>, value: &Value| wanted.as_deref().is_none_or(|wanted| value == wanted);
        self.since.as_deref().is_none_or(|since| ts >= since)
            && self.until.as_deref().is_none_or(|until| ts < until)
            && is(&self.show.tool, &record["tool"])
            && is(&self.show.caller, &record["caller"]["sub"])
            && self.show.outcome.as_deref().is_none_or(|word| ended(record).iter().any(|said| said == word))
    }

    /// Whether only calls are asked for.
    fn only_calls(&self) -> bool {
        self.show.tool.is_some() || self.show.caller.is_some() || self.show.outcome.is_some()
    }
}

/// The words for how a call ended.
fn ended(record: &Value) -> Vec<String> {
    let words: &[&Value] = match record["kind"].as_str() {
        Some("outcome") => &[&record["outcome"]["status"], &record["outcome"]["reason"]],
        Some("denied") => return vec!["denied".to_owned(), text(&record["decision"]["denied_by"])],
        Some("unended") => return vec!["none".to_owned()],
        _ => &[],
    };
    words.iter().map(|word| text(word)).filter(|word| !word.is_empty()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What was read of one log.
struct Printer {
    /// Calls that began, by their id, and whose end was not read.
    open: BTreeMap<String, Value>,
    titled: bool,
    wrong: u64,
}

impl Printer {
    fn new() -> Self {
        Self { open: BTreeMap::new(), titled: false, wrong: 0 }
    }

    fn take(&mut self, line: &[u8], wanted: &Wanted<'_>, out: &mut impl Write) -> io::Result<()> {
        // What is not printable ASCII is no record, whatever JSON makes of it.
        let printable = line.iter().all(|byte| (b' '..=b'~').contains(byte));
        let record = if printable { serde_json::from_slice::<Value>(line).ok() } else { None };
        let Some(record) = record.filter(Value::is_object) else {
            self.wrong += 1;
            return Ok(());
        };
        if wanted.show.json {
            let fits = wanted.fits(&record) && (record["kind"] != "server" || !wanted.only_calls());
            if fits {
                out.write_all(line)?;
                out.write_all(b"\n")?;
            }
            return Ok(());
        }
        match record["kind"].as_str() {
            Some("intent") => {
                self.open.insert(text(&record["call_id"]), record);
                Ok(())
            }
            Some("server") => {
                if record["event"] == "start" {
                    self.end(wanted, out)?;
                }
                if wanted.only_calls() { Ok(()) } else { self.row(&record, wanted, out) }
            }
            _ => {
                self.open.remove(record["call_id"].as_str().unwrap_or_default());
                self.row(&record, wanted, out)
            }
        }
    }

    /// The calls that were at work when the process ended, or when nothing more was read.
    fn end(&mut self, wanted: &Wanted<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut open: Vec<Value> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|record| record["seq"].as_u64());
        for mut record in open {
            record["kind"] = "unended".into();
            self.row(&record, wanted, out)?;
        }
        Ok(())
    }

    fn row(&mut self, record: &Value, wanted: &Wanted<'_>, out: &mut impl Write) -> io::Result<()> {
        if !wanted.fits(record) {
            return Ok(());
        }
        if !std::mem::replace(&mut self.titled, true) {
            writeln!(out, "{:<23}  {:<24}  {:<16}  {:>10}  ENDED", "TIME (UTC)", "TOOL", "CALLER", "TOOK")?;
        }
        let took = record["outcome"]["duration_us"].as_u64().map_or(String::new(), took);
        let time = text(&record["ts"]).replace('T', " ");
        // To the millisecond.
        let time = short(time.get(..23).unwrap_or(&time), 23);
        let (tool, caller) = (short(&text(&record["tool"]), 24), short(&caller(record), 16));
        let line = format!("{time:<23}  {tool:<24}  {caller:<16}  {took:>10}  {}", result(record));
        writeln!(out, "{}", line.trim_end())
    }
}

fn caller(record: &Value) -> String {
    text(&record["caller"]["sub"])
}

fn result(record: &Value) -> String {
    let of = |key: &str| short(&text(&record[key]), 64);
    match record["kind"].as_str() {
        Some("outcome") => {
            let outcome = &record["outcome"];
            let reason = text(&outcome["reason"]);
            let status = short(&text(&outcome["status"]), 32);
            if reason.is_empty() { status } else { format!("{status}: {}", short(&reason, 40)) }
        }
        Some("denied") => format!("denied: {}", short(&text(&record["decision"]["denied_by"]), 40)),
        Some("unended") => "no outcome".to_owned(),
        Some("server") => format!("the server: {}", of("event")),
        _ => format!("a record of another kind: {}", of("kind")),
    }
}

/// At most `most` characters, with nothing in them that a terminal acts on.
fn short(text: &str, most: usize) -> String {
    let safe = plain(text);
    match safe.char_indices().nth(most) {
        Some(_) => safe.chars().take(most - 1).chain(['…']).collect(),
        None => safe,
    }
}

fn took(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}
