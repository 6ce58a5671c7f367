//! The command `audit prune`: removes old records from a log that no process writes.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{ExistingLog, FoldersArg, shown};
use crate::{
    audit::{
        AuditLog, OpenError, PRUNE, Planned, RecordWriter, RemovalPlan, RemovalWish, RemovedRecords, plan,
        rest,
        verify::{VerifierKey, read_key, verify},
    },
    cli::{COULD_NOT, DONE, duration, fail, print_stdout},
    message::Message,
    server::AnyServer,
};

#[derive(Args)]
pub(super) struct Prune {
    #[command(flatten)]
    folders: FoldersArg,
    /// Remove records that are older than this, for example `90d`; at least a day
    #[arg(long, value_name = "TIME", value_parser = duration::retention)]
    older_than: Duration,
    /// Only print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Sign the record of the removal with the key in this file, if it is not DIR.signing-key
    #[arg(long, value_name = "FILE")]
    audit_key: Option<PathBuf>,
}

impl Prune {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        let folders = match self.folders.existing(server) {
            Ok(logs) => {
                let with_key = |log: AuditLog| match &self.audit_key {
                    Some(key) => log.signing_key(key),
                    None => log,
                };
                let prune = |ExistingLog { log, folder }| self.prune(server, &with_key(log), &folder);
                logs.into_iter().map(prune).collect::<Vec<_>>()
            }
            Err(error) => vec![Err(error)],
        };
        let mut code = DONE;
        for result in folders {
            match result {
                Ok(text) => _ = print_stdout(&text),
                Err(error) => {
                    fail(&error);
                    code = COULD_NOT;
                }
            }
        }
        ExitCode::from(code)
    }

    fn prune(&self, server: &AnyServer, log: &AuditLog, folder: &Path) -> Result<String, Message> {
        let clock = server.config.clock();
        let name = shown(folder);
        let wish = RemovalWish { age: self.older_than, now: clock.since_1970(), by: PRUNE.to_owned() };
        let left = rest(folder)?.len();
        let planned = match plan(folder, &wish)? {
            Planned::Remove(plan) => Some(plan),
            Planned::Nothing(why) if left == 0 => {
                return Ok(format!("{name}: nothing is removed: {why}\n"));
            }
            Planned::Nothing(_) => None,
        };
        if self.dry_run {
            return Ok(match planned {
                Some(plan) => format!("{name}: would remove {}\n", described(&plan)),
                None => format!("{name}: would complete an interrupted removal: {left} segments\n"),
            });
        }
        verified(log, folder)?;
        let log = log.clone().prune(folder, self.older_than, clock);
        let mut handle = log.open(start()).map_err(OpenError::into_message)?;
        let removed = handle.removed();
        handle.stop();
        Ok(match removed? {
            Some(removed) => removed_text(&name, &removed),
            None => format!("{name}: nothing is removed\n"),
        })
    }
}

/// Returns the record of the start of this command.
fn start() -> RecordWriter {
    let mut record = RecordWriter::of("server");
    record.text("event", "start").text("command", "audit prune");
    record
}

fn removed_text(name: &str, removed: &RemovedRecords) -> String {
    let Some(plan) = &removed.plan else {
        return format!("{name}: completed an interrupted removal: {} segments\n", removed.files);
    };
    format!("{name}: removed {}\n", described(plan))
}

fn described(plan: &RemovalPlan) -> String {
    let RemovalPlan { removal, first, segments, bytes } = plan;
    format!(
        "records {first} to {} in {segments} {} ({} KiB), the newest of {}",
        removal.records().saturating_sub(1),
        if *segments == 1 { "segment" } else { "segments" },
        bytes.div_ceil(1024),
        removal.to
    )
}

/// Refuses a log that was changed: what is removed can no longer be examined.
fn verified(log: &AuditLog, folder: &Path) -> Result<(), Message> {
    let signing_key = log.usual_signing_key();
    let mut public = signing_key.clone().into_os_string();
    public.push(".pub");
    let key = read_key(Path::new(&public)).ok().and_then(|text| VerifierKey::parse(&text));
    let keys: Vec<_> = key.into_iter().collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let verdict = verify(folder, &keys, &[], &signing_key, threads)?;
    if verdict.is_written {
        return Err(Message::new(format!("a process writes the log in `{}`", shown(folder)))
            .note("only the process that writes a log can record a removal in it")
            .help("let the server remove old records itself: `serve --audit-retention 90d`, or `Server::audit_retention`")
            .help("or stop the server, and run `audit prune` again"));
    }
    let Some(finding) = verdict.summary.findings.first() else { return Ok(()) };
    let fact = format!("nothing is removed from `{}`: it is not the log that was written", shown(folder));
    Err(Message::new(fact)
        .note(super::plain(&finding.what))
        .help("keep the folder as evidence; `audit verify` lists what was changed"))
}
