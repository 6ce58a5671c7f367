//! `audit`: the key that signs a log, whether a log is what was written, and what it says.

mod show;
mod verify;

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::{fail, print_stdout};
use crate::{
    audit::{self, AuditLog},
    record::Recording,
    server::Server,
};

/// Where calls are recorded.
#[derive(Args, Clone, Default)]
pub(super) struct Log {
    /// Record calls in this folder
    ///
    /// Without it: `$XDG_STATE_HOME/SERVER/audit`, or `~/.local/state/SERVER/audit`. What is declared `required` runs only
    /// if it is recorded.
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Sign the log with the key in this file, where it is not DIR.signing-key
    #[arg(long, value_name = "FILE")]
    audit_key: Option<PathBuf>,
}

impl Log {
    /// The server with the log that was asked for; the one of its own making, where nothing was; its user's, where it
    /// has none.
    pub(super) fn of<C>(&self, mut server: Server<C>, quiet: bool) -> Server<C> {
        let name = server.about.name.clone();
        let finished = |log: AuditLog| {
            let log = match &self.audit_key {
                Some(key) => log.signing_key(key),
                None => log,
            };
            if quiet { log.quiet() } else { log }
        };
        server.recording = match (&self.audit, server.recording) {
            (Some(folder), _) => Recording::To(finished(AuditLog::at(folder))),
            (None, Recording::To(log)) => Recording::To(finished(log)),
            (None, Recording::Disabled) if self.audit_key.is_none() => Recording::Disabled,
            (None, _) => Recording::Default(AuditLog::of_user(&name).map(finished)),
        };
        server
    }

    /// As they stand on a command line.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let flag = |flag: &str, path: &Option<PathBuf>| -> Vec<OsString> {
            path.as_ref().map_or_else(Vec::new, |path| vec![flag.into(), path.into()])
        };
        [flag("--audit", &self.audit), flag("--audit-key", &self.audit_key)].concat()
    }
}

#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say whether a log is what was written: exit code 0 as far as can be told, 1 where it is not, 2 where it cannot be read
    Verify(verify::Verify),
    /// Print what was recorded
    Show(show::Show),
    /// Print what stands for a value in the log, to search for
    Hash {
        /// The value: a text as it is, anything else as JSON; `-` reads it from stdin
        value: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// The key that signs where a log ends
    Key {
        #[command(subcommand)]
        command: Key,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Make a key, keep it in FILE, and print the verifier key that checks its signatures
    ///
    /// Keep the verifier key where whoever can change the log cannot change it: `audit verify --key` takes it.
    New {
        /// The file; DIR.signing-key without, where `serve` finds it by itself
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        folder: Folder,
    },
}

/// The folder of a log that is there.
#[derive(Args)]
struct Folder {
    /// The folder of the log; without it, those where `serve` records this server's calls by itself
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Folder {
    /// The log that is meant, whether it is there or not.
    fn log<C>(&self, server: &Server<C>) -> Result<AuditLog, String> {
        match (&self.folder, &server.recording) {
            (Some(folder), _) => Ok(AuditLog::at(folder)),
            (None, Recording::To(log)) => Ok(log.clone()),
            _ => AuditLog::of_user(&server.about.name).ok_or_else(|| audit::NO_PLACE.to_owned()),
        }
    }

    /// The folders of logs that are meant and there, of which there is at least one.
    fn found<C>(&self, server: &Server<C>) -> Result<(AuditLog, Vec<PathBuf>), String> {
        let log = self.log(server)?;
        let found = log.folders();
        if found.is_empty() {
            let meant = log.folder().display();
            return Err(format!("there is no audit log in `{meant}`\nhelp: name its folder"));
        }
        Ok((log, found))
    }
}

impl Audit {
    pub(super) fn run<C>(self, server: &Server<C>) -> ExitCode {
        let ran = match self.command {
            Command::Verify(verify) => return verify.run(server),
            Command::Show(show) => return show.run(server),
            Command::Hash { value, folder } => hash(value, &folder, server),
            Command::Key { command: Key::New { file, folder } } => new_key(file, &folder, server),
        };
        match ran {
            Ok(text) => print_stdout(&text),
            Err(error) => fail(&error),
        }
    }
}

fn hash<C>(value: String, folder: &Folder, server: &Server<C>) -> Result<String, String> {
    let (log, _) = folder.found(server)?;
    let value = if value == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| format!("stdin cannot be read: {error}"))?;
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    } else {
        value
    };
    Ok(format!("{}\n", log.hash(&value)?))
}

fn new_key<C>(file: Option<PathBuf>, folder: &Folder, server: &Server<C>) -> Result<String, String> {
    let log = folder.log(server)?;
    let named = file.is_some();
    let path = file.unwrap_or_else(|| log.usual_signing_key());
    let verifier = audit::make_signer(&path, &server.about.name)?;
    eprintln!("the signing key is in {}, and what checks it in {0}.pub", path.display());
    if named {
        eprintln!("`serve --audit-key {}` signs with it", path.display());
    } else {
        eprintln!("`serve` signs with it from its next start on");
    }
    eprintln!(
        "Keep the line on stdout where whoever can change the log cannot change it: `audit verify --key` takes it."
    );
    Ok(verifier)
}

/// `text` with nothing in it that a terminal acts on.
fn plain(text: &str) -> String {
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
