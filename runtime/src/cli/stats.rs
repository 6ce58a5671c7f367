//! The command `stats`: sums up the calls in the audit log as a table, as JSON, or as an HTML page.

mod json;
mod screen;
mod table;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::{
    DONE, FAILED,
    audit::{log_folders, no_log, plain, time},
    fail,
};
use crate::{
    audit::verify::LogReader,
    message::Message,
    server::Server,
    stats::{self, CallWindow, UsageReport, UsageTally},
    stderr,
};
use screen::Screen;
use table::TableStyle;

/// The time between two looks at a log that is followed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Args)]
#[group(skip)]
pub(super) struct StatsArgs {
    /// Read the log in this folder; repeatable, for example once a replica. The default is each folder in which `serve`
    /// records this server's calls
    #[arg(long, value_name = "DIR")]
    audit: Vec<PathBuf>,
    /// Only calls from this time on: `2026-11-21T12:00:00Z`, or `30d` for thirty days ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only calls before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only calls of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// The form
    #[arg(long, value_enum, default_value_t)]
    format: StatsFormat,
    /// Show this many tools in the table
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Write an HTML page with plots to this file, which needs no server and fetches nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "follow"])]
    html: Option<PathBuf>,
    /// Go on, and print the table again every two seconds; on a terminal, in place
    #[arg(long, short)]
    follow: bool,
}

/// The form of a summary.
#[derive(Clone, Copy, Default, ValueEnum)]
enum StatsFormat {
    #[default]
    Table,
    Json,
}

/// The logs that are read, and their calls so far.
struct Logs {
    readers: Vec<(PathBuf, LogReader)>,
    tally: UsageTally,
}

impl Logs {
    /// Reads the lines that were written since the last time.
    fn read(&mut self) -> Result<(), Message> {
        for (log, (folder, reader)) in self.readers.iter_mut().enumerate() {
            let read = reader.read(|line| {
                self.tally.line(log, line);
                Ok(())
            });
            read.map_err(|error| cannot_read(folder, &error))?;
        }
        Ok(())
    }

    /// Checks that at least one of the folders has a log.
    fn check(&self) -> Result<(), Message> {
        match &self.readers[..] {
            [(folder, _), ..] if !self.readers.iter().any(|(_, reader)| reader.has_read()) => {
                Err(no_log(folder))
            }
            _ => Ok(()),
        }
    }

    fn is_within_a_line(&self) -> bool {
        self.readers.iter().any(|(_, reader)| reader.is_within_a_line())
    }
}

fn cannot_read(folder: &Path, error: &io::Error) -> Message {
    Message::failure(&format!("the log in `{}` cannot be read", plain(&folder.display().to_string())), error)
}

impl StatsArgs {
    pub(super) fn run<C>(self, server: &Server<C>) -> ExitCode {
        self.print(server).unwrap_or_else(|error| fail(&error))
    }

    fn print<C>(self, server: &Server<C>) -> Result<ExitCode, Message> {
        let name = &server.config.about.name;
        let folders = log_folders(self.audit.clone(), server)?;
        let readers = folders.into_iter().map(|folder| (folder.clone(), LogReader::new(&folder))).collect();
        let mut logs = Logs { readers, tally: UsageTally::new(self.window()?) };
        if self.follow {
            return self.follow(name, &mut logs);
        }
        logs.read()?;
        logs.check()?;
        let report = UsageReport::of(&logs.tally);
        if let Some(file) = &self.html {
            let written = fs::write(file, stats::page(name, &report));
            written.map_err(|error| {
                Message::failure(&format!("`{}` cannot be written", file.display()), &error)
            })?;
        } else {
            let mut stdout = io::stdout().lock();
            let text = self.text(name, &report, &TableStyle::of_stdout(self.top));
            let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            if let Err(error) = written
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                return Err(Message::new(format!("stdout cannot be written: {error}")));
            }
        }
        Ok(faults(&report, logs.is_within_a_line()))
    }

    /// The calls that are counted.
    fn window(&self) -> Result<CallWindow, Message> {
        let micros = |argument: &Option<String>| -> Result<Option<i64>, Message> {
            let Some(argument) = argument else { return Ok(None) };
            let time = time(argument)?;
            Ok(time.parse::<Timestamp>().ok().map(Timestamp::as_microsecond))
        };
        let (since, until) = (micros(&self.since)?, micros(&self.until)?);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Message::new("`--since` is not before `--until`").help("swap the two times"));
        }
        Ok(CallWindow { since, until, tool: self.tool.clone() })
    }

    fn text(&self, name: &str, report: &UsageReport, style: &TableStyle) -> String {
        match self.format {
            StatsFormat::Table => table::table(name, report, style),
            StatsFormat::Json => format!("{}\n", json::object(name, report)),
        }
    }

    /// Prints the table again and again, until Ctrl+C or until nothing reads stdout.
    fn follow(&self, name: &str, logs: &mut Logs) -> Result<ExitCode, Message> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Message::failure("the command cannot wait", &error))?;
        let mut screen = Screen::new(io::stdout().is_terminal() && matches!(self.format, StatsFormat::Table));
        runtime.block_on(async {
            let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
            loop {
                logs.read()?;
                let report = UsageReport::of(&logs.tally);
                let style = TableStyle::of_screen(self.top);
                match screen.show(&self.text(name, &report, &style)) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                    Err(error) => return Err(Message::new(format!("stdout cannot be written: {error}"))),
                }
                tokio::select! {
                    _ = &mut interrupted => break,
                    () = tokio::time::sleep(REFRESH_INTERVAL) => {}
                }
            }
            Ok(ExitCode::from(DONE))
        })
    }
}

/// Says on stderr what is wrong with the log, and returns the exit code.
fn faults(report: &UsageReport, is_within_a_line: bool) -> ExitCode {
    if is_within_a_line {
        stderr::line(
            "note: the last line of the log is not complete: it is being written, or a crash left it",
        );
    }
    let faults = report.faults();
    if faults.is_empty() {
        return ExitCode::from(DONE);
    }
    let error = Message::new(format!("the log has faults, and calls may be missing: {}", faults.join(", ")))
        .help("`audit verify` lists them");
    stderr::line(format_args!("error: {error}"));
    ExitCode::from(FAILED)
}
