//! A server inside another program: built once, served over any streams, to several callers with grants of their own.

use std::sync::Arc;

use candor::{Revision, mcp_tool, testing::Client};
use candor_tests::fixture;
use serde_json::json;
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

#[tokio::test]
async fn one_server_serves_many_connections_over_any_stream() {
    let service = fixture::server().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        for grant in ["", "read:vault"] {
            let (read, write) = listener.accept().await.unwrap().0.into_split();
            tokio::spawn(service.clone().grant(grant).serve(read, write));
        }
    });
    for (allowed, revision) in [(false, None), (true, Some(Revision::V2025_06_18))] {
        let (read, write) = UnixStream::connect(&path).await.unwrap().into_split();
        let client = Client::connect(read, write, revision).await.unwrap();
        let expected = revision.unwrap_or(Revision::V2026_07_28);
        assert_eq!(client.revision().as_deref(), Some(expected.as_str()), "without one, the newest");
        assert_eq!(client.call("vault", json!({"shelf": 1})).await.is_ok(), allowed);
        client.close().await;
    }
    serving.await.unwrap();
}

#[tokio::test]
async fn what_is_no_server_is_an_error_for_the_client() {
    let (read, write) = tokio::io::split(tokio::io::join(tokio::io::empty(), tokio::io::sink()));
    assert!(Client::connect(read, write, Some(Revision::V2025_11_25)).await.is_err());
}

#[tokio::test]
async fn a_hundred_calls_at_once_have_an_answer_each() {
    let client = Arc::new(Client::of(fixture::server()).await);
    let mut calls = JoinSet::new();
    for number in 0..100_i64 {
        let client = Arc::clone(&client);
        calls.spawn(async move {
            let answer = client.call("add", json!({"a": number, "b": number})).await.unwrap();
            (number * 2, answer.structured)
        });
    }
    while let Some(done) = calls.join_next().await {
        let (sum, answered) = done.unwrap();
        assert_eq!(answered, Some(json!(sum)));
    }
}

#[test]
fn a_tool_is_still_the_function_it_was() {
    /// Double a number.
    #[mcp_tool(read_only, closed_world, public)]
    fn double(
        /// The number.
        number: i64,
    ) -> i64 {
        number * 2
    }
    assert_eq!(double(21), 42);
}
