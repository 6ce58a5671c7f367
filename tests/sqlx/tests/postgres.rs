//! The recipe of "Pools, drivers and threads" (`candor::_guide::pools`) for sqlx on PostgreSQL, whose socket is in the folder
//! that `WORDS_SOCKET` names: `tests/sqlx/run` starts a server.

use candor::{Revision, Server, State, mcp_tool, testing::Client, tools};
use serde_json::json;
use sqlx::{
    Executor as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// A pool whose transactions can only read: the server of the database refuses the others, which no kernel sees.
struct Reader(PgPool);

/// A pool that can write.
struct Writer(PgPool);

#[derive(State)]
struct Database {
    #[state(read)]
    reader: Reader,
    #[state(write)]
    writer: Writer,
}

impl Database {
    async fn open(socket: String) -> Result<Self, sqlx::Error> {
        let options =
            PgConnectOptions::new_without_pgpass().socket(socket).username("words").database("postgres");
        let writer = PgPoolOptions::new().max_connections(2).connect_with(options.clone()).await?;
        writer.execute("CREATE TABLE IF NOT EXISTS words (word TEXT NOT NULL)").await?;
        writer.execute("TRUNCATE words").await?;
        let reading = options.options([("default_transaction_read_only", "on")]);
        let reader = PgPoolOptions::new().max_connections(4).connect_with(reading).await?;
        Ok(Self { reader: Reader(reader), writer: Writer(writer) })
    }
}

/// Count the words.
#[mcp_tool(read_only, closed_world, public)]
async fn count(reader: &Reader) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM words").fetch_one(&reader.0).await
}

/// Add a word, although this is declared to read.
#[mcp_tool(read_only, closed_world, public)]
async fn lie(reader: &Reader) -> Result<(), sqlx::Error> {
    reader.0.execute("INSERT INTO words VALUES ('a lie')").await.map(drop)
}

/// Add a word.
#[mcp_tool(additive, closed_world, public)]
async fn add(
    writer: &Writer,
    /// The word.
    word: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO words VALUES ($1)").bind(word).execute(&writer.0).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_pools_are_shared_by_sandboxed_and_other_tools_in_any_order() {
    let socket = std::env::var("WORDS_SOCKET").expect("`tests/sqlx/run` starts PostgreSQL");
    for order in [["count", "add"], ["add", "count"]] {
        let server = Server::new("words", "1").unaudited().without_idempotency();
        let socket = socket.clone();
        let server = server.state_with_async(|| Database::open(socket)).tools(tools![count, lie, add]);
        let client = Client::to(server.build().unwrap(), Revision::V2026_07_28).await;
        for tool in order.iter().cycle().take(6) {
            let arguments = if *tool == "add" { json!({"word": "ahoy"}) } else { json!({}) };
            let answer = client.call(tool, arguments).await.unwrap();
            assert!(!answer.is_error, "{tool}: {}", answer.text());
        }
        let lie = client.call("lie", json!({})).await.unwrap();
        assert!(lie.is_error && lie.text().contains("read-only transaction"), "{}", lie.text());
        // More at once than the pool has connections.
        let counts: Vec<_> = (0..16).map(|_| client.call("count", json!({}))).collect();
        for count in counts {
            assert_eq!(count.await.unwrap().structured, Some(json!(3)));
        }
    }
}
