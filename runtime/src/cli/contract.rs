//! `lock`, `check` and `diff`: print the contract of this server, and compare it with what was published before.

mod base;
#[cfg(feature = "http")]
mod listing;

use std::{fs, path::PathBuf, process::ExitCode};

use super::{COULD_NOT, FAILED, fail, print_stdout};
use crate::{
    contract::{
        Approvals, ContractDiff, ContractReport, ContractVerdict, Lock, LockCheck, ReportFormat, Uncompared,
        check_locked, compare, lock,
    },
    message::Message,
    server::AnyServer,
};
use base::{Contract, ContractSource};
use clap::{Args, ValueEnum};

/// The lock in the current folder.
const DEFAULT_LOCK: &str = "tools.lock.json";

#[derive(Args)]
#[group(skip)]
pub(super) struct LockArgs {
    /// Write the lock to its file
    #[arg(long)]
    write: bool,
    /// The file of the lock
    #[arg(long, value_name = "FILE", default_value = DEFAULT_LOCK)]
    file: PathBuf,
}

#[derive(Args)]
#[group(skip)]
pub(super) struct CheckArgs {
    /// The file of the lock
    #[arg(long, value_name = "FILE", default_value = DEFAULT_LOCK)]
    file: PathBuf,
}

#[derive(Args)]
#[group(skip)]
pub(super) struct DiffArgs {
    /// The older contract: the file of a lock, a git revision that has the lock, or the URL of a running server
    #[arg(long, value_name = "FILE|REVISION|URL")]
    base: String,
    /// The newer contract, in the same forms; this program by default
    #[arg(long, value_name = "FILE|REVISION|URL")]
    head: Option<String>,
    /// The file of the lock, which a git revision is searched for and whose neighbour holds the approvals
    #[arg(long, value_name = "FILE", default_value = DEFAULT_LOCK)]
    file: PathBuf,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    format: DiffFormat,
    /// Accept the change with this fingerprint until the next release; repeatable
    #[arg(long, value_name = "FINGERPRINT", requires = "reason")]
    approve: Vec<String>,
    /// The reason to accept it
    #[arg(long, value_name = "TEXT", requires = "approve")]
    reason: Option<String>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DiffFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For test reports
    Junit,
    /// For code hosts (SARIF 2.1.0)
    Sarif,
    /// For a changelog, in Markdown
    Changelog,
}

impl DiffFormat {
    const fn of_report(self) -> ReportFormat {
        match self {
            Self::Text => ReportFormat::Text,
            Self::Json => ReportFormat::Json,
            Self::Junit => ReportFormat::Junit,
            Self::Sarif => ReportFormat::Sarif,
            Self::Changelog => ReportFormat::Changelog,
        }
    }
}

impl LockArgs {
    pub(super) fn run(&self, server: &AnyServer) -> ExitCode {
        let lock = match server.outline() {
            Ok(outline) => lock(&outline),
            Err(error) => return fail(&error),
        };
        if !self.write {
            return print_stdout(&lock);
        }
        match fs::write(&self.file, lock) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&Message::failure(
                &format!("the lock cannot be written to {}", self.file.display()),
                &error,
            )),
        }
    }
}

impl CheckArgs {
    pub(super) fn run(&self, server: &AnyServer) -> ExitCode {
        let generated = match server.outline() {
            Ok(outline) => lock(&outline),
            Err(error) => return fail(&error),
        };
        match check_locked(&generated, &self.file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(LockCheck::Outdated(message)) => {
                fail(&message);
                ExitCode::from(FAILED)
            }
            Err(LockCheck::Unusable(message)) => fail(&message),
        }
    }
}

impl DiffArgs {
    pub(super) fn run(&self, server: &AnyServer) -> ExitCode {
        let program = || match server.outline() {
            Ok(outline) => Ok(Contract::of_program(&outline)),
            Err(error) => {
                Err(Uncompared { id: "program-without-contract", message: Message::new(error.to_string()) })
            }
        };
        let base = ContractSource::named(&self.base).read(&self.file);
        let head = match &self.head {
            Some(head) => ContractSource::named(head).read(&self.file),
            None => program(),
        };
        match self.report(base, head) {
            Ok((code, report)) => {
                let printed = print_stdout(&report);
                if printed == ExitCode::SUCCESS { ExitCode::from(code) } else { printed }
            }
            Err(message) => fail(&message),
        }
    }

    /// Compares two contracts. Returns the exit code and the report.
    fn report(
        &self,
        base: Result<Contract, Uncompared>,
        head: Result<Contract, Uncompared>,
    ) -> Result<(u8, String), Message> {
        let mut approvals = Approvals::beside(&self.file)?;
        let names = (
            base.as_ref().map_or_else(|_| self.base.clone(), |base| base.shown.clone()),
            head.as_ref().map_or_else(|_| self.head.clone().unwrap_or_default(), |head| head.shown.clone()),
        );
        let comparison = base.and_then(|base| compared(&base.lock, &head?.lock));
        if let (Ok(comparison), [_, ..], Some(reason)) = (&comparison, self.approve.as_slice(), &self.reason)
        {
            approvals.add(&self.approve, reason, comparison)?;
        }
        let report = ContractReport {
            base: names.0,
            head: names.1,
            lock: self.file.display().to_string(),
            outcome: comparison.as_ref().map_err(Clone::clone),
            approvals: &approvals,
        };
        let code = match report.verdict() {
            ContractVerdict::Same | ContractVerdict::Compatible => super::DONE,
            ContractVerdict::Findings => FAILED,
            ContractVerdict::Uncompared => COULD_NOT,
        };
        Ok((code, report.write(self.format.of_report())))
    }
}

/// Compares two contracts if they are of one server.
fn compared(base: &Lock, head: &Lock) -> Result<ContractDiff, Uncompared> {
    if base.name == head.name {
        return Ok(compare(base, head));
    }
    let [base, head] = [base, head].map(|lock| crate::text::shown(&lock.name));
    Err(Uncompared {
        id: "lock-of-another-server",
        message: Message::new(format!("the contracts are of two servers, `{base}` and `{head}`"))
            .help("name the lock of this server, for example `--file prices.lock.json`"),
    })
}
