//! Decides which denied calls are recorded one by one, and counts the others for each caller and reason.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::record::RecordWriter;
use crate::tool::caller::Caller;

/// The most denials of one caller for one reason that are recorded one by one in a [`WINDOW`], so that a flood of calls does
/// not fill the disk.
const MAX_RECORDED_DENIALS: u64 = 32;
/// The most pairs of a caller and a reason in a window. The callers beyond are counted together.
const MAX_COUNTERS: usize = 128;
/// The most counts that wait for a record, as on a full disk.
const MAX_COUNTS: usize = 1_024;
const WINDOW: Duration = Duration::from_secs(1);

/// The denials of this window and those before.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<DenialWindow>);

#[derive(Debug, Default)]
struct DenialWindow {
    since: Option<Instant>,
    counters: HashMap<DenialKey, u64>,
    /// The denials of the windows before that were not recorded one by one.
    counted: HashMap<DenialKey, u64>,
}

/// A caller and the stage that refused it. Without a caller: those that were not authenticated, or those beyond the limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DenialKey {
    caller: Option<CallerName>,
    by: &'static str,
}

/// The issuer and the subject of a caller.
type CallerName = (Option<Arc<str>>, Arc<str>);

impl DenialWindow {
    /// Begins the next window if this one is over.
    fn turn(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() < WINDOW) {
            return;
        }
        self.since = Some(Instant::now());
        self.count();
    }

    /// Moves the counters to the counts, and leaves out the denials that were recorded.
    fn count(&mut self) {
        for (mut key, denials) in self.counters.drain() {
            if denials > MAX_RECORDED_DENIALS {
                if self.counted.len() >= MAX_COUNTS && !self.counted.contains_key(&key) {
                    key.caller = None;
                }
                *self.counted.entry(key).or_default() += denials - MAX_RECORDED_DENIALS;
            }
        }
    }
}

impl Denials {
    fn lock(&self) -> MutexGuard<'_, DenialWindow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this denial is recorded by itself. If not, it is counted.
    pub(super) fn admit(&self, caller: Option<&Arc<Caller>>, by: &'static str) -> bool {
        let name = |caller: &Arc<Caller>| (caller.issuer().map(Arc::from), Arc::from(caller.subject()));
        let mut key = DenialKey { caller: caller.map(name), by };
        let mut window = self.lock();
        window.turn();
        if window.counters.len() >= MAX_COUNTERS && !window.counters.contains_key(&key) {
            key.caller = None;
        }
        let denials = window.counters.entry(key).or_default();
        *denials += 1;
        *denials <= MAX_RECORDED_DENIALS
    }

    /// Takes the counts of the windows that are over, or all of them when the log ends.
    pub(super) fn take(&self, ends: bool) -> HashMap<DenialKey, u64> {
        let mut window = self.lock();
        if window.counters.is_empty() && window.counted.is_empty() {
            return HashMap::new();
        }
        window.turn();
        if ends {
            window.count();
        }
        mem::take(&mut window.counted)
    }

    /// Adds counts again that could not be recorded.
    pub(super) fn put_back(&self, counted: HashMap<DenialKey, u64>) {
        let mut window = self.lock();
        for (key, denials) in counted {
            *window.counted.entry(key).or_default() += denials;
        }
    }
}

/// Returns the record of denials that were only counted: a count for each caller and reason.
pub(super) fn record(counted: &HashMap<DenialKey, u64>) -> RecordWriter {
    let mut lines: Vec<_> = counted.iter().collect();
    // The order of a map is random.
    lines.sort_by_key(|(key, _)| (key.by, key.caller.clone()));
    let lines = lines.into_iter().map(|(key, denials)| {
        let mut line = RecordWriter::default();
        if let Some((issuer, subject)) = &key.caller {
            if let Some(issuer) = issuer {
                line.caller_text("iss", issuer);
            }
            line.caller_text("sub", subject);
        }
        line.text("denied_by", key.by).number("denials", *denials);
        line
    });
    let mut record = RecordWriter::of("server");
    record.text("event", "denied_more").objects("denied", lines);
    record
}

#[cfg(test)]
mod tests {
    use crate::audit::write::denials::*;

    fn caller(subject: &str) -> Arc<Caller> {
        Arc::new(Caller::new(None, subject, [""; 0]))
    }

    #[test]
    fn flood_of_one_caller_hides_no_denial_of_another() {
        let denials = Denials::default();
        let (noisy, quiet) = (caller("noisy"), caller("quiet"));
        let recorded = (0..1_000).filter(|_| denials.admit(Some(&noisy), "unknown_tool")).count() as u64;
        assert_eq!(recorded, MAX_RECORDED_DENIALS);
        assert!(denials.admit(Some(&quiet), "scope") && denials.admit(Some(&noisy), "scope"));
        let counted = denials.take(true);
        let text = String::from_utf8(record(&counted).bytes().to_vec()).unwrap();
        let line = format!(
            r#""denied":[{{"sub":"noisy","denied_by":"unknown_tool","denials":{}}}]"#,
            1_000 - recorded
        );
        assert!(text.ends_with(&line), "{text}");
        denials.put_back(counted);
        assert_eq!(denials.take(true).len(), 1);
        assert!(denials.take(true).is_empty());
    }

    #[test]
    fn denials_of_many_callers_take_bounded_memory_and_are_all_counted() {
        let denials = Denials::default();
        let mut recorded = 0;
        for number in 0..10_000 {
            recorded += u64::from(denials.admit(Some(&caller(&number.to_string())), "rate"));
        }
        assert!(denials.lock().counters.len() <= MAX_COUNTERS + 1);
        let counted: u64 = denials.take(true).values().sum();
        assert_eq!(recorded + counted, 10_000);
    }
}
