//! Kills a server with `kill -9` under a load of 64 calls at once and restarts it, many times: every answered call has its
//! two records, the log is intact, and a line that was cut off is set aside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    iter,
    panic::resume_unwind,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use candor_tests::{
    log,
    messages::{call, initialize},
};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");
const CALLERS: u64 = 64;
const LOGS: u64 = 10;
/// The number of rounds on one log, which is verified as a whole after each.
const ROUNDS_PER_LOG: u64 = 20;
/// A round waits for most of its time, so that others run meanwhile.
const LOGS_AT_ONCE: usize = 4;

struct Server {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Server {
    fn start(log: &Path) -> Self {
        let mut child = Command::new(LEDGER)
            .args(["serve", "--quiet", "--audit"])
            .arg(log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                // The kill may cut off the last line.
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { child, stdin, lines };
        server.send(&initialize("2025-11-25"));
        if server.lines.recv_timeout(Duration::from_secs(20)).is_err() {
            let _ = server.child.kill();
            let mut stderr = String::new();
            server.child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it is text");
            panic!("the server did not start: {stderr}");
        }
        server.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        server
    }

    fn send(&mut self, line: &str) {
        // The server may have been killed.
        let _ = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush());
    }

    /// Keeps 64 calls in flight for this long after the first answer, then kills the server. Returns the numbers whose calls
    /// were answered.
    fn kill_under_load(mut self, first: u64, load: Duration) -> BTreeSet<u64> {
        let mut next = first;
        let mut answered = BTreeSet::new();
        for _ in 0..CALLERS {
            self.enter(&mut next);
        }
        // On a busy machine, the first one may take longer than the load.
        collect(&self.lines.recv_timeout(Duration::from_secs(20)).expect("an answer"), &mut answered);
        self.enter(&mut next);
        let end = Instant::now() + load;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Ok(line) = self.lines.recv_timeout(left) {
                collect(&line, &mut answered);
                self.enter(&mut next);
            }
        }
        // SIGKILL.
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
        // Answers that were written before the kill count.
        while let Ok(line) = self.lines.recv() {
            collect(&line, &mut answered);
        }
        answered
    }

    /// Sends this many calls, closes stdin and waits for the end. Returns the numbers whose calls were answered.
    fn answer_and_stop(mut self, first: u64, calls: u64) -> BTreeSet<u64> {
        let mut next = first;
        for _ in 0..calls {
            self.enter(&mut next);
        }
        drop(self.stdin);
        let mut answered = BTreeSet::new();
        for line in &self.lines {
            collect(&line, &mut answered);
        }
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        answered
    }

    fn enter(&mut self, next: &mut u64) {
        self.send(&call(&json!(*next), "enter", json!({"n": *next})));
        *next += 1;
    }
}

fn collect(line: &str, answered: &mut BTreeSet<u64>) {
    let Ok(answer) = serde_json::from_str::<Value>(line) else { return };
    let n = answer["result"]["structuredContent"]["result"].as_u64();
    answered.insert(n.unwrap_or_else(|| panic!("{line}")));
}

/// Returns the numbers of the calls with an intent and an outcome.
fn recorded(log: &Path) -> BTreeSet<u64> {
    let mut begun: BTreeMap<String, u64> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    for record in log::records(log) {
        let id = record["call_id"].as_str().unwrap_or_default().to_owned();
        match record["kind"].as_str() {
            Some("intent") => {
                begun.insert(id, record["args"]["n"].as_u64().expect("numbers are not redacted"));
            }
            Some("outcome") => {
                ended.insert(begun[&id]);
            }
            _ => {}
        }
    }
    ended
}

fn verified(log: &Path) -> Value {
    let (code, report) = log::verified(LEDGER, log, &[]);
    assert_eq!(code, Some(0), "{report}");
    report
}

/// The results of the rounds on one log.
struct Rounds {
    answered: usize,
    /// The most calls without an outcome after a kill.
    unended: u64,
    signed: u64,
}

/// Kills a server of the log numbered `number` again and again. Every other log is signed.
fn kill_servers_of(log: &Path, number: u64) -> Rounds {
    if number.is_multiple_of(2) {
        let made = Command::new(LEDGER).args(["audit", "key", "new"]).arg(log).output();
        assert!(made.is_ok_and(|made| made.status.success()));
    }
    let mut random = Random(0x0005_eed1 + number);
    let mut rounds = Rounds { answered: 0, unended: 0, signed: 0 };
    for round in 0..ROUNDS_PER_LOG {
        let load = Duration::from_micros(2_000 + random.below(60_000));
        let answered = Server::start(log).kill_under_load(round * 1_000_000, load);
        let recorded = recorded(log);
        let lost: Vec<_> = answered.difference(&recorded).collect();
        assert!(lost.is_empty(), "log {number}, round {round}: answered and not recorded: {lost:?}");
        let report = verified(log);
        assert_eq!(report["intact"], true, "{report}");
        rounds.answered += answered.len();
        rounds.signed += u64::from(report["signed_records"].is_u64());
        rounds.unended = report["calls_without_outcome"].as_u64().unwrap().max(rounds.unended);
    }
    rounds
}

#[test]
fn answered_calls_have_their_records_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let next_log = AtomicU64::new(0);
    let kill_servers = || -> Vec<Rounds> {
        let numbers =
            iter::from_fn(|| Some(next_log.fetch_add(1, Ordering::Relaxed)).filter(|&number| number < LOGS));
        numbers.map(|number| kill_servers_of(&folder.path().join(format!("log-{number}")), number)).collect()
    };
    let rounds: Vec<Rounds> = thread::scope(|scope| {
        let threads: Vec<_> = iter::repeat_with(|| scope.spawn(kill_servers)).take(LOGS_AT_ONCE).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    // There were calls to lose, and some were in flight when the server was killed.
    let answered: usize = rounds.iter().map(|rounds| rounds.answered).sum();
    let unended = rounds.iter().map(|rounds| rounds.unended).max();
    assert!(answered > 1_000 && unended > Some(0), "{answered} {unended:?}");
    assert_eq!(rounds.iter().map(|rounds| rounds.signed).sum::<u64>(), LOGS * ROUNDS_PER_LOG / 2);
}

#[test]
fn start_sets_a_torn_last_line_aside() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    Server::start(&log).kill_under_load(0, Duration::from_millis(50));
    let path = log::segment(&log, 1);
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().rposition(|&byte| byte == b'\n').unwrap();
    let start = whole[..end].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for cut in [start + 1, start + 17, end - 70, end] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(verified(&log)["torn_bytes"], cut - start);
        // A second kill could cut off another line, so that this server is stopped in order.
        let answered = Server::start(&log).answer_and_stop(1_000, 100);
        assert_eq!(answered, (1_000..1_100).collect());
        let report = verified(&log);
        assert_eq!((&report["recovered"], &report["torn_bytes"]), (&json!(1), &json!(0)), "{report}");
        let aside: Vec<_> = fs::read_dir(&log)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("torn-before-"))
            .collect();
        assert_eq!(fs::read(&aside[0]).unwrap(), &whole[start..cut]);
        fs::remove_file(&aside[0]).unwrap();
    }
}

/// A generator with a fixed seed, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, max: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % max
    }
}
