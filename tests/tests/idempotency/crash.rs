//! Kills a server with `kill -9` between effects and stored results, under callers that retry every call until it is
//! answered: no call has its effect twice, and one that was answered has it once.
//!
//! `CANDOR_CRASH_ROUNDS` sets the number of kills; continuous integration sets 200.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use candor_tests::{
    messages::{initialize, request},
    orders::{META_KEY, META_REASON, read_effects},
};
use serde_json::{Value, json};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
const CALLERS: u64 = 32;
const DEFAULT_ROUNDS: u64 = 12;

/// The ids of calls with a large result begin here.
const LARGE_CALL: u64 = 1_000_000;
const LARGE_BYTES: u64 = 200_000;

/// The tools, of which one may be repeated.
const TOOLS: [&str; 2] = ["order", "put"];

struct Server {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(ORDERS)
            .env("ORDERS", folder.join("effects"))
            .args(["serve", "--quiet", "--audit"])
            .arg(folder.join("log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("it starts");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // The kill may cut off the last line.
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { child, stdin, lines };
        server.send(&initialize("2025-11-25"));
        server.lines.recv_timeout(Duration::from_secs(40)).expect("the server starts");
        server.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        server
    }

    fn send(&mut self, line: &str) {
        // The server may have been killed.
        let _ = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush());
    }
}

/// The key of a caller's call. The same key is sent until the call is answered.
fn key(call: u64) -> String {
    format!("call-{call:012}")
}

/// The callers: each has one call in flight, and sends it again until it has an answer.
struct Callers {
    /// The call of each caller.
    current: Vec<u64>,
    next: u64,
    /// The answers: the item, or the reason of a refusal.
    answers: BTreeMap<u64, Result<String, String>>,
}

impl Callers {
    fn send(server: &mut Server, call: u64) {
        let tool = TOOLS[usize::try_from(call % 2).unwrap()];
        let params = json!({"name": tool, "arguments": {"item": key(call)}, "_meta": {META_KEY: key(call)}});
        server.send(&request(&json!(call), "tools/call", params));
    }

    /// Reads an answer. Returns the call that is done.
    fn read(&mut self, line: &str) -> Option<u64> {
        let answer: Value = serde_json::from_str(line).ok()?;
        let (call, result) = (answer["id"].as_u64().filter(|call| *call < LARGE_CALL)?, &answer["result"]);
        if result["isError"] == true {
            let reason = result["_meta"][META_REASON].as_str().unwrap_or_else(|| panic!("{answer}"));
            if reason == "idempotency_in_progress" {
                return None;
            }
            self.answers.insert(call, Err(reason.to_owned()));
        } else {
            assert!(result["content"].is_array(), "{answer}");
            self.answers.insert(call, Ok(result["content"][0]["text"].to_string()));
        }
        Some(call)
    }

    /// Replaces a caller's call by its next one.
    fn advance(&mut self, call: u64) -> Option<u64> {
        let caller = self.current.iter_mut().find(|current| **current == call)?;
        *caller = self.next;
        self.next += 1;
        Some(*caller)
    }

    /// Keeps every caller busy for this long, then kills the server. `large` more calls have results which fill journals, so
    /// that keys move from one to the database.
    fn kill_under_load(&mut self, mut server: Server, load: Duration, large: u64) {
        let end = Instant::now() + load;
        // Twice, as a client does that lost patience: the two are one call.
        for call in self.current.clone() {
            Self::send(&mut server, call);
        }
        for call in 0..large {
            let id = LARGE_CALL + self.next * large + call;
            let params = json!({
                "name": "order_at_length", "arguments": {"bytes": LARGE_BYTES}, "_meta": {META_KEY: key(id)}
            });
            server.send(&request(&json!(id), "tools/call", params));
        }
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Ok(line) = server.lines.recv_timeout(left)
                && let Some(next) = self.read(&line).and_then(|call| self.advance(call))
            {
                Self::send(&mut server, next);
            }
        }
        server.child.kill().expect("it lives");
        server.child.wait().expect("it ends");
        // Answers that were written before the kill count.
        while let Ok(line) = server.lines.recv() {
            if let Some(call) = self.read(&line) {
                self.advance(call);
            }
        }
    }

    /// Sends what is open until all of it is answered.
    fn finish(&mut self, mut server: Server) {
        let mut open: BTreeSet<u64> = self.current.iter().copied().collect();
        for call in &open {
            Self::send(&mut server, *call);
        }
        while !open.is_empty() {
            let line = server.lines.recv_timeout(Duration::from_secs(40)).expect("every call is answered");
            if let Some(call) = self.read(&line) {
                open.remove(&call);
            }
        }
        drop(server.stdin);
        assert!(server.child.wait().expect("it ends").success());
    }
}

#[test]
fn killed_server_repeats_no_effect_and_forgets_no_answer() {
    let rounds =
        std::env::var("CANDOR_CRASH_ROUNDS").map_or(DEFAULT_ROUNDS, |rounds| rounds.parse().unwrap());
    let loads = |random: u64| Duration::from_micros(5_000 + random % 60_000);
    kill_and_compare(rounds, loads, 0);
}

#[test]
fn server_that_is_killed_while_keys_move_to_the_database_forgets_none() {
    // Results of 11 MB a round: more than a journal. All of them are kept.
    kill_and_compare(5, |random| Duration::from_micros(200_000 + random % 300_000), 55);
}

/// Kills servers under load, and compares the answers with the effects.
fn kill_and_compare(rounds: u64, load: impl Fn(u64) -> Duration, large: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand_seed(7);
    let mut callers = Callers { current: (0..CALLERS).collect(), next: CALLERS, answers: BTreeMap::new() };
    for _ in 0..rounds {
        callers.kill_under_load(Server::start(folder.path()), load(random()), large);
    }
    callers.finish(Server::start(folder.path()));

    let mut effects: BTreeMap<String, usize> = BTreeMap::new();
    let all = read_effects(&folder.path().join("effects"));
    for effect in all.into_iter().filter(|effect| effect != "at length") {
        *effects.entry(effect).or_default() += 1;
    }
    let (mut done, mut unknown) = (0, 0);
    for (call, answer) in &callers.answers {
        let count = effects.get(&key(*call)).copied().unwrap_or_default();
        let may_repeat = call % 2 == 1;
        match answer {
            Ok(_) if may_repeat => assert!(count >= 1, "call {call} was answered without its effect"),
            Ok(_) => assert_eq!(count, 1, "call {call}"),
            Err(reason) => {
                assert_eq!(
                    (reason.as_str(), may_repeat),
                    ("idempotency_outcome_unknown", false),
                    "call {call}"
                );
                assert!(count <= 1, "call {call} is unknown and had its effect {count} times");
                unknown += 1;
            }
        }
        done += usize::from(answer.is_ok());
    }
    assert_eq!(callers.answers.len() as u64, callers.next, "every call was answered");
    for (effect, count) in &effects {
        let call: u64 = effect.trim_start_matches("call-").parse().unwrap();
        assert!(*count == 1 || call % 2 == 1, "{effect} happened {count} times");
    }
    eprintln!("{rounds} kills: {done} calls done, {unknown} unknown, {} effects", effects.len());
    assert!(done as u64 > rounds, "there were calls to repeat");
    let size = fs::metadata(folder.path().join("log.keys/keys.redb")).unwrap().len();
    // Large results stay for a day. A move writes pages anew before it frees the old ones.
    assert!(size < (64 << 20) + 2 * rounds * large * LARGE_BYTES, "{size}");
}

/// A generator with a fixed seed, so that a failure can be repeated.
fn fastrand_seed(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
