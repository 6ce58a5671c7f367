//! Writes audit logs of many calls at chosen times, in the form and with the chain of Candor's own writer.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use jiff::Timestamp;

use crate::{
    forged_log::{make, private_file, record, segment_members},
    log::segment,
};

/// The first moment of the logs that [`thirty_days`] describes.
pub const FIRST_DAY: &str = "2026-10-31T00:00:00Z";
/// The number of their days.
pub const DAYS: i64 = 30;
/// The number of days before the one on which `bulk_export` changes.
pub const CHANGED_DAY: i64 = 20;
/// A new segment begins at this size.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// One call.
#[derive(Clone, Copy)]
pub struct LoggedCall<'a> {
    /// The time of its end, in microseconds since 1970.
    pub at: i64,
    /// The name of the tool, as it stands in a JSON string.
    pub tool: &'a str,
    /// Whether the tool's audit is `required`: an intent and an outcome in place of one short record.
    pub is_required: bool,
    /// The duration in microseconds.
    pub us: u64,
    /// The reason of its error, if it failed.
    pub error: Option<&'a str>,
    /// The reason why it was denied, if it did not run.
    pub denied_by: Option<&'a str>,
}

/// Writes a log of these calls. Returns the number of its records.
pub fn write<'a>(folder: &Path, calls: impl IntoIterator<Item = LoggedCall<'a>>) -> u64 {
    make(folder);
    let mut log = LogFile::new(folder);
    for (number, call) in calls.into_iter().enumerate() {
        let ts = format!("{:.6}", Timestamp::from_microsecond(call.at).expect("a time of this era"));
        log.call(number, &ts, &call);
    }
    log.file.expect("there was a call").flush().expect("the disk has room");
    log.seq
}

/// Describes `count` calls of six tools over thirty days. From day 20 on, `bulk_export` takes twice as long and fails one
/// call in twenty; before, it fails one in five hundred. Nothing else changes.
pub fn thirty_days(count: usize) -> impl Iterator<Item = LoggedCall<'static>> {
    /// A tool, whether its audit is `required`, its median in microseconds, one error in so many calls, and its share.
    const TOOLS: [(&str, bool, f64, u64, u32); 6] = [
        ("get_stock_price", false, 1_800.0, 1_000, 46),
        ("list_alerts", false, 950.0, 5_000, 22),
        ("set_alert", true, 4_200.0, 400, 12),
        ("price_history", false, 38_000.0, 300, 10),
        ("bulk_export", false, 420_000.0, 500, 8),
        ("clear_alerts", true, 6_100.0, 250, 2),
    ];
    let first: Timestamp = FIRST_DAY.parse().expect("a time");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let span = DAYS * 86_400_000_000;
    (0..count).map(move |number| {
        let offset =
            i64::try_from(i128::from(span) * number as i128 / count as i128).expect("within the span");
        let is_late = offset >= CHANGED_DAY * 86_400_000_000;
        let mut at = u32::try_from(random.below(100)).expect("below 100");
        let (tool, is_required, median, one_in, _) = TOOLS
            .into_iter()
            .find(|(.., share)| {
                let is_it = at < *share;
                at = at.saturating_sub(*share);
                is_it
            })
            .expect("the shares are 100");
        let is_changed = is_late && tool == "bulk_export";
        // Log-normal: most calls are near the median, and some take several times as long.
        let us = median * (0.35 * random.normal()).exp() * if is_changed { 2.0 } else { 1.0 };
        let one_in = if is_changed { 20 } else { one_in };
        let error = (random.below(one_in) == 0).then_some("timeout");
        let denied_by = match random.below(250) {
            0 => Some("scope"),
            1 if random.below(3) == 0 => Some("schema"),
            _ => None,
        };
        let us = whole(us);
        LoggedCall { at: first.as_microsecond() + offset, tool, is_required, us, error, denied_by }
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive duration below an hour"
)]
fn whole(us: f64) -> u64 {
    us as u64
}

/// Numbers that are the same in each run (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of the normal distribution, nearly: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        let even = |random: &mut Self| {
            f64::from(u32::try_from(random.below(1 << 24)).expect("24 bits")) / f64::from(1 << 24)
        };
        (0..12).map(|_| even(self)).sum::<f64>() - 6.0
    }
}

/// The log as it is written.
struct LogFile<'a> {
    folder: &'a Path,
    prev: [u8; 32],
    seq: u64,
    segment: u32,
    file: Option<BufWriter<File>>,
    bytes: usize,
    /// The tools whose context this segment has.
    contexts: Vec<String>,
}

const CALLER: &str =
    r#""caller":{"sub":"local","client":"host 1.0"},"transport":"stdio","protocol":"2026-07-28","scopes":"""#;
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl<'a> LogFile<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, prev: [0; 32], seq: 0, segment: 0, file: None, bytes: 0, contexts: Vec::new() }
    }

    fn call(&mut self, number: usize, ts: &str, call: &LoggedCall<'_>) {
        if self.file.is_none() || self.bytes > SEGMENT_BYTES {
            self.begin_segment(ts);
        }
        let tool = call.tool;
        let identity = format!(
            r#""call_id":"{number:032x}","tool":"{tool}","tool_digest":"{ZEROS}","effect":"read_only",{CALLER}"#
        );
        if let Some(by) = call.denied_by {
            let decision = format!(r#""decision":{{"verdict":"deny","denied_by":"{by}"}}"#);
            self.record(1, ts, &format!(r#""kind":"denied",{identity},{decision}"#));
        } else if call.is_required {
            let decision = r#""confirm":"not_needed","decision":{"verdict":"allow"}"#;
            self.record(1, ts, &format!(r#""kind":"intent",{identity},"args":{{}},{decision}"#));
            let status = if call.error.is_some() { "error" } else { "ok" };
            let mut outcome = format!(r#""status":"{status}","duration_us":{}"#, call.us);
            if let Some(reason) = call.error {
                let _ = write!(outcome, r#","reason":"{reason}""#);
            }
            let end = format!(
                r#""is_error":{},"result_digest":"sha256:{ZEROS}","result_bytes":20"#,
                call.error.is_some()
            );
            self.record(1, ts, &format!(r#""kind":"outcome",{identity},"outcome":{{{outcome},{end}}}"#));
        } else {
            let context = self.context(ts, tool);
            let end = match call.error {
                Some(reason) => format!(r#","status":"error","reason":"{reason}""#),
                None => String::new(),
            };
            let (us, result) = (call.us, format!(r#""result":"sha256:{ZEROS}","bytes":20"#));
            self.record(
                2,
                ts,
                &format!(
                    r#""kind":"read","context":{context},"tool":"{tool}","args":{{}}{end},"us":{us},{result}"#
                ),
            );
        }
    }

    /// Returns the number of the tool's context, and writes it once a segment.
    fn context(&mut self, ts: &str, tool: &str) -> usize {
        if let Some(at) = self.contexts.iter().position(|known| known == tool) {
            return at + 1;
        }
        self.contexts.push(tool.to_owned());
        let number = self.contexts.len();
        let members = format!(
            r#""kind":"server","event":"context","context":{number},"tool":"{tool}","tool_digest":"{ZEROS}","effect":"read_only",{CALLER}"#
        );
        self.record(1, ts, &members);
        number
    }

    fn begin_segment(&mut self, ts: &str) {
        if let Some(file) = &mut self.file {
            file.flush().expect("the disk has room");
        }
        self.segment += 1;
        self.file = Some(BufWriter::new(private_file(&segment(self.folder, self.segment))));
        self.bytes = 0;
        self.contexts.clear();
        self.record(1, ts, &segment_members(self.segment));
    }

    fn record(&mut self, version: u8, ts: &str, members: &str) {
        let body = format!(r#"{{"v":{version},"seq":{},"ts":"{ts}",{members}"#, self.seq);
        let line = record(&mut self.prev, &body);
        self.seq += 1;
        self.bytes += line.len();
        let file = self.file.as_mut().expect("a segment was begun");
        file.write_all(line.as_bytes()).expect("the disk has room");
    }
}
