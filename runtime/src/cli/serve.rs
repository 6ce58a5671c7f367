//! `serve`: takes the descriptors, builds the state, then serves the protocol.

use std::{ffi::OsString, path::Path, process::ExitCode, time::Duration};

use clap::{Args, Command, FromArgMatches as _};
use futures::FutureExt as _;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "http")]
use super::http::Http;
#[cfg(feature = "telemetry")]
use super::logging::Logging;
#[cfg(any(not(feature = "http"), not(feature = "telemetry")))]
use super::missing_features::MissingFeatures;
#[cfg(feature = "http")]
use super::serving::{Serving, over_http};
use super::{
    Grants,
    audit::Log,
    duration, fail,
    opening::{Reach, opening},
    otlp::{Exporting, OtlpOptions},
    replica::ReplicaArgs,
    serving::{Prepared, THREADS_TIMEOUT, over_stdio},
    size,
};
#[cfg(feature = "http")]
use crate::serve::http::ShutdownTimeouts;
use crate::{
    descriptors,
    message::Message,
    serve::{Service, Stdio},
    server::AnyServer,
    start_error::StartError,
    start_runtime::start_runtime,
    stderr,
};

/// How [`Server::run`](crate::Server::run) serves: the options of the command `serve`.
///
/// A program with a command line of its own takes them by `#[command(flatten)]`, or from words:
///
/// ```
/// use candor::ServeOptions;
///
/// let options = ServeOptions::from_flags(["--http", "127.0.0.1:8080", "--quiet"])?;
/// # Ok::<_, candor::Message>(())
/// ```
#[derive(Args, Debug)]
#[group(skip)]
pub struct ServeOptions {
    #[command(flatten)]
    grants: Grants,
    /// Serve only tools that are declared `read_only`
    #[arg(long)]
    read_only: bool,
    /// Do not ask for confirmation before a destructive call
    #[arg(long)]
    yes_destructive: bool,
    /// Do not ask for confirmation before calls of this tool; repeatable
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    yes: Vec<String>,
    /// The maximum number of concurrent calls of one caller; those that their client has left count, too [default: 1000, or
    /// what the program sets]
    #[arg(long, value_name = "N")]
    max_in_flight_per_caller: Option<u32>,
    /// How long calls in flight may take after a stop (SIGTERM, SIGINT, end of stdin), for example `30s`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::timeout)]
    drain_timeout: Duration,
    /// The maximum size of a result, for tools that declare none, for example `8MiB` [default: 1MiB, or what the program sets]
    #[arg(long, value_name = "SIZE", value_parser = size::bytes)]
    max_output: Option<usize>,
    #[command(flatten)]
    log: Log,
    /// Remove records of the audit log that are older than this, at the start and once a day, for example `90d`
    ///
    /// Whole segments are removed; what was removed is recorded and signed first, so that the rest can still be verified. At
    /// least a day. The default is to keep all records, or what the program sets.
    #[arg(long, value_name = "TIME", value_parser = duration::retention)]
    audit_retention: Option<Duration>,
    #[command(flatten)]
    replica: ReplicaArgs,
    #[command(flatten)]
    export: OtlpOptions,
    #[cfg(feature = "http")]
    #[command(flatten)]
    http: Http,
    #[cfg(feature = "telemetry")]
    #[command(flatten)]
    logging: Logging,
    #[cfg(any(not(feature = "http"), not(feature = "telemetry")))]
    #[command(flatten)]
    _missing: MissingFeatures,
    /// Print nothing on stderr at the start, and no lines of calls
    #[arg(long, short)]
    quiet: bool,
}

impl Default for ServeOptions {
    /// Serves one client over stdin and stdout.
    fn default() -> Self {
        Self::from_flags::<&str>([]).expect("no option is required")
    }
}

impl ServeOptions {
    /// Reads the options from words, as they stand behind `serve` on a command line.
    ///
    /// # Errors
    ///
    /// An option is not known, or has a wrong value.
    pub fn from_flags<T: Into<OsString>>(flags: impl IntoIterator<Item = T>) -> Result<Self, Message> {
        let command = Self::augment_args(Command::new("serve").no_binary_name(true));
        let matches = command.try_get_matches_from(flags.into_iter().map(Into::into));
        let options = matches.and_then(|matches| Self::from_arg_matches(&matches));
        options.map_err(|error| {
            let text = error.render().to_string();
            Message::new(text.trim_start_matches("error: ").trim_end().to_owned())
        })
    }

    pub(super) fn run(self, mut server: AnyServer) -> ExitCode {
        descriptors::raise_limit();
        self.replica.configure(&mut server.config);
        let exporting = self.export.start(&server.config.about, server.config.replica.as_deref());
        #[cfg(feature = "telemetry")]
        if self.logging.install(self.quiet, exporting.layer()) {
            exporting.bypass_subscriber();
        }
        // Before anything else runs: a database that prints while it opens must not write to the protocol's stream.
        let stdio = match self.take_stdio() {
            Ok(stdio) => stdio,
            Err(error) => return fail(&Message::failure("stdin and stdout cannot be taken", &error)),
        };
        let exit = self.serve(server, stdio, &exporting);
        exporting.stop();
        exit
    }

    fn serve(self, server: AnyServer, stdio: Option<Stdio>, exporting: &Exporting) -> ExitCode {
        // Outside the runtime of the service: a state that blocks the threads it is made on must delay no answer.
        let service = match self.build(server) {
            Ok(service) => service,
            Err(error) => return fail(&error),
        };
        exporting.add(&service);
        let runtime = match start_runtime(&mut Builder::new_multi_thread()) {
            Ok(runtime) => runtime,
            Err(error) => {
                return fail(&Message::failure("the threads of the server cannot be started", &error));
            }
        };
        let prepared = {
            let _entered = runtime.enter();
            self.prepare(service, stdio)
        };
        match prepared {
            Ok(prepared) => prepared.run(runtime),
            Err(error) => {
                runtime.shutdown_timeout(THREADS_TIMEOUT);
                fail(&error)
            }
        }
    }

    /// Takes the process's stdin and stdout, unless they are not what is served.
    #[cfg_attr(not(feature = "http"), expect(clippy::unused_self, reason = "only HTTP is served instead"))]
    fn take_stdio(&self) -> std::io::Result<Option<Stdio>> {
        #[cfg(feature = "http")]
        if self.http.is_wanted() {
            return Ok(None);
        }
        Stdio::take().map(Some)
    }

    /// Says what is served, and returns what serves it.
    #[cfg_attr(
        not(feature = "http"),
        expect(clippy::unnecessary_wraps, reason = "only the flags of HTTP can be wrong")
    )]
    fn prepare(self, service: Service, stdio: Option<Stdio>) -> Result<Prepared, Message> {
        let (drain_timeout, is_quiet) = (self.drain_timeout, self.quiet);
        let stop = CancellationToken::new();
        let reopen_audit = service.audit_reopener();
        let (service, serving) = match stdio {
            Some(stdio) => {
                let service = service.grant(&self.grants.joined());
                self.print_opening(Reach::Stdio, &service);
                self.warn_of_open_files(&service, stdio.output_file().as_deref());
                let serving = over_stdio(service.clone(), stdio, stop.clone(), drain_timeout, reopen_audit);
                (service, serving.boxed())
            }
            #[cfg(feature = "http")]
            None => self.prepare_http(service, stop.clone(), reopen_audit)?,
            #[cfg(not(feature = "http"))]
            None => unreachable!("without HTTP, stdio is always taken"),
        };
        Ok(Prepared { service, serving, stop, drain_timeout, is_quiet })
    }

    #[cfg(feature = "http")]
    fn prepare_http(
        mut self,
        service: Service,
        stop: CancellationToken,
        reopen_audit: impl Fn() + Send + 'static,
    ) -> Result<(Service, Serving), Message> {
        let http = std::mem::take(&mut self.http);
        let timeouts = ShutdownTimeouts { delay: http.delay(), drain: self.drain_timeout };
        let config = http.config(&self.grants, &service)?;
        let reach = if config.access.requires_token() { Reach::HttpWithTokens } else { Reach::Http };
        let service = service.grant(&self.grants.joined());
        self.print_opening(reach, &service);
        self.warn_of_open_files(&service, None);
        if !self.quiet {
            for warning in Http::warnings(&config) {
                stderr::line(format_args!("  {warning}"));
            }
        }
        Ok((service.clone(), over_http(service, config, timeouts, stop, reopen_audit).boxed()))
    }

    fn build(&self, mut server: AnyServer) -> Result<Service, StartError> {
        let config = &mut server.config;
        config.read_only |= self.read_only;
        config.skip_confirmation |= self.yes_destructive;
        config.confirmed_tools.extend_from_slice(&self.yes);
        if let Some(bytes) = self.max_output {
            config.max_output = bytes;
        }
        if let Some(calls) = self.max_in_flight_per_caller {
            config.bounds.max_in_flight_per_caller = Some(calls.max(1));
        }
        if let Some(age) = self.audit_retention {
            config.retention = Some(age);
        }
        self.log.configure(config);
        self.log.configure_keys(config, self.quiet)?;
        server.build()
    }

    /// Names files on stderr that sandboxed tools could write, but for the protocol's own.
    fn warn_of_open_files(&self, service: &Service, own: Option<&Path>) {
        let files = service.open_files().iter().filter(|file| Some(file.as_path()) != own);
        for file in files.filter(|_| !self.quiet) {
            let file = file.display();
            stderr::line(format_args!(
                "  `{file}` is open for writing: no sandbox keeps a `read_only` tool from writing to it"
            ));
        }
    }

    /// Prints on stderr what is served.
    fn print_opening(&self, reach: Reach, service: &Service) {
        if self.quiet {
            return;
        }
        stderr::write(opening(reach, service, &self.grants));
        if self.read_only {
            stderr::line("  only tools declared `read_only` are served");
        }
        if self.yes_destructive {
            stderr::line("  destructive calls run without confirmation");
        } else if !self.yes.is_empty() {
            stderr::line(format_args!("  calls run without confirmation: {}", self.yes.join(", ")));
        }
    }
}
