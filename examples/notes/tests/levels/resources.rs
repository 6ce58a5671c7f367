//! Level two: notes as resources, subscriptions to them, and the prompt.

#![allow(deprecated, reason = "before 2026-07-28, clients subscribe to one resource at a time")]

use std::time::Duration;

use candor::{
    Revision,
    rmcp::{
        Peer, RoleClient, ServiceError,
        model::{
            GetPromptRequestParams, ReadResourceRequestParams, ServerNotification, SubscribeRequestParams,
            SubscriptionFilter, UnsubscribeRequestParams,
        },
    },
    testing::{Client, ClientBuilder},
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use crate::client::service;

/// The time for which a test waits for a message.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The time after which a message counts as not sent.
const SILENCE: Duration = Duration::from_millis(300);

fn value(model: impl serde::Serialize) -> Value {
    serde_json::to_value(model).unwrap()
}

async fn read(peer: &Peer<RoleClient>, uri: &str) -> Result<String, i32> {
    match peer.read_resource(ReadResourceRequestParams::new(uri)).await {
        Ok(result) => Ok(value(result)["contents"][0]["text"].as_str().unwrap().to_owned()),
        Err(ServiceError::McpError(error)) => Err(error.code.0),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn notes_are_resources_under_each_revision() {
    for revision in Revision::ALL {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::to(service(folder.path(), "notes:write"), revision).await;
        let note = json!({"title": "Shopping", "text": "Milk"});
        client.call("add_note", note).await.unwrap();
        let peer = client.peer();
        let listed: Vec<String> =
            peer.list_all_resources().await.unwrap().iter().map(|resource| resource.uri.clone()).collect();
        assert_eq!(listed, ["memo://notes", "memo://1"], "{revision}");
        assert_eq!(read(peer, "memo://1").await.unwrap(), "# Shopping\n\nMilk\n", "{revision}");
        assert_eq!(read(peer, "memo://notes").await.unwrap(), "- [Shopping](memo://1)\n", "{revision}");
        for unknown in ["memo://2", "memo://", "file:///etc/passwd"] {
            assert!(read(peer, unknown).await.is_err(), "{revision} {unknown}");
        }
        let templates = peer.list_all_resource_templates().await.unwrap();
        assert_eq!(templates[0].uri_template, "memo://{id}", "{revision}");
    }
}

#[tokio::test]
async fn prompt_has_the_notes_of_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::to(service(folder.path(), "notes:write"), Revision::V2026_07_28).await;
    client.call("add_note", json!({"title": "Shopping", "text": "Milk"})).await.unwrap();
    let peer = client.peer();
    let prompts = peer.list_all_prompts().await.unwrap();
    assert_eq!((prompts.len(), &*prompts[0].name), (1, "summarise_day"));
    let get = async |arguments: Value| {
        let mut params = GetPromptRequestParams::new("summarise_day");
        params.arguments = arguments.as_object().cloned();
        peer.get_prompt(params)
            .await
            .map(|prompt| value(prompt)["messages"][0]["content"]["text"].to_string())
    };
    assert!(get(json!({})).await.unwrap().contains("# Shopping"));
    assert!(!get(json!({"day": "2026-01-01"})).await.unwrap().contains("# Shopping"));
    let error = get(json!({"day": "yesterday"})).await.unwrap_err().to_string();
    assert!(error.contains("`day` is not a date"), "{error}");
}

#[tokio::test]
async fn caller_without_the_scope_reads_no_notes() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::to(service(folder.path(), ""), Revision::V2026_07_28).await;
    let peer = client.peer();
    assert_eq!(peer.list_all_resources().await.unwrap().len(), 0);
    assert_eq!(peer.list_all_prompts().await.unwrap().len(), 0);
    assert_eq!(read(peer, "memo://notes").await, Err(-32600));
    let prompt = peer.get_prompt(GetPromptRequestParams::new("summarise_day")).await;
    assert!(prompt.unwrap_err().to_string().contains("needs the scope `notes:read`"));
}

async fn add(client: &Client, title: &str) {
    let answer = client.call("add_note", json!({"title": title, "text": "Milk"})).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
}

#[tokio::test]
async fn subscriber_is_told_of_changes_until_it_unsubscribes() {
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        let folder = tempfile::tempdir().unwrap();
        let service = service(folder.path(), "notes:write").clone();
        let (sender, mut updates) = mpsc::unbounded_channel();
        let builder = ClientBuilder::new().on_updated(move |uri| sender.send(uri.to_owned()).unwrap());
        let subscriber = builder.to(service.clone(), revision).await;
        let other = Client::to(service, revision).await;
        let peer = subscriber.peer();
        for uri in ["memo://notes", "memo://2"] {
            peer.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
        }
        assert!(peer.subscribe(SubscribeRequestParams::new("memo://x")).await.is_err());
        other.peer().subscribe(SubscribeRequestParams::new("memo://notes")).await.unwrap();
        add(&other, "Shopping").await;
        let mut next = async || timeout(ANSWER_TIMEOUT, updates.recv()).await.unwrap().unwrap();
        assert_eq!(next().await, "memo://notes", "{revision}");
        add(&other, "Shopping").await;
        let mut both = [next().await, next().await];
        both.sort();
        assert_eq!(both, ["memo://2", "memo://notes"], "{revision}");
        peer.unsubscribe(UnsubscribeRequestParams::new("memo://notes")).await.unwrap();
        add(&other, "Shopping").await;
        assert!(timeout(SILENCE, updates.recv()).await.is_err(), "{revision}");
    }
}

#[tokio::test]
async fn listener_is_told_of_changes_of_the_resources_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::to(service(folder.path(), "notes:write"), Revision::V2026_07_28).await;
    let filter = SubscriptionFilter::builder().resource_subscriptions(["memo://2", "memo://x"]).build();
    let mut listening = client.peer().listen(filter).await.unwrap();
    assert_eq!(listening.acknowledged().resource_subscriptions, Some(vec!["memo://2".to_owned()]));
    add(&client, "Shopping").await;
    add(&client, "Shopping").await;
    let Ok(Some(ServerNotification::ResourceUpdatedNotification(updated))) = listening.next().await else {
        panic!("no update");
    };
    assert_eq!(updated.params.uri, "memo://2");
    add(&client, "Shopping").await;
    assert!(timeout(SILENCE, listening.next()).await.is_err());
}
