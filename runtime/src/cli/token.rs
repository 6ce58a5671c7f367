//! `token`: creates, lists and revokes API keys. The file stores hashes; a key itself is printed once.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use clap::{Args, Subcommand};
use jiff::{Span, Timestamp, tz::TimeZone};

use super::{duration, print};
use crate::{
    access::keyfile::{self, KEY_PREFIX, KeyEntry, KeyFileError, KeyTime, Scope, Subject, TokenHash},
    message::Message,
    server::AnyServer,
    stderr, text,
};

#[derive(Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Create a key, add its hash to the file, and print the key once
    New(New),
    /// List the entries of the file, without the keys
    List {
        #[command(flatten)]
        file: KeyFilePath,
    },
    /// Remove a key from the file
    Revoke {
        /// The key's id in `token list`, or its first digits
        id: String,
        #[command(flatten)]
        file: KeyFilePath,
    },
}

#[derive(Args)]
struct New {
    /// The caller's name, by which limits and the audit log identify it
    #[arg(long)]
    subject: String,
    /// The key's scopes, separated by spaces; repeatable
    #[arg(long = "scope", value_name = "SCOPES")]
    scopes: Vec<String>,
    /// How long the key is valid, for example `90d`, `12h` or `1y`; without it, the key does not expire
    #[arg(long, value_name = "TIME", value_parser = duration::validity)]
    expires: Option<Span>,
    #[command(flatten)]
    file: KeyFilePath,
}

#[derive(Args)]
struct KeyFilePath {
    /// The file of keys
    #[arg(long = "file", value_name = "FILE", default_value = "tokens.toml")]
    path: PathBuf,
}

impl Token {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        print(match self.command {
            TokenCommand::New(new) => new.run(server),
            TokenCommand::List { file } => list(&file.path),
            TokenCommand::Revoke { id, file } => revoke(&id, &file.path),
        })
    }
}

impl New {
    fn run(self, server: &AnyServer) -> Result<String, Message> {
        let subject = Subject::new(&self.subject).map_err(Message::new)?;
        let scopes = self.scopes.iter().flat_map(|scopes| scopes.split_whitespace()).map(Scope::new);
        let scopes = scopes.collect::<Result<Vec<_>, _>>().map_err(Message::new)?;
        let now = Timestamp::now();
        let expires = self.expires.map(|validity| expiry(now, validity)).transpose()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|error| Message::new(format!("the system has no random bytes: {error}")))?;
        let key = format!("{KEY_PREFIX}{}", BASE64.encode(secret));
        let created = Some(KeyTime::new(now));
        let entry = KeyEntry { subject, scopes, hash: TokenHash::of(&key), created, expires };
        change(&self.file.path, |text| keyfile::with(text, &entry))?;
        describe(server, &entry, &self.file.path);
        Ok(format!("{key}\n"))
    }
}

/// Describes a new key on stderr, because stdout has the key and nothing else.
fn describe(server: &AnyServer, entry: &KeyEntry, path: &Path) {
    let validity = entry.expires.map_or("does not expire".to_owned(), |expires| format!("expires {expires}"));
    let (id, subject) = (entry.hash.id(), entry.subject.as_str());
    stderr::line(format_args!("added key `{id}` of `{subject}` to {}: it {validity}", path.display()));
    stderr::line(
        "The key is not stored and cannot be printed again. Send a running server SIGHUP to load it.",
    );
    for (scope, nearest) in server.idle_scopes(entry.scopes.iter().map(Scope::as_str)) {
        let suggestion = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        stderr::line(format_args!("warning: no tool needs `{}`{suggestion}", text::shown(scope)));
    }
}

fn list(path: &Path) -> Result<String, Message> {
    let mut rows = vec![["KEY", "SUBJECT", "SCOPES", "CREATED", "EXPIRES"].map(str::to_owned)];
    for entry in read(path)? {
        let scopes: Vec<&str> = entry.scopes.iter().map(Scope::as_str).collect();
        let time =
            |time: Option<KeyTime>, without: &str| time.map_or(without.to_owned(), |at| at.to_string());
        let is_expired = entry.expires.is_some_and(|expires| expires <= KeyTime::new(Timestamp::now()));
        let expires = time(entry.expires, "never") + if is_expired { " (expired)" } else { "" };
        rows.push([
            entry.hash.id(),
            entry.subject.as_str().to_owned(),
            if scopes.is_empty() { "-".to_owned() } else { scopes.join(" ") },
            time(entry.created, "-"),
            expires,
        ]);
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    Ok(rows.iter().map(line).collect())
}

fn revoke(id: &str, path: &Path) -> Result<String, Message> {
    let entries = read(path)?;
    let matching: Vec<&KeyEntry> =
        entries.iter().filter(|entry| !id.is_empty() && entry.hash.to_string().starts_with(id)).collect();
    let entry = match matching[..] {
        [entry] => entry,
        [] => {
            let fact = format!("`{}` has no key with the id `{}`", path.display(), text::shown(id));
            return Err(Message::new(fact).help("`token list` prints the ids"));
        }
        _ => {
            let fact = format!("more than one id starts with `{}`", text::shown(id));
            return Err(Message::new(fact).help("write more digits of the id"));
        }
    };
    change(path, |text| keyfile::without(text, &entry.hash))?;
    stderr::line("A running server accepts the key until it reads the file again: send it SIGHUP.");
    Ok(format!("revoked {} of {}\n", entry.hash.id(), entry.subject.as_str()))
}

fn expiry(now: Timestamp, validity: Span) -> Result<KeyTime, Message> {
    let expiry = now.to_zoned(TimeZone::UTC).checked_add(validity);
    let expiry = expiry.map_err(|_| Message::new("`--expires` ends after the year 9999"))?;
    Ok(KeyTime::new(expiry.timestamp()))
}

fn read(path: &Path) -> Result<Vec<KeyEntry>, Message> {
    let text = fs::read_to_string(path).map_err(|error| read_error(path, &error))?;
    keyfile::entries(&text).map_err(|error| parse_error(path, &error))
}

fn read_error(path: &Path, error: &io::Error) -> Message {
    Message::failure(&format!("the token file `{}` cannot be read", path.display()), error)
}

fn parse_error(path: &Path, error: &KeyFileError) -> Message {
    Message::new(format!("the token file `{}` cannot be parsed", path.display()))
        .note(error.to_string())
        .help("correct that line; the file was not changed")
}

/// Changes the file in one step: a reader sees either the old text or the new one, and no concurrent change is lost.
fn change(path: &Path, change: impl FnOnce(&str) -> Result<String, KeyFileError>) -> Result<(), Message> {
    // If the path is a link, the file behind it is changed and the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write_error = |error: io::Error| {
        Message::failure(&format!("the token file `{}` cannot be written", path.display()), &error)
    };
    let _lock = lock(folder).map_err(write_error)?;
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(read_error(path, &error)),
    };
    let new = change(&old).map_err(|error| parse_error(path, &error))?;
    write(path, folder, &new).map_err(write_error)
}

/// Writes a new file beside the old one and renames it. The mode is that of the old file, or 0600.
fn write(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(path) {
        file.as_file().set_permissions(old.permissions())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt as _, fchown};
            // The server may run as another user than the one who creates keys. Only root can change the owner.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Locks `folder` against other processes that change token files in it, until the result is dropped.
#[cfg(unix)]
fn lock(folder: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(folder)?;
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(folder)
}

#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<()> {
    Ok(())
}
