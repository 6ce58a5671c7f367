//! The command `audit show`: prints records, a line each for people or as JSON for programs.

use std::{
    cell::Cell,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{
    FoldersArg,
    filter::FilterArgs,
    merged_logs::MergedLogs,
    printer::{Listing, Printer},
};
use crate::{
    cli::{DONE, FAILED, fail},
    message::Message,
    server::AnyServer,
};

/// The time between two looks at a log that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    folders: FoldersArg,
    #[command(flatten)]
    filter: FilterArgs,
    /// Go on with new records as they are written
    #[arg(long, short)]
    follow: bool,
    /// Print the records as they are written, a line of JSON each, but a read with its caller
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self, server: &AnyServer) -> ExitCode {
        self.show(server).unwrap_or_else(|error| fail(&error))
    }

    fn show(self, server: &AnyServer) -> Result<ExitCode, Message> {
        let logs = self.folders.existing(server)?;
        let listing = Listing {
            filter: self.filter.filter()?,
            json: self.json,
            names_replica: logs.len() > 1,
            has_title: Cell::default(),
        };
        let mut printers: Vec<_> = logs.iter().map(|_| Printer::new(&listing)).collect();
        let mut logs = MergedLogs::new(&logs);
        let mut out = io::BufWriter::new(io::stdout().lock());
        loop {
            let mut read = logs.read(|log, line| printers[log].print(line, &mut out));
            if !self.follow {
                read =
                    read.and_then(|()| printers.iter_mut().try_for_each(|printer| printer.finish(&mut out)));
            }
            match read.and_then(|()| out.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::from(DONE)),
                Err(error) => return Err(Message::failure("the log cannot be read", &error)),
            }
            if !self.follow {
                break;
            }
            std::thread::sleep(FOLLOW_INTERVAL);
        }
        let wrong: u64 = printers.iter().map(Printer::wrong_lines).sum();
        if wrong == 0 {
            return Ok(ExitCode::from(DONE));
        }
        let error = Message::new(format!("{wrong} lines are not records")).help("`audit verify` lists them");
        eprintln!("error: {error}");
        Ok(ExitCode::from(FAILED))
    }
}
