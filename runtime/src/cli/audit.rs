//! The command `audit`: creates signing keys, verifies logs, shows and exports their records, and removes old ones.

mod csv;
mod export;
mod filter;
mod merged_logs;
mod printer;
mod prune;
mod read_contexts;
mod show;
mod verify;

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::Read as _,
    mem,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

pub(super) use filter::time;

use super::{fail, print_stdout, store::StoreFlags};
use crate::{
    audit::{self, AuditLog, verify::make_signer},
    message::Message,
    record::Recording,
    server::{AnyServer, Config},
    start_error::StartError,
};

/// The flags that name the log of a server.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct Log {
    /// Record calls in this folder
    ///
    /// The default is `$XDG_STATE_HOME/SERVER/audit`, or `~/.local/state/SERVER/audit`. A tool whose audit is `required` runs
    /// only if the call is recorded.
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Sign the log with the key in this file, if it is not DIR.signing-key
    ///
    /// The last checkpoint is kept beside it (FILE.signed-…), and a log that does not reach it is refused at the next start. The
    /// folder of the key should not be writable by users who can write the log.
    #[arg(long, value_name = "FILE")]
    audit_key: Option<PathBuf>,
    #[command(flatten)]
    store: StoreFlags,
}

impl Log {
    /// Configures the log that the flags name. Without flags the server keeps its own log, or gets its user's.
    pub(super) fn configure(&self, config: &mut Config) {
        let configured = |log: AuditLog| match &self.audit_key {
            Some(key) => log.signing_key(key),
            None => log,
        };
        config.recording = match (&self.audit, mem::replace(&mut config.recording, Recording::Unset)) {
            (Some(folder), _) => Recording::To(configured(AuditLog::at(folder))),
            (None, Recording::To(log)) => Recording::To(configured(log)),
            (None, Recording::Disabled) if self.audit_key.is_none() => Recording::Disabled,
            (None, _) => Recording::Default(AuditLog::of_user(&config.about.name).map(configured)),
        };
    }

    /// Configures the key store that the flags name.
    pub(super) fn configure_keys(
        &self,
        config: &mut Config,
        #[cfg_attr(not(feature = "redb"), expect(unused_variables, reason = "no default store"))] quiet: bool,
    ) -> Result<(), StartError> {
        #[cfg(feature = "redb")]
        return self.store.configure(config, self.audit.as_deref(), quiet);
        #[cfg(not(feature = "redb"))]
        self.store.configure(config)
    }

    /// Returns the flag that is an environment variable of another process of the program.
    pub(super) fn variable(&self, server: &str) -> Option<(String, &str)> {
        self.store.variable(server)
    }

    /// Returns the flags as arguments of a command line.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let flag = |flag: &str, path: &Option<PathBuf>| -> Vec<OsString> {
            path.as_ref().map_or_else(Vec::new, |path| vec![flag.into(), path.into()])
        };
        [flag("--audit", &self.audit), flag("--audit-key", &self.audit_key), self.store.arguments()].concat()
    }
}

#[derive(Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Check whether a log was changed: exit code 0 if no change is found, 1 if one is found, 2 if the log cannot be read
    Verify(verify::Verify),
    /// Print the records
    Show(show::Show),
    /// Write the records for other programs, and verify the log meanwhile: the exit codes are those of `verify`
    ///
    /// A cell of CSV that begins with `=`, `+`, `-`, `@`, an apostrophe, a tab or a line break gets an apostrophe before it, so
    /// that no spreadsheet takes it for a formula. Columns keep their order; later versions add columns at the end.
    Export(export::Export),
    /// Remove records that are older than a time: whole segments, and never the last one
    ///
    /// The removal is recorded and signed first, so that `audit verify` can still check the rest. A log that was changed is
    /// left as it is. While a server writes the log, it removes old records itself: `serve --audit-retention TIME`.
    Prune(prune::Prune),
    /// Print the digest that stands for a value in the log, to search for it
    Hash {
        /// The value: a string as it is, any other value as JSON; `-` reads it from stdin
        value: String,
        #[command(flatten)]
        folder: FolderArg,
    },
    /// Manage the key that signs the end of a log
    Key {
        #[command(subcommand)]
        command: Key,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Create a key in FILE, and print the verifier key that checks its signatures
    ///
    /// Store the verifier key in a place that users who can change the log cannot change: `audit verify --key` takes it.
    New {
        /// The file; the default is DIR.signing-key, which `serve` reads without a flag
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        folder: FolderArg,
    },
}

/// A log that exists, and its folder.
struct ExistingLog {
    log: AuditLog,
    folder: PathBuf,
}

/// Returns the folders of a server's logs: the named ones, or those in which `serve` records. All of them exist.
pub(super) fn log_folders(folders: Vec<PathBuf>, server: &AnyServer) -> Result<Vec<PathBuf>, Message> {
    let logs = FoldersArg { folders }.existing(server)?;
    Ok(logs.into_iter().map(|log| log.folder).collect())
}

/// The argument that names the folders of logs.
#[derive(Args)]
struct FoldersArg {
    /// The folders of the logs, for example one a replica; the default is each folder in which `serve` records this server's
    /// calls
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl FoldersArg {
    /// Returns the logs: each one that was named, or at least one of those that `serve` keeps by default.
    fn existing(&self, server: &AnyServer) -> Result<Vec<ExistingLog>, Message> {
        if self.folders.is_empty() {
            return existing(&FolderArg { folder: None }.log(server)?);
        }
        let logs = self.folders.iter().map(|folder| existing(&AuditLog::at(folder)));
        logs.collect::<Result<Vec<_>, _>>().map(|logs| logs.into_iter().flatten().collect())
    }
}

/// Returns a log in each of its folders. At least one of them exists.
fn existing(log: &AuditLog) -> Result<Vec<ExistingLog>, Message> {
    let folders = log.folders();
    if folders.is_empty() {
        return Err(no_log(log.folder()));
    }
    Ok(folders.into_iter().map(|folder| ExistingLog { log: log.clone(), folder }).collect())
}

/// The argument that names the folder of a log.
#[derive(Args)]
struct FolderArg {
    /// The folder of the log; the default is each folder in which `serve` records this server's calls
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl FolderArg {
    /// Returns the log, which may not exist.
    fn log(&self, server: &AnyServer) -> Result<AuditLog, Message> {
        match (&self.folder, &server.config.recording) {
            (Some(folder), _) => Ok(AuditLog::at(folder)),
            (None, Recording::To(log)) => Ok(log.clone()),
            _ => AuditLog::of_user(&server.config.about.name).ok_or_else(audit::no_folder),
        }
    }
}

/// The message about a folder that has no log.
pub(super) fn no_log(folder: &Path) -> Message {
    Message::new(format!("found no audit log in `{}`", plain(&folder.display().to_string())))
        .note("a log is a folder with files named `segment-00000001.jsonl` and so on")
        .help("name the folder that was given to `serve --audit DIR`")
}

impl AuditArgs {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        let result = match self.command {
            AuditCommand::Verify(verify) => return verify.run(server),
            AuditCommand::Show(show) => return show.run(server),
            AuditCommand::Export(export) => return export.run(server),
            AuditCommand::Prune(prune) => return prune.run(server),
            AuditCommand::Hash { value, folder } => hash(value, &folder, server),
            AuditCommand::Key { command: Key::New { file, folder } } => new_key(file, &folder, server),
        };
        match result {
            Ok(text) => print_stdout(&text),
            Err(error) => fail(&error),
        }
    }
}

fn hash(value: String, folder: &FolderArg, server: &AnyServer) -> Result<String, Message> {
    let log = folder.log(server)?;
    existing(&log)?;
    let value = if value == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| Message::new(format!("stdin cannot be read: {error}")))?;
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    } else {
        value
    };
    Ok(format!("{}\n", log.hash(&value)?))
}

fn new_key(file: Option<PathBuf>, folder: &FolderArg, server: &AnyServer) -> Result<String, Message> {
    let log = folder.log(server)?;
    let named = file.is_some();
    let path = file.unwrap_or_else(|| log.usual_signing_key());
    let verifier = make_signer(&path, &server.config.about.name)?;
    eprintln!("the signing key is in {}, and its verifier key in {0}.pub", path.display());
    if named {
        eprintln!("`serve --audit-key {}` signs with it", path.display());
    } else {
        eprintln!("`serve` signs with it from its next start on");
    }
    eprintln!(
        "Store the line on stdout in a place that users who can change the log cannot change: `audit verify --key` takes it."
    );
    Ok(verifier)
}

/// Returns at most `max` characters of `text`, without any that control a terminal.
pub(super) fn short(text: &str, max: usize) -> String {
    let safe = plain(text);
    match safe.char_indices().nth(max) {
        Some(_) => safe.chars().take(max - 1).chain(['…']).collect(),
        None => safe,
    }
}

/// Returns `text` without characters that control a terminal.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if crate::text::is_hidden(c) || matches!(c, '\n' | '\t') || c == '\u{fffd}' {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
}
