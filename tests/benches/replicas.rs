//! Measures writes and replays of replicas that share a PostgreSQL database: `cargo bench -p candor-tests --bench replicas`,
//! or one part of it with its name after `--`: `durable`, `replay`.
//!
//! `CANDOR_TEST_POSTGRES` names the database, and nothing is measured without it. `durable` compares writes under a key each,
//! 64 callers at once over three replicas, with a bare loop of the same reservation and completion on 64 connections; the
//! same writes on `redb` stand beside it. `replay` compares a replayed call with a query for one row by the same driver, from
//! the same task: the store's part of the call, which is all that a replay from memory does not have, and the whole call.

use std::{
    ffi::OsString,
    fmt::Write as _,
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use candor::{KeyStore, Sandbox, Server, Service, mcp_tool, tools};
use candor_tests::{
    comparison::{bench_client::BenchClient, measurements},
    orders::META_KEY,
};
use tokio::runtime::Builder;
use tokio_postgres::{Client, NoTls};

const CALLERS: u64 = 64;
const REPLICAS: usize = 3;
const WRITES: u64 = 5_000;
const REPLAYS: u64 = 1_000;
const ROUNDS: usize = 3;

const RESERVE: &str = "\
    INSERT INTO bench.keys (deployment, key, caller, fingerprint, attempt, began, lease_end, repeatable, state, due) \
    VALUES (0, $1, $2, $2, $3, $4, $4::bigint + 60000, false, 0, $4::bigint + 60000) ON CONFLICT DO NOTHING RETURNING key";
const COMPLETE: &str = "\
    UPDATE bench.keys SET state = 1, ended = $3, result = $4, result_size = length($4::bytea), due = $3::bigint + 86400000 \
    WHERE deployment = 0 AND key = $1 AND attempt = $2 AND state = 0";
const POINT: &str = "SELECT state, result FROM bench.keys WHERE deployment = 0 AND key = $1";

/// Set a price.
#[mcp_tool(additive, closed_world, public)]
async fn set_price(
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$")]
    symbol: &str,
    /// The price in cents.
    cents: u32,
) -> u32 {
    let _ = symbol;
    cents
}

const ANSWER: &str = "66906";

/// Get a price.
#[mcp_tool(read_only, closed_world, public)]
async fn get_price(
    /// Ticker symbol, for example `AAPL`.
    symbol: &str,
) -> u32 {
    let _ = symbol;
    66_906
}

/// The parameters of a write.
fn set(run: u64, key: u64) -> String {
    let mut params = r#"{"name":"set_price","arguments":{"symbol":"AAPL","cents":66906}"#.to_owned();
    let _ = write!(params, r#","_meta":{{"{META_KEY}":"bench-{run:016x}-{key:012}"}}}}"#);
    params
}

/// A replica, with the key that all of them share if they share a store.
fn server(store: KeyStore, state_key: Option<&Path>) -> Service {
    let server =
        Server::new("bench", "1.0.0").sandbox(Sandbox::Off).tools(tools![get_price, set_price]).unaudited();
    let server = match state_key {
        Some(file) => server.state_key(file),
        None => server,
    };
    let store = store.max_keys_per_caller(u64::MAX).max_keys(u64::MAX);
    server.idempotency(store).build().expect("the store can be opened")
}

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let Ok(url) = std::env::var("CANDOR_TEST_POSTGRES") else {
        println!("nothing is measured: set CANDOR_TEST_POSTGRES to the address of a database");
        return;
    };
    for (part, run) in [("durable", durable as fn(&str)), ("replay", replay)] {
        let is_wanted = parts.is_empty() || parts.iter().any(|word| word == part);
        if measurements::is_benchmark_run() && is_wanted {
            run(&url);
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// Creates the tables of the store, those of the bare loop, and the key of the replicas, whose file it returns.
fn migrate(url: &str, folder: &Path) -> PathBuf {
    let migrate = ["bench", "store", "migrate", "--store", url];
    Server::new("bench", "1.0.0").main_from(migrate);
    let file = folder.join("state-key");
    let new_key =
        ["bench", "state-key", "new", "--file"].map(OsString::from).into_iter().chain([file.clone().into()]);
    Server::new("bench", "1.0.0").main_from(new_key);
    block_on(async {
        let client = connect(url).await;
        let tables = "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; \
            CREATE TABLE bench.keys (LIKE candor.keys INCLUDING ALL)";
        client.batch_execute(tables).await.expect("the tables can be created");
        let forget = "UPDATE candor.deployments SET state_key = NULL WHERE name = 'bench'";
        client.batch_execute(forget).await.expect("the key of the last run can be forgotten");
    });
    file
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database answers");
    tokio::spawn(connection);
    client
}

/// Runs `calls` by all callers at once. Returns the calls a second.
async fn rate<C, F: Future<Output = C> + Send + 'static>(
    callers: Vec<C>,
    calls: u64,
    call: impl Fn(C, u64) -> F + Clone + Send + 'static,
) -> f64
where
    C: Send + 'static,
{
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks = callers.into_iter().map(|mut caller| {
        let (next, call) = (Arc::clone(&next), call.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return;
                }
                caller = call(caller, number).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("every call is answered");
    }
    f64::from(u32::try_from(calls).expect("a number of calls")) / start.elapsed().as_secs_f64()
}

/// Connects all callers, each to the next service in turn.
async fn clients(services: &[Service]) -> Vec<BenchClient> {
    let mut clients = Vec::new();
    for service in services.iter().cycle().take(usize::try_from(CALLERS).expect("a number of callers")) {
        clients.push(BenchClient::declared(service.clone()).await);
    }
    clients
}

/// Makes writes under a key each. Returns the calls a second.
fn writes(services: &[Service], run: u64) -> f64 {
    let rate = block_on(async {
        rate(clients(services).await, WRITES, move |mut client: BenchClient, number| async move {
            let answer = client.request("tools/call", &set(run, number)).await;
            assert!(answer.contains(ANSWER) && !answer.contains("replayed"), "{answer}");
            client
        })
        .await
    });
    services.iter().for_each(Service::stop_keys);
    rate
}

/// Reserves and completes keys in a bare loop. Returns the pairs a second.
fn bare(url: &str, run: u64) -> f64 {
    block_on(async {
        let mut callers = Vec::new();
        for caller in 0..CALLERS {
            let client = connect(url).await;
            let reserve = client.prepare(RESERVE).await.expect("it can be prepared");
            let complete = client.prepare(COMPLETE).await.expect("it can be prepared");
            callers.push((client, reserve, complete, caller));
        }
        rate(callers, WRITES, move |(client, reserve, complete, caller), number| async move {
            let (key, of, attempt) =
                (digest(run, number), digest(1, caller), digest(2, number)[..16].to_vec());
            let now = 1_785_196_800_000_i64;
            client.query_one(&reserve, &[&key, &of, &attempt, &now]).await.expect("it is reserved");
            let result = ANSWER.as_bytes();
            let done = client.execute(&complete, &[&key, &attempt, &now, &result]).await;
            assert_eq!(done.expect("it is completed"), 1);
            (client, reserve, complete, caller)
        })
        .await
    })
}

fn digest(run: u64, number: u64) -> Vec<u8> {
    // Spread like a hash, so that the rows of the index are.
    let spread = (run ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    [spread, run.to_be_bytes(), number.to_be_bytes(), [0; 8]].concat()
}

fn durable(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let state_key = migrate(url, folder.path());
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let run = u64::from(std::process::id()) << 16 | round as u64;
        let before = bare(url, run << 1);
        let services: Vec<_> =
            (0..REPLICAS).map(|_| server(KeyStore::postgres(url), Some(&state_key))).collect();
        let replicas = writes(&services, run);
        drop(services);
        let bare = f64::midpoint(before, bare(url, run << 1 | 1));
        let keys = folder.path().join(format!("keys-{round}"));
        let redb = writes(&[server(KeyStore::at(keys), None)], run);
        println!(
            "{:24} three replicas: {replicas:6.0} calls/s   bare loop: {bare:6.0} calls/s   ratio: {:.2}   redb: {redb:6.0} calls/s",
            "durable writes",
            replicas / bare
        );
        ratios.push(replicas / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("durable writes           median ratio: {:.2} (at least 0.5)", ratios[ROUNDS / 2]);
}

/// The median times of one round.
struct ReplayTimes {
    /// A query for the row of a key, on a connection of its own.
    query: Duration,
    /// A call that reads, and needs no store.
    read: Duration,
    /// A replay from memory: all of it but the store.
    memory: Duration,
    /// A replay from the database.
    replay: Duration,
}

impl ReplayTimes {
    /// The whole call, in point queries.
    fn whole(&self) -> f64 {
        self.replay.as_secs_f64() / self.query.as_secs_f64()
    }

    /// The store's part of the call, in point queries.
    fn of_store(&self) -> f64 {
        (self.replay.as_secs_f64() - self.memory.as_secs_f64()) / self.query.as_secs_f64()
    }

    /// The part of the call that a read without a store does not have, in point queries.
    fn beyond_read(&self) -> f64 {
        (self.replay.as_secs_f64() - self.read.as_secs_f64()) / self.query.as_secs_f64()
    }
}

fn replay(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let state_key = migrate(url, folder.path());
    let run = u64::from(std::process::id()) << 20;
    let service = server(KeyStore::postgres(url), Some(&state_key));
    let in_memory = server(KeyStore::memory().accept_loss(), None);
    let (served, url) = (service.clone(), url.to_owned());
    // All in one task: the query and the calls begin on the same threads.
    let rounds = block_on(async move { tokio::spawn(replay_rounds(served, in_memory, url, run)).await });
    service.stop_keys();
    let mut rounds = rounds.expect("every call is answered");
    for round in &rounds {
        let ReplayTimes { query, read, memory, replay } = round;
        println!(
            "a replay                 {replay:9.1?}   from memory: {memory:9.1?}   a read: {read:9.1?}   \
             point query: {query:9.1?}   in queries: whole {:.2}, store {:.2}, beyond a read {:.2}",
            round.whole(),
            round.of_store(),
            round.beyond_read()
        );
    }
    let mut median = |of: fn(&ReplayTimes) -> f64| {
        rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&rounds[ROUNDS / 2])
    };
    println!(
        "a replay                 median: the store takes {:.2} point queries (at most 1.5); the whole call {:.2}, \
         {:.2} more than a read",
        median(ReplayTimes::of_store),
        median(ReplayTimes::whole),
        median(ReplayTimes::beyond_read)
    );
}

async fn replay_rounds(service: Service, in_memory: Service, url: String, run: u64) -> Vec<ReplayTimes> {
    let (call, read) = (set(run, 0), r#"{"name":"get_price","arguments":{"symbol":"AAPL"}}"#);
    let mut client = BenchClient::declared(service).await;
    let mut of_memory = BenchClient::declared(in_memory).await;
    for client in [&mut client, &mut of_memory] {
        client.request("tools/call", &call).await;
    }
    let bare = connect(&url).await;
    let key = digest(run, 0);
    let reserve = bare.prepare(RESERVE).await.expect("it can be prepared");
    bare.query(&reserve, &[&key, &key, &&key[..16], &0_i64]).await.expect("it is reserved");
    let point = bare.prepare(POINT).await.expect("it can be prepared");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut times: [Vec<Duration>; 4] = Default::default();
        // In turns, since the speed of the machine changes from one moment to the next.
        for _ in 0..REPLAYS {
            let start = Instant::now();
            bare.query_one(&point, &[&key]).await.expect("it is there");
            times[0].push(start.elapsed());
            let start = Instant::now();
            let answer = client.request("tools/call", read).await;
            times[1].push(start.elapsed());
            assert!(answer.contains(ANSWER), "{answer}");
            for (client, times) in [&mut of_memory, &mut client].into_iter().zip(&mut times[2..]) {
                let start = Instant::now();
                let answer = client.request("tools/call", &call).await;
                times.push(start.elapsed());
                assert!(answer.contains("replayed"), "{answer}");
            }
        }
        let [query, read, memory, replay] = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2]
        });
        rounds.push(ReplayTimes { query, read, memory, replay });
    }
    rounds
}
