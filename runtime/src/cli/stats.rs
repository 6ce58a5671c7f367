//! The command `stats`: sums up the calls in the audit log, or those of a running server, as a table, as JSON, or as an HTML page.

mod json;
mod logs;
#[cfg(feature = "http")]
mod metrics_endpoint;
mod screen;
mod table;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tokio::runtime::Builder;

use super::{
    DONE, FAILED,
    audit::{log_folders, time},
    fail,
};
use crate::{
    message::Message,
    server::AnyServer,
    start_runtime::start_runtime,
    stats::{self, CallWindow, UsageReport},
    stderr,
};
use logs::Logs;
#[cfg(feature = "http")]
use metrics_endpoint::MetricsEndpoint;
use screen::Screen;
use table::TableStyle;

/// The time between two looks at a source that is followed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Args)]
#[group(skip)]
pub(super) struct StatsArgs {
    /// Read the log in this folder; repeatable, for example once a replica. The default is each folder in which `serve`
    /// records this server's calls
    #[arg(long, value_name = "DIR")]
    audit: Vec<PathBuf>,
    /// Ask a running server for its metrics instead, for example `http://127.0.0.1:8080/metrics`
    ///
    /// They count from the start of the server and have no history. The environment variable `CANDOR_STATS_TOKEN` has the
    /// token of a server that needs one.
    #[arg(long, value_name = "URL", conflicts_with_all = ["audit", "since", "until"])]
    from: Option<String>,
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

/// The place from which calls are counted.
enum CallSource {
    Logs(Logs),
    #[cfg(feature = "http")]
    Server(MetricsEndpoint),
}

impl CallSource {
    /// Counts the calls up to now.
    fn report(&mut self) -> Result<UsageReport, Message> {
        match self {
            Self::Logs(logs) => logs.report(),
            #[cfg(feature = "http")]
            Self::Server(endpoint) => endpoint.report(),
        }
    }

    /// Checks that there was something to read.
    fn check(&self) -> Result<(), Message> {
        match self {
            Self::Logs(logs) => logs.check(),
            #[cfg(feature = "http")]
            Self::Server(_) => Ok(()),
        }
    }

    fn is_within_a_line(&self) -> bool {
        match self {
            Self::Logs(logs) => logs.is_within_a_line(),
            #[cfg(feature = "http")]
            Self::Server(_) => false,
        }
    }
}

impl StatsArgs {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        self.print(server).unwrap_or_else(|error| fail(&error))
    }

    fn print(self, server: &AnyServer) -> Result<ExitCode, Message> {
        let (name, mut source) = self.source(server)?;
        let name = &name;
        if self.follow {
            return self.follow(name, source);
        }
        let report = source.report()?;
        source.check()?;
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
        Ok(faults(&report, source.is_within_a_line()))
    }

    /// Returns the source of the counts, and its name for people.
    fn source(&self, server: &AnyServer) -> Result<(String, CallSource), Message> {
        if let Some(url) = &self.from {
            return Self::server(url, self.tool.clone());
        }
        let folders = log_folders(self.audit.clone(), server)?;
        Ok((server.config.about.name.clone(), CallSource::Logs(Logs::new(folders, self.window()?))))
    }

    #[cfg(feature = "http")]
    fn server(url: &str, tool: Option<String>) -> Result<(String, CallSource), Message> {
        let endpoint = MetricsEndpoint::new(url, tool)?;
        Ok((endpoint.shown().to_owned(), CallSource::Server(endpoint)))
    }

    #[cfg(not(feature = "http"))]
    fn server(_: &str, _: Option<String>) -> Result<(String, CallSource), Message> {
        Err(Message::new("this program was built without an HTTP client")
            .help("turn on the feature `http` of `candor`, or read the audit log: `stats --audit DIR`"))
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
    fn follow(&self, name: &str, source: CallSource) -> Result<ExitCode, Message> {
        let runtime = start_runtime(&mut Builder::new_current_thread());
        let runtime = runtime.map_err(|error| Message::failure("the command cannot wait", &error))?;
        let followed = runtime.block_on(self.refresh(name, source));
        // A server that does not answer must not keep the command from ending.
        runtime.shutdown_background();
        followed.map(|()| ExitCode::from(DONE))
    }

    async fn refresh(&self, name: &str, mut source: CallSource) -> Result<(), Message> {
        let mut screen = Screen::new(io::stdout().is_terminal() && matches!(self.format, StatsFormat::Table));
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let reading = tokio::task::spawn_blocking(move || {
                let report = source.report();
                (source, report)
            });
            let report = tokio::select! {
                _ = &mut interrupted => return Ok(()),
                read = reading => {
                    let (returned, report) = read.expect("counting does not panic");
                    source = returned;
                    report?
                }
            };
            match screen.show(&self.text(name, &report, &TableStyle::of_screen(self.top))) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Message::new(format!("stdout cannot be written: {error}"))),
            }
            tokio::select! {
                _ = &mut interrupted => return Ok(()),
                () = tokio::time::sleep(REFRESH_INTERVAL) => {}
            }
        }
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
