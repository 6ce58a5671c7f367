//! `token`: API keys in a file of their hashes. The key itself is printed once, and stands nowhere.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use clap::{Args, Subcommand};
use jiff::{Span, Timestamp, tz::TimeZone};

use super::{duration, fail, print_stdout};
use crate::{
    access::keyfile::{self, Entry, Hash, PREFIX, Scope, Subject, Time},
    server::Server,
    text,
    tool::state::State,
};

#[derive(Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key, keep its hash in the file, and print it: once
    New(New),
    /// List the keys of the file: never the keys themselves
    List {
        #[command(flatten)]
        file: File,
    },
    /// Take a key out of the file
    Revoke {
        /// The key's name in `token list`, or enough of it to tell
        id: String,
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args)]
struct New {
    /// Who will call with it; limits and the audit log go by this name
    #[arg(long)]
    subject: String,
    /// Scopes of the key, parted by spaces; may be given again
    #[arg(long = "scope", value_name = "SCOPES")]
    scopes: Vec<String>,
    /// How long the key is valid, for example `90d`, `12h` or `1y`; without it, the key does not expire
    #[arg(long, value_name = "TIME", value_parser = duration::validity)]
    expires: Option<Span>,
    #[command(flatten)]
    file: File,
}

#[derive(Args)]
struct File {
    /// The file of keys
    #[arg(long = "file", value_name = "FILE", default_value = "tokens.toml")]
    path: PathBuf,
}

impl Token {
    pub(super) fn run<C: State>(self, server: &Server<C>) -> ExitCode {
        let ran = match self.command {
            Command::New(new) => new.run(server),
            Command::List { file } => list(&file.path),
            Command::Revoke { id, file } => revoke(&id, &file.path),
        };
        match ran {
            Ok(text) => print_stdout(&text),
            Err(error) => fail(&error),
        }
    }
}

impl New {
    fn run<C: State>(self, server: &Server<C>) -> Result<String, String> {
        let subject = Subject::new(&self.subject)?;
        let scopes = self.scopes.iter().flat_map(|scopes| scopes.split_whitespace()).map(Scope::new);
        let scopes = scopes.collect::<Result<Vec<_>, _>>()?;
        let now = Timestamp::now();
        let expires = self.expires.map(|validity| expiry(now, validity)).transpose()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        let key = format!("{PREFIX}{}", BASE64.encode(secret));
        let created = Some(Time::new(now));
        let entry = Entry { subject, scopes, hash: Hash::of(&key), created, expires };
        change(&self.file.path, |text| keyfile::with(text, &entry))?;
        remarks(server, &entry, &self.file.path);
        Ok(format!("{key}\n"))
    }
}

/// What is worth knowing of a new key, on stderr: stdout is the key alone.
fn remarks<C: State>(server: &Server<C>, entry: &Entry, path: &Path) {
    let until = entry.expires.map_or("for ever".to_owned(), |expires| format!("until {expires}"));
    eprintln!("key `{}` of `{}`, {until}, in {}", entry.hash.id(), entry.subject.as_str(), path.display());
    eprintln!("It is printed this once. A server that runs reads the file again on SIGHUP.");
    for (scope, meant) in server.idle_scopes(entry.scopes.iter().map(Scope::as_str)) {
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        eprintln!("warning: no tool needs `{}`{meant}", text::shown(scope));
    }
}

fn list(path: &Path) -> Result<String, String> {
    let mut rows = vec![["KEY", "SUBJECT", "SCOPES", "CREATED", "EXPIRES"].map(str::to_owned)];
    for entry in read(path)? {
        let scopes: Vec<&str> = entry.scopes.iter().map(Scope::as_str).collect();
        let time = |time: Option<Time>, without: &str| time.map_or(without.to_owned(), |at| at.to_string());
        let gone = entry.expires.is_some_and(|expires| expires <= Time::new(Timestamp::now()));
        let expires = time(entry.expires, "never") + if gone { " (expired)" } else { "" };
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

fn revoke(id: &str, path: &Path) -> Result<String, String> {
    let all = read(path)?;
    let named: Vec<&Entry> =
        all.iter().filter(|entry| !id.is_empty() && entry.hash.to_string().starts_with(id)).collect();
    let entry = match named[..] {
        [entry] => entry,
        [] => {
            let known = format!("no key of `{}` is called `{}`", path.display(), text::shown(id));
            return Err(format!("{known}\nhelp: `token list` names them"));
        }
        _ => return Err(format!("`{id}` is the beginning of more than one key\nhelp: write more of it")),
    };
    change(path, |text| keyfile::without(text, &entry.hash))?;
    eprintln!("A server that runs reads the file again on SIGHUP, and takes the key until then.");
    Ok(format!("revoked {} of {}\n", entry.hash.id(), entry.subject.as_str()))
}

fn expiry(now: Timestamp, validity: Span) -> Result<Time, String> {
    let expiry = now.to_zoned(TimeZone::UTC).checked_add(validity);
    let expiry = expiry.map_err(|_| "`--expires` ends after the year 9999".to_owned())?;
    Ok(Time::new(expiry.timestamp()))
}

fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let text = fs::read_to_string(path).map_err(|error| unread(path, &error))?;
    keyfile::entries(&text).map_err(|error| misunderstood(path, &error))
}

fn unread(path: &Path, error: &io::Error) -> String {
    format!("the token file `{}` cannot be read: {error}", path.display())
}

fn misunderstood(path: &Path, error: &keyfile::Unreadable) -> String {
    format!(
        "the token file `{}` is not understood\nnote: {error}\nhelp: mend it; it is as it was",
        path.display()
    )
}

/// Changes the file in one step: whoever reads it sees all of the old or all of the new, and two who change it at once
/// both get their way.
fn change(
    path: &Path,
    change: impl FnOnce(&str) -> Result<String, keyfile::Unreadable>,
) -> Result<(), String> {
    // What a link points to is changed, and not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritten =
        |error: io::Error| format!("the token file `{}` cannot be written: {error}", path.display());
    let _alone = alone(folder).map_err(unwritten)?;
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unread(path, &error)),
    };
    let new = change(&old).map_err(|error| misunderstood(path, &error))?;
    write(path, folder, &new).map_err(unwritten)
}

/// Writes the file anew beside itself (mode 0600 unless it has another), and puts it in its place.
fn write(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(path) {
        file.as_file().set_permissions(old.permissions())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt as _, fchown};
            // Whoever serves may be another user than whoever makes keys. Only root can give a file away.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Waits until nobody else changes files of this kind in `folder`, and keeps them off until dropped.
#[cfg(unix)]
fn alone(folder: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(folder)?;
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(folder)
}

#[cfg(not(unix))]
fn alone(_: &Path) -> io::Result<()> {
    Ok(())
}
