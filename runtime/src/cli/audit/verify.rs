//! `audit verify`: what is wrong with a log, and what could not have been seen.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::{Folder, plain, shown};
use crate::{
    audit::{At, Finding, Verdict, VerifierKey, exported, verify},
    cli::{COULD_NOT, DONE, FAILED, fail, print_stdout},
    server::Server,
};

#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    folder: Folder,
    /// A verifier key, or a file of one; may be given again. Without it, FOLDER.signing-key.pub
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// A file of checkpoints that were kept elsewhere: notes, or the stderr of `serve`; may be given again
    #[arg(long = "checkpoints", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// How many threads read; as many as the machine has without
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
    /// Print JSON, an object for each log
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run<C>(self, server: &Server<C>) -> ExitCode {
        let (log, folders) = match self.folder.found(server) {
            Ok(found) => found,
            Err(error) => return fail(&error),
        };
        let (keys, whose) = match self.keys(&log.usual_signing_key()) {
            Ok(keys) => keys,
            Err(error) => return fail(&error),
        };
        let threads = self
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let mut worst = DONE;
        for folder in folders {
            let elsewhere = match self.elsewhere() {
                Ok(elsewhere) => elsewhere,
                Err(error) => return fail(&error),
            };
            let code = match verify(&folder, &keys, elsewhere, threads) {
                Ok(verdict) => {
                    let text = if self.json {
                        as_json(&folder, &verdict)
                    } else {
                        as_text(&folder, &verdict, &whose)
                    };
                    print_stdout(&text);
                    if verdict.sum.findings.is_empty() { DONE } else { FAILED }
                }
                Err(error) => {
                    fail(&plain_lines(&error));
                    COULD_NOT
                }
            };
            // What could not be read may hide what is wrong; what is wrong is wrong.
            worst = if worst == FAILED || code == DONE { worst } else { code };
        }
        ExitCode::from(worst)
    }

    /// The keys to check with, and whose word it is that they are the right ones.
    fn keys(&self, signing: &Path) -> Result<(Vec<VerifierKey>, String), String> {
        if self.keys.is_empty() {
            let mut public = signing.as_os_str().to_owned();
            public.push(".pub");
            let public = PathBuf::from(public);
            return match std::fs::read_to_string(&public) {
                Ok(text) => Ok((vec![key(&text)?], format!("the key in {}", shown(&public)))),
                Err(_) => Ok((Vec::new(), String::new())),
            };
        }
        let keys = self.keys.iter().map(|word| match std::fs::read_to_string(word) {
            Ok(text) => key(&text),
            Err(_) => key(word),
        });
        Ok((keys.collect::<Result<_, _>>()?, "the key that was given".to_owned()))
    }

    fn elsewhere(&self) -> Result<Vec<crate::audit::Checkpoint>, String> {
        let mut all = Vec::new();
        for file in &self.checkpoints {
            let bytes =
                std::fs::read(file).map_err(|error| format!("`{}` cannot be read: {error}", shown(file)))?;
            let found = exported(&String::from_utf8_lossy(&bytes));
            if found.is_empty() {
                return Err(format!("`{}` holds no checkpoint", shown(file)));
            }
            all.extend(found);
        }
        Ok(all)
    }
}

fn key(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text).ok_or_else(|| {
        format!(
            "`{}` is no verifier key\nnote: one reads `NAME+ID+BASE64` (C2SP signed-note)\nhelp: `audit key new` prints one",
            crate::text::shown(text.trim())
        )
    })
}

fn as_text(folder: &Path, verdict: &Verdict, whose: &str) -> String {
    let sum = &verdict.sum;
    let mut text = format!("{}: ", shown(folder));
    let wrong = sum.findings.len() as u64 + sum.untold;
    let _ = match wrong {
        0 => writeln!(text, "nothing wrong is found"),
        1 => writeln!(text, "this is not the log that was written"),
        more => writeln!(text, "this is not the log that was written: {more} findings"),
    };
    for Finding { at, what } in &sum.findings {
        let _ = writeln!(text, "  {}{}", at.map(place).unwrap_or_default(), plain(what));
    }
    if sum.untold > 0 {
        let _ = writeln!(text, "  and {} more", sum.untold);
    }
    let _ = writeln!(
        text,
        "  {} in {}, {} to {}, log {}",
        counted(sum.records, "record"),
        counted(sum.segments, "segment"),
        plain(&sum.first),
        plain(&sum.last),
        plain(&sum.log)
    );
    for note in notes(verdict) {
        let _ = writeln!(text, "  note: {note}");
    }
    if wrong == 0 {
        text += &worth(verdict, whose);
    }
    text
}

fn counted(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

/// What it means that nothing is wrong, and what it does not mean.
fn worth(verdict: &Verdict, whose: &str) -> String {
    let Verdict { sum, against, .. } = verdict;
    let Some(upto) = against.signed.max(against.exported_signed) else {
        return "  not signed, or no key to check it with: that nothing was changed holds against whoever could not write the\n  \
                whole log anew. A log that was written anew from some record on, or whose end was cut off, looks like this one.\n"
            .to_owned();
    };
    let mut text = format!(
        "  signed up to record {} of {}, by {whose}: up to there nothing was changed by anybody without the\n  \
         signing key. What came later is chained only.\n",
        upto.saturating_sub(1),
        sum.records.saturating_sub(1)
    );
    if against.exported_signed.is_none() {
        text += "  A log whose end was cut off together with the end of its checkpoints looks like this one: compare with\n  \
                 checkpoints that were kept elsewhere (`--checkpoints FILE`).\n";
    }
    text
}

fn place(at: At) -> String {
    let seq = at.seq.map(|seq| format!(", seq {seq}")).unwrap_or_default();
    match at.line {
        0 => format!("segment {}{seq}: ", at.segment),
        line => format!("segment {}, line {line}{seq}: ", at.segment),
    }
}

/// What is worth knowing, and no sign that anything was changed.
fn notes(verdict: &Verdict) -> Vec<String> {
    let sum = &verdict.sum;
    let mut notes = Vec::new();
    let mut note = |said: bool, note: String| {
        if said {
            notes.push(note);
        }
    };
    note(
        verdict.is_written,
        "a process writes this log: what it writes from now on was not looked at".to_owned(),
    );
    note(
        verdict.torn > 0 && !verdict.is_written,
        format!(
            "the last line is cut off ({} bytes), as a crash leaves it; it was never acknowledged",
            verdict.torn
        ),
    );
    note(
        !sum.stopped && !verdict.is_written,
        "the last record is not that of a stop: the process was killed, or the end is missing".to_owned(),
    );
    note(sum.unended > 0, format!("calls without an outcome: {}", sum.unended));
    note(sum.recovered > 0, format!("ends that a crash cut off, and a restart set aside: {}", sum.recovered));
    note(sum.left_out > 0, format!("records that were left out, none of them required: {}", sum.left_out));
    note(
        sum.steps_back > 0,
        format!("the clock stepped back {} times: the order is that of `seq`", sum.steps_back),
    );
    notes
}

fn as_json(folder: &Path, verdict: &Verdict) -> String {
    let Verdict { sum, against, .. } = verdict;
    let findings = sum.findings.iter().map(|Finding { at, what }| {
        let mut finding = json!({"what": what});
        if let Some(at) = at {
            finding["segment"] = at.segment.into();
            finding["line"] = at.line.into();
            finding["seq"] = at.seq.into();
        }
        finding
    });
    let report = json!({
        "folder": folder.to_string_lossy(),
        "intact": sum.findings.is_empty(),
        "findings": findings.collect::<Vec<Value>>(),
        "findings_untold": sum.untold,
        "log": sum.log,
        "records": sum.records,
        "segments": sum.segments,
        "first": sum.first,
        "last": sum.last,
        "checkpoints": against.checkpoints,
        "signed_records": against.signed,
        "signed_records_elsewhere": against.exported_signed,
        "is_written": verdict.is_written,
        "torn_bytes": verdict.torn,
        "stopped": sum.stopped,
        "calls_without_outcome": sum.unended,
        "recovered": sum.recovered,
        "left_out": sum.left_out,
        "clock_steps_back": sum.steps_back,
    });
    format!("{report}\n")
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}
