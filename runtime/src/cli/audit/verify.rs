//! The command `audit verify`: reports what was changed in a log, and which changes it cannot detect.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::{ExistingLog, FoldersArg, plain, shown};
use crate::{
    audit::{
        hex_text,
        verify::{
            Checkpoint, Finding, LeftOutCounts, Location, RemovedBeginning, Verdict, VerifierKey, exported,
            read_key, verify,
        },
    },
    cli::{COULD_NOT, DONE, FAILED, fail, print_stdout},
    message::Message,
    server::AnyServer,
};

#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    folders: FoldersArg,
    /// A verifier key, or a file that contains one; may be repeated. The default is FOLDER.signing-key.pub
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// A file of checkpoints that were stored elsewhere: notes, or the stderr of `serve`; may be repeated
    #[arg(long = "checkpoints", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// The number of threads that read; the default is the number of processors
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
    /// Print JSON, one object for each log
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        self.verify(server).unwrap_or_else(|error| fail(&plain_lines(&error)))
    }

    fn verify(self, server: &AnyServer) -> Result<ExitCode, Message> {
        let logs = self.folders.existing(server)?;
        let exported = self.exported()?;
        let threads = self
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let mut worst = DONE;
        for ExistingLog { log, folder } in logs {
            let (keys, key_source) = keys(&self.keys, &log.usual_signing_key())?;
            let signing_key = self.signing_key().unwrap_or_else(|| log.usual_signing_key());
            let code = match verify(&folder, &keys, &exported, &signing_key, threads) {
                Ok(verdict) => {
                    let text = if self.json {
                        as_json(&folder, &verdict)
                    } else {
                        as_text(&folder, &verdict, &key_source)
                    };
                    print_stdout(&text);
                    if verdict.summary.findings.is_empty() { DONE } else { FAILED }
                }
                Err(error) => {
                    fail(&plain_lines(&error));
                    COULD_NOT
                }
            };
            // A finding is more serious than a log that cannot be read.
            worst = if worst == FAILED || code == DONE { worst } else { code };
        }
        Ok(ExitCode::from(worst))
    }

    /// Returns the signing key beside a file of a verifier key that was given. The key itself is not read.
    fn signing_key(&self) -> Option<PathBuf> {
        let files = self.keys.iter().map(Path::new).filter(|file| file.exists());
        let names = files.filter(|file| file.extension().is_some_and(|extension| extension == "pub"));
        names.map(|file| file.with_extension("")).next()
    }

    /// Reads the checkpoints that were stored elsewhere.
    fn exported(&self) -> Result<Vec<Checkpoint>, Message> {
        let mut all = Vec::new();
        for file in &self.checkpoints {
            let bytes = std::fs::read(file)
                .map_err(|error| Message::failure(&format!("`{}` cannot be read", shown(file)), &error))?;
            let checkpoints = exported(&String::from_utf8_lossy(&bytes));
            if checkpoints.is_empty() {
                return Err(Message::new(format!("found no checkpoint in `{}`", shown(file))));
            }
            all.extend(checkpoints);
        }
        Ok(all)
    }
}

/// Returns the keys to check with, and who named them.
pub(super) fn keys(arguments: &[String], signing: &Path) -> Result<(Vec<VerifierKey>, String), Message> {
    if arguments.is_empty() {
        let mut public = signing.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        return match read_key(&public) {
            Ok(text) => Ok((vec![key(&text)?], format!("the key in {}", shown(&public)))),
            Err(_) => Ok((Vec::new(), String::new())),
        };
    }
    let keys = arguments.iter().map(|argument| match std::fs::read_to_string(argument) {
        Ok(text) => key(&text),
        Err(_) => key(argument),
    });
    Ok((keys.collect::<Result<_, _>>()?, "the key that was given".to_owned()))
}

fn key(text: &str) -> Result<VerifierKey, Message> {
    VerifierKey::parse(text).ok_or_else(|| {
        Message::new(format!("`{}` is not a verifier key", crate::text::shown(text.trim())))
            .note("expected `NAME+ID+BASE64` (C2SP signed-note)")
            .help("`audit key new` prints one")
    })
}

fn as_text(folder: &Path, verdict: &Verdict, key_source: &str) -> String {
    let summary = &verdict.summary;
    let mut text = format!("{}: ", shown(folder));
    let wrong = summary.findings.len() as u64 + summary.unlisted;
    let _ = match wrong {
        0 => writeln!(text, "no change is found"),
        1 => writeln!(text, "this is not the log that was written"),
        more => writeln!(text, "this is not the log that was written: {more} findings"),
    };
    for Finding { at, what } in &summary.findings {
        let _ = writeln!(text, "  {}{}", at.map(location).unwrap_or_default(), plain(what));
    }
    if summary.unlisted > 0 {
        let _ = writeln!(text, "  and {} more", summary.unlisted);
    }
    let _ = writeln!(
        text,
        "  {} in {}, {} to {}, log {}",
        counted(summary.records, "record"),
        counted(summary.segments, "segment"),
        plain(&summary.first),
        plain(&summary.last),
        plain(&summary.log)
    );
    if let Some(removed) = &summary.removed {
        text += &removed_text(removed);
    }
    for note in notes(verdict) {
        let _ = writeln!(text, "  note: {note}");
    }
    if wrong == 0 {
        text += &assurance(verdict, key_source);
    }
    text
}

/// Says what retention removed.
fn removed_text(removed: &RemovedBeginning) -> String {
    let RemovedBeginning { removal, recorded, is_signed, left, digest } = removed;
    let days = removal.age / 86_400;
    let last = removal.records().saturating_sub(1);
    let mut text = format!(
        "  records 0 to {last} ({}, {} to {}) were removed by retention on {}, by {}: older than {days} d.\n  \
         The rest follows on from the last of them, whose digest is {}….\n  \
         The removal is recorded in record {recorded}, {}.\n",
        counted(removal.segments.into(), "segment"),
        plain(&removal.from),
        plain(&removal.to),
        plain(&removal.at),
        plain(&removal.by),
        &hex_text(digest)[..16],
        if *is_signed {
            "with a valid signature"
        } else {
            "without a signature that a key at hand can check"
        }
    );
    if *left > 0 {
        let _ = writeln!(
            text,
            "  note: this removal was interrupted, or goes on: {} are still there; the next start or `audit prune` removes them",
            counted((*left).into(), "segment")
        );
    }
    text
}

fn counted(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

/// The most gaps that are listed one by one.
const MAX_GAPS: usize = 5;

/// Says what it means that no change is found, and what it does not mean.
fn assurance(verdict: &Verdict, key_source: &str) -> String {
    let Verdict { summary, checkpoints, .. } = verdict;
    let Some(upto) = checkpoints.signed.max(checkpoints.exported_signed) else {
        return "  not signed, or no key to check it with: anyone who can write the files can write the whole log anew.\n  \
                A log that was written anew from some record on, or whose end was cut off, looks like this one.\n"
            .to_owned();
    };
    let (last, all) = (upto.saturating_sub(1), summary.next.saturating_sub(1));
    let mut text = format!("  signed up to record {last} of {all}, by {key_source}.\n");
    for gap in summary.gaps.iter().take(MAX_GAPS) {
        let _ = writeln!(
            text,
            "  Records {} to {} were not signed when a later start of the server found them: they may have been changed\n  \
             before that start.",
            gap.first, gap.last
        );
    }
    if let Some(more) = summary.gaps.len().checked_sub(MAX_GAPS).filter(|more| *more > 0) {
        let _ =
            writeln!(text, "  {more} other ranges of records were not signed either (`--json` lists them).");
    }
    let _ = match summary.gaps.last() {
        None => writeln!(text, "  Up to record {last}, nothing was changed without the signing key."),
        Some(gap) => writeln!(
            text,
            "  Since record {}, up to record {last}, nothing was changed without the signing key.",
            gap.last + 1
        ),
    };
    if upto < summary.next {
        text += "  The records after it are chained only.\n";
    }
    let _ = match (checkpoints.exported_signed, checkpoints.kept_signed) {
        (Some(_), _) => Ok(()),
        (None, Some(kept)) => writeln!(
            text,
            "  The checkpoint kept beside the signing key, up to record {}, agrees. A log whose end was cut off together with\n  \
             its checkpoints and this one looks like this log: compare with checkpoints that were stored elsewhere\n  \
             (`--checkpoints FILE`).",
            kept.saturating_sub(1)
        ),
        (None, None) => writeln!(
            text,
            "  A log whose end was cut off together with the end of its checkpoints looks like this one: compare with\n  \
             checkpoints that were stored elsewhere (`--checkpoints FILE`)."
        ),
    };
    text
}

fn location(at: Location) -> String {
    let seq = at.seq.map(|seq| format!(", seq {seq}")).unwrap_or_default();
    match at.line {
        0 => format!("segment {}{seq}: ", at.segment),
        line => format!("segment {}, line {line}{seq}: ", at.segment),
    }
}

/// Returns what is worth knowing about the log, and does not show a change.
fn notes(verdict: &Verdict) -> Vec<String> {
    let Verdict { summary, checkpoints, is_written, torn } = verdict;
    let mut notes = Vec::new();
    let mut note = |applies: bool, note: String| {
        if applies {
            notes.push(note);
        }
    };
    note(*is_written, "a process writes this log: its later records were not checked".to_owned());
    note(
        *torn > 0 && !is_written,
        format!("the last line is cut off ({torn} bytes), as by a crash; it was never acknowledged"),
    );
    note(
        !summary.stopped && !is_written,
        "the last record is not that of a stop: the process was killed, or the end is missing".to_owned(),
    );
    note(summary.unended > 0, format!("calls without an outcome: {}", summary.unended));
    let recovered = summary.recovered;
    note(recovered > 0, format!("ends that a crash cut off, and a restart set aside: {recovered}"));
    note(summary.left_out.records > 0, left_out(&summary.left_out));
    let unreached = checkpoints.out_of_reach;
    note(
        unreached > 0,
        format!("checkpoints of removed records, which cannot be compared with them any more: {unreached}"),
    );
    note(
        summary.steps_back > 0,
        format!("the clock stepped back {} times: the order is that of `seq`", summary.steps_back),
    );
    notes
}

/// Says how many records were left out, and what became of the calls that required them.
fn left_out(counts: &LeftOutCounts) -> String {
    let LeftOutCounts { records, unknown, intents, outcomes, others } = *counts;
    let mut text = format!("records that were left out: {records}");
    let parts = [
        (intents, "calls that must be recorded did not run"),
        (outcomes, "calls ran, and their results were withheld"),
        (others, "required records of refusals or questions"),
        (unknown, "of an earlier version, which did not count those that were required"),
    ];
    let mut separator = ": ";
    for (number, what) in parts.into_iter().filter(|(number, _)| *number > 0) {
        let _ = write!(text, "{separator}{number} {what}");
        separator = ", ";
    }
    if separator == ": " {
        text += ", none of them required";
    }
    text
}

fn as_json(folder: &Path, verdict: &Verdict) -> String {
    let Verdict { summary, checkpoints, .. } = verdict;
    let findings = summary.findings.iter().map(|Finding { at, what }| {
        let mut finding = json!({"what": what});
        if let Some(at) = at {
            finding["segment"] = at.segment.into();
            finding["line"] = at.line.into();
            finding["seq"] = at.seq.into();
        }
        finding
    });
    let gaps = summary.gaps.iter().map(|gap| json!({"first": gap.first, "last": gap.last}));
    let report = json!({
        "folder": folder.to_string_lossy(),
        "intact": summary.findings.is_empty(),
        "findings": findings.collect::<Vec<Value>>(),
        "findings_untold": summary.unlisted,
        "log": summary.log,
        "records": summary.records,
        "removed": summary.removed.as_ref().map(removed_json),
        "segments": summary.segments,
        "first": summary.first,
        "last": summary.last,
        "checkpoints": checkpoints.count,
        "checkpoints_of_removed_records": checkpoints.out_of_reach,
        "signed_records": checkpoints.signed,
        "signed_records_elsewhere": checkpoints.exported_signed,
        "signed_records_beside_key": checkpoints.kept_signed,
        "is_written": verdict.is_written,
        "torn_bytes": verdict.torn,
        "stopped": summary.stopped,
        "calls_without_outcome": summary.unended,
        "recovered": summary.recovered,
        "left_out": summary.left_out.records,
        "left_out_required": {
            "intents": summary.left_out.intents,
            "outcomes": summary.left_out.outcomes,
            "others": summary.left_out.others,
            "unknown": summary.left_out.unknown,
        },
        "unsigned": gaps.collect::<Vec<Value>>(),
        "clock_steps_back": summary.steps_back,
    });
    format!("{report}\n")
}

fn removed_json(removed: &RemovedBeginning) -> Value {
    let removal = &removed.removal;
    json!({
        "records": removal.records(),
        "segments": removal.segments,
        "from": removal.from,
        "to": removal.to,
        "removed": removal.at,
        "older_than_seconds": removal.age,
        "by": removal.by,
        "removals": removal.count,
        "last_digest": hex_text(&removed.digest),
        "recorded": removed.recorded,
        "signed": removed.is_signed,
        "segments_left": removed.left,
    })
}

fn plain_lines(error: &Message) -> String {
    error.to_string().lines().map(plain).collect::<Vec<_>>().join("\n")
}
