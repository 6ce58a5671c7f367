//! A server inside another program: built once, and served over any streams to several callers with different grants.

use std::sync::Arc;

use candor::{Revision, mcp_tool, testing::Client};
use candor_tests::fixture;
use serde_json::json;
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

#[tokio::test]
async fn service_serves_several_connections_with_different_grants() {
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
        assert_eq!(
            client.revision().as_deref(),
            Some(expected.as_str()),
            "the newest revision is the default"
        );
        assert_eq!(client.call("vault", json!({"shelf": 1})).await.is_ok(), allowed);
        client.close().await;
    }
    serving.await.unwrap();
}

#[tokio::test]
async fn client_connect_to_a_closed_stream_fails() {
    let (read, write) = tokio::io::split(tokio::io::join(tokio::io::empty(), tokio::io::sink()));
    assert!(Client::connect(read, write, Some(Revision::V2025_11_25)).await.is_err());
}

#[tokio::test]
async fn hundred_concurrent_calls_each_get_their_answer() {
    let client = Arc::new(Client::of(fixture::server()).await);
    let mut calls = JoinSet::new();
    for number in 0..100_i64 {
        let client = Arc::clone(&client);
        calls.spawn(async move {
            let answer = client.call("add", json!({"a": number, "b": number})).await.unwrap();
            (number * 2, answer.structured)
        });
    }
    let results = calls.join_all().await;
    assert_eq!(results.len(), 100);
    for (sum, structured) in results {
        assert_eq!(structured, Some(json!(sum)));
    }
}

#[test]
fn tool_function_can_be_called_directly() {
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
