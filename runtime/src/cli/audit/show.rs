//! The command `audit show`: prints records, a line each for people or as JSON for programs.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{FolderArg, filter::FilterArgs, printer::Printer};
use crate::{
    audit::verify::LogReader,
    cli::{DONE, FAILED, fail},
    message::Message,
    server::Server,
};

/// The time between two looks at a log that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    folder: FolderArg,
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
    pub(super) fn run<C>(self, server: &Server<C>) -> ExitCode {
        self.show(server).unwrap_or_else(|error| fail(&error))
    }

    fn show<C>(self, server: &Server<C>) -> Result<ExitCode, Message> {
        let (_, folders) = self.folder.existing(server)?;
        let (follow, json) = (self.follow, self.json);
        let filter = self.filter.filter()?;
        let mut logs: Vec<_> =
            folders.iter().map(|folder| (LogReader::new(folder), Printer::new(&filter, json))).collect();
        let mut out = io::BufWriter::new(io::stdout().lock());
        loop {
            for (reader, printer) in &mut logs {
                let read = reader.read(|line| printer.print(line, &mut out));
                let read = read.and_then(|()| if follow { Ok(()) } else { printer.finish(&mut out) });
                match read.and_then(|()| out.flush()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return Ok(ExitCode::from(DONE));
                    }
                    Err(error) => return Err(Message::new(format!("the log cannot be read: {error}"))),
                }
            }
            if !follow {
                break;
            }
            std::thread::sleep(FOLLOW_INTERVAL);
        }
        let wrong: u64 = logs.iter().map(|(_, printer)| printer.wrong_lines()).sum();
        if wrong == 0 {
            return Ok(ExitCode::from(DONE));
        }
        let error = Message::new(format!("{wrong} lines are not records")).help("`audit verify` lists them");
        eprintln!("error: {error}");
        Ok(ExitCode::from(FAILED))
    }
}
