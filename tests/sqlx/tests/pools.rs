//! The recipe of "Pools, drivers and threads" (`candor::_guide::pools`) for sqlx: its pools are shared by a sandboxed tool
//! and one that writes, in both orders. A `testing::Client` fails a test in which a sandboxed tool starts a thread that
//! outlives the call.

use std::path::{Path, PathBuf};

use candor::{Revision, Server, State, mcp_tool, testing::Client, tools};
use serde_json::json;
use sqlx::{
    Executor as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

/// A pool whose connections can only read.
struct Reader(SqlitePool);

/// A pool whose connection can write.
struct Writer(SqlitePool);

#[derive(State)]
struct Database {
    #[state(read)]
    reader: Reader,
    #[state(write)]
    writer: Writer,
}

impl Database {
    async fn open(file: PathBuf) -> Result<Self, sqlx::Error> {
        // A connection that expires would be replaced by the tool that needs one next, on a thread of its sandbox.
        let pool = || SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None);
        let options = SqliteConnectOptions::new().filename(file);
        let writing = options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let writer = pool().min_connections(1).max_connections(1).connect_with(writing).await?;
        writer.execute("CREATE TABLE IF NOT EXISTS words (word TEXT NOT NULL)").await?;
        // Each connection has a thread. All of them start here.
        let reader = pool().min_connections(4).max_connections(4).after_connect(|connection, _| {
            // The first read opens the files of the WAL mode, which a sandboxed tool could not.
            Box::pin(async move { connection.execute("SELECT count(*) FROM words").await.map(drop) })
        });
        Ok(Self {
            reader: Reader(reader.connect_with(options.read_only(true)).await?),
            writer: Writer(writer),
        })
    }
}

/// Count the words.
#[mcp_tool(read_only, closed_world, public)]
async fn count(reader: &Reader) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM words").fetch_one(&reader.0).await
}

/// Add a word.
#[mcp_tool(additive, closed_world, public)]
async fn add(
    writer: &Writer,
    /// The word.
    word: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO words VALUES (?)").bind(word).execute(&writer.0).await.map(drop)
}

async fn database(folder: &Path) -> Client {
    let file = folder.join("words.db");
    let server = Server::new("words", "1").unaudited().without_idempotency();
    let server = server.state_with_async(|| Database::open(file)).tools(tools![count, add]);
    Client::to(server.build().unwrap(), Revision::V2026_07_28).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlx_pools_are_shared_by_sandboxed_and_other_tools_in_any_order() {
    for order in [["count", "add"], ["add", "count"]] {
        let folder = tempfile::tempdir().unwrap();
        let client = database(folder.path()).await;
        for tool in order.iter().cycle().take(6) {
            let arguments = if *tool == "add" { json!({"word": "ahoy"}) } else { json!({}) };
            let answer = client.call(tool, arguments).await.unwrap();
            assert!(!answer.is_error, "{tool}: {}", answer.text());
        }
        let counts: Vec<_> = (0..16).map(|_| client.call("count", json!({}))).collect();
        for count in counts {
            assert_eq!(count.await.unwrap().structured, Some(json!(3)));
        }
    }
}
