//! The command `audit export`: writes records for other programs, as lines of JSON or as CSV, and verifies the log meanwhile.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{
    ExistingLog, FoldersArg, csv,
    filter::{Filter, FilterArgs},
    plain,
    read_contexts::ReadContexts,
    shown, verify,
};
use crate::{
    audit::verify::verify_each,
    cli::{COULD_NOT, DONE, FAILED, fail},
    file_system,
    message::Message,
    server::AnyServer,
};

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    folders: FoldersArg,
    /// The form of the rows
    #[arg(long, value_enum)]
    format: Format,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only records of this kind; repeatable
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    kind: Vec<ExportedKind>,
    /// Write to this file, which must not exist; the default is stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A verifier key, or a file that contains one; may be repeated. The default is FOLDER.signing-key.pub
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The records as they are written, a line of JSON each; those of a read's context as well
    Ndjson,
    /// A row a record (RFC 4180), with a title
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExportedKind {
    Intent,
    Outcome,
    Read,
    Asked,
    Denied,
    Server,
}

impl ExportedKind {
    fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Read => "read",
            Self::Asked => "asked",
            Self::Denied => "denied",
            Self::Server => "server",
        }
    }
}

impl Export {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        match self.export(server) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                fail(&error);
                ExitCode::from(COULD_NOT)
            }
        }
    }

    fn export(self, server: &AnyServer) -> Result<u8, Message> {
        let logs = self.folders.existing(server)?;
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut out = ExportOutput::open(self.out.as_deref())?;
        let filter = self.filter.filter()?;
        let mut rows =
            ExportRows { format: self.format, filter, kinds: self.kind, contexts: ReadContexts::default() };
        if rows.format == Format::Csv {
            out.write(|out| csv::title(out));
        }
        let (mut code, mut is_whole) = (DONE, true);
        for ExistingLog { log, folder } in logs {
            let signing_key = log.usual_signing_key();
            let (keys, _) = verify::keys(&self.keys, &signing_key)?;
            let mut each = |line: &[u8]| out.write(|out| rows.write(line, out));
            let verdict = verify_each(&folder, &keys, &[], &signing_key, threads, &mut each);
            if out.failed.is_some() {
                break;
            }
            match verdict {
                Ok(verdict) if verdict.summary.findings.is_empty() => {}
                Ok(verdict) => {
                    let findings = &verdict.summary.findings;
                    let first = plain(&findings[0].what);
                    let fact = format!("`{}` is not the log that was written: {first}", shown(&folder));
                    fail(&Message::new(fact).help("`audit verify` lists what was changed"));
                    code = FAILED;
                }
                Err(error) => {
                    fail(&error);
                    code = if code == FAILED { code } else { COULD_NOT };
                    is_whole = false;
                }
            }
        }
        if is_whole || out.file.is_none() {
            out.finish()?;
        }
        Ok(code)
    }
}

/// Selects and writes records.
struct ExportRows {
    format: Format,
    filter: Filter,
    kinds: Vec<ExportedKind>,
    contexts: ReadContexts,
}

impl ExportRows {
    fn write(&mut self, line: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let record: Value = serde_json::from_slice(line).unwrap_or_default();
        let record = self.contexts.add(record, line);
        if !self.is_selected(&record) {
            return Ok(());
        }
        match self.format {
            Format::Ndjson => {
                out.write_all(line)?;
                out.write_all(b"\n")
            }
            Format::Csv => csv::row(&record, out),
        }
    }

    fn is_selected(&self, record: &Value) -> bool {
        if record["kind"] == "server" && record["event"] == "context" {
            // As they are written, reads are not complete without it.
            let has_reads = self.kinds.is_empty() || self.kinds.contains(&ExportedKind::Read);
            return self.format == Format::Ndjson && has_reads && self.filter.matches_context(record);
        }
        let is_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| record["kind"] == kind.name());
        let is_call = record["kind"] != "server" || !self.filter.only_calls();
        is_kind && is_call && self.filter.matches(record)
    }
}

/// Stdout, or a file that has its name only once it is complete.
struct ExportOutput {
    out: BufWriter<Box<dyn Write>>,
    file: Option<UnfinishedFile>,
    /// The first error. Nothing is written after it.
    failed: Option<io::Error>,
}

impl ExportOutput {
    fn open(path: Option<&Path>) -> Result<Self, Message> {
        let failed = None;
        let Some(path) = path else {
            return Ok(Self { out: BufWriter::new(Box::new(io::stdout().lock())), file: None, failed });
        };
        let file = UnfinishedFile::create(path)?;
        let clone = file.file.try_clone().map_err(|error| unwritten(path, &error))?;
        Ok(Self { out: BufWriter::new(Box::new(clone)), file: Some(file), failed })
    }

    /// Returns `false` if nothing more can be written.
    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> bool {
        if self.failed.is_none() {
            self.failed = write(&mut self.out).err();
        }
        self.failed.is_none()
    }

    fn finish(mut self) -> Result<(), Message> {
        let flushed = self.out.flush();
        let written = self.failed.map_or(flushed, Err);
        match (written, self.file) {
            (Ok(()), Some(file)) => file.finish(),
            (Ok(()), None) => Ok(()),
            (Err(error), Some(file)) => Err(unwritten(&file.path, &error)),
            // The program that reads has all that it wants.
            (Err(error), None) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            (Err(error), None) => Err(Message::failure("stdout cannot be written", &error)),
        }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Message {
    Message::failure(&format!("`{}` cannot be written", shown(path)), error)
}

/// A file under another name beside its own, which is removed unless it is finished.
struct UnfinishedFile {
    file: File,
    path: PathBuf,
    aside: PathBuf,
}

impl UnfinishedFile {
    fn create(path: &Path) -> Result<Self, Message> {
        if path.exists() {
            return Err(exists(path));
        }
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".unfinished-{:016x}", fastrand::u64(..)));
        let aside = PathBuf::from(aside);
        let file = file_system::create_private(&aside).map_err(|error| unwritten(path, &error))?;
        Ok(Self { file, path: path.to_owned(), aside })
    }

    fn finish(self) -> Result<(), Message> {
        // Unlike a rename, a link never replaces a file that exists.
        let linked = self.file.sync_all().and_then(|()| fs::hard_link(&self.aside, &self.path));
        linked.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => unwritten(&self.path, &error),
        })
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.aside);
    }
}

fn exists(path: &Path) -> Message {
    Message::new(format!("`{}` already exists", shown(path))).help("name another file: `--out FILE`")
}
