//! Reads several logs line by line, in the order of their times.

use std::{collections::VecDeque, io};

use super::ExistingLog;
use crate::audit::verify::LogReader;

/// The member of a line that holds its time, which has always the same length.
const TIME_MEMBER: &[u8] = b"\"ts\":\"";
const LINE_TIME_BYTES: usize = "2026-11-21T12:00:00.000000Z".len();
/// The time is in this part of a line, after the version and the number of the record.
const TIME_WITHIN_BYTES: usize = 64;

type LineTime = [u8; LINE_TIME_BYTES];

/// Several logs.
pub(super) struct MergedLogs(Vec<MergedLog>);

struct MergedLog {
    reader: LogReader,
    /// The lines that were read and not handed on.
    lines: VecDeque<(LineTime, Vec<u8>)>,
    /// The latest time so far: within a log, lines keep their order although its clock stepped back.
    latest: LineTime,
}

impl MergedLogs {
    pub(super) fn new(logs: &[ExistingLog]) -> Self {
        let log = |log: &ExistingLog| MergedLog {
            reader: LogReader::new(&log.folder),
            lines: VecDeque::new(),
            latest: [0; LINE_TIME_BYTES],
        };
        Self(logs.iter().map(log).collect())
    }

    /// Calls `each` with the number of the log and the line, for every line that exists and was not read before.
    pub(super) fn read(&mut self, mut each: impl FnMut(usize, &[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            for log in &mut self.0 {
                log.fill()?;
            }
            let next = self.0.iter_mut().enumerate();
            let next = next.filter_map(|(at, log)| Some((log.lines.front()?.0, at, log)));
            let Some((_, at, log)) = next.min_by_key(|(time, at, _)| (*time, *at)) else { return Ok(()) };
            if let Some((_, line)) = log.lines.pop_front() {
                each(at, &line)?;
            }
        }
    }
}

impl MergedLog {
    /// Reads a few lines, unless there are some.
    fn fill(&mut self) -> io::Result<()> {
        let Self { reader, lines, latest } = self;
        while lines.is_empty() {
            let has_more = reader.read_some(&mut |line| {
                *latest = time(line).map_or(*latest, |time| time.max(*latest));
                lines.push_back((*latest, line.to_owned()));
                Ok(())
            })?;
            if !has_more {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the time of a line, if it has one.
fn time(line: &[u8]) -> Option<LineTime> {
    let begin = &line[..line.len().min(TIME_WITHIN_BYTES)];
    let at = memchr::memmem::find(begin, TIME_MEMBER)? + TIME_MEMBER.len();
    line.get(at..at + LINE_TIME_BYTES)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::audit::AuditLog;

    fn log(folder: &Path, name: &str, seconds: &[&str]) -> ExistingLog {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let line = |second: &&str| {
            format!("{{\"v\":1,\"seq\":1,\"ts\":\"2026-11-21T12:00:{second}.000000Z\",\"log\":\"{name}\"}}\n")
        };
        fs::write(folder.join("segment-00000001.jsonl"), seconds.iter().map(line).collect::<String>())
            .unwrap();
        ExistingLog { log: AuditLog::at(&folder), folder }
    }

    #[test]
    fn lines_of_several_logs_are_read_in_the_order_of_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let logs = [
            log(folder.path(), "a", &["01", "04", "06"]),
            log(folder.path(), "b", &["02", "05", "03", "07"]),
            log(folder.path(), "c", &[]),
        ];
        let mut merged = MergedLogs::new(&logs);
        let mut read = Vec::new();
        merged
            .read(|log, line| {
                let line = String::from_utf8(line.to_vec()).unwrap();
                read.push(format!(
                    "{}{}",
                    ["a", "b", "c"][log],
                    line.split(':').nth(5).unwrap().get(..2).unwrap()
                ));
                Ok(())
            })
            .unwrap();
        assert_eq!(read, ["a01", "b02", "a04", "b05", "b03", "a06", "b07"]);
        merged.read(|_, line| panic!("{line:?} was read twice")).unwrap();
    }
}
