//! Tests at level two: a server in this process, called by a client over the real protocol.

use candor::{
    Revision,
    testing::{CallError, Client, ClientBuilder, ElicitAction},
};
use candor_examples::prices::{App, server_of};
use serde_json::{Value, json};
use tempfile::TempDir;

const ALL: &str = "read:prices read:alerts write:alerts";

/// Connects a client to a server with its alerts in a new folder, and grants it scopes.
async fn connect(scopes: &str) -> (Client, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let service = server_of(|| App::in_folder(path)).unaudited().build().unwrap();
    let builder = ClientBuilder::new().on_confirm(|_question| ElicitAction::Accept);
    (builder.to(service.grant(scopes), Revision::V2026_07_28).await, folder)
}

async fn names(client: &Client) -> Vec<String> {
    let tools = client.tools().await.unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tools_list_holds_the_tools_of_the_granted_scopes() {
    for (scopes, listed) in [
        ("", vec![]),
        ("read:prices", vec!["compare", "fetch_quote", "get_stock_price", "price_history"]),
        ("read:alerts", vec!["list_alerts"]),
        ("write:alerts", vec!["clear_alerts", "set_alert"]),
    ] {
        assert_eq!(names(&connect(scopes).await.0).await, listed, "{scopes}");
    }
}

#[tokio::test]
async fn tools_list_has_the_declared_hints() {
    let (client, _folder) = connect(ALL).await;
    let tools = client.tools().await.unwrap();
    assert_eq!(tools.len(), 7);
    for tool in tools {
        let hints = &tool["annotations"];
        let values =
            ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"].map(|hint| &hints[hint]);
        let expected = match tool["name"].as_str().unwrap() {
            "set_alert" => [false, false, false, false],
            "clear_alerts" => [false, true, true, false],
            "fetch_quote" => [true, false, true, true],
            _ => [true, false, true, false],
        };
        assert_eq!(values, expected.map(Value::from).each_ref(), "{}", tool["name"]);
    }
}

#[tokio::test]
async fn calls_are_answered_with_structured_content_and_text() {
    let (client, _folder) = connect(ALL).await;
    let answer = client.call("get_stock_price", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.structured, Some(json!({"symbol": "AAPL", "date": "2010-03-01", "price": 223.02})));
    assert_eq!(answer.text(), r#"{"symbol":"AAPL","date":"2010-03-01","price":223.02}"#);
    let answer = client.call("price_history", json!({"symbol": "IBM"})).await.unwrap();
    let history = answer.structured.unwrap();
    assert_eq!(history["prices"].as_array().unwrap().len(), 24, "the default of `limit`");
    assert_eq!(history["left_out"], 99);
    let arguments = json!({"symbols": ["IBM", "AAPL"], "from": "2005-01-01", "to": null});
    let answer = client.call("compare", arguments).await.unwrap();
    assert_eq!(answer.structured.unwrap()["companies"][0]["symbol"], "AAPL");
}

#[tokio::test]
async fn errors_of_handlers_are_answers_with_help() {
    let (client, _folder) = connect(ALL).await;
    for (tool, arguments, reason, text) in [
        ("get_stock_price", json!({"symbol": "TSLA"}), None, "help: it has AAPL, AMZN"),
        (
            "price_history",
            json!({"symbol": "IBM", "from": "2005-01-01", "to": "2004-01-01"}),
            None,
            "swap `from` and `to`",
        ),
        ("compare", json!({"symbols": ["IBM", "IBM"]}), Some("duplicate_symbol"), "IBM is listed twice"),
        (
            "set_alert",
            json!({"symbol": "TSLA", "when": "above", "price": 1}),
            Some("unknown_symbol"),
            "no company",
        ),
    ] {
        let answer = client.call(tool, arguments).await.unwrap();
        assert!(answer.is_error && answer.structured.is_none(), "{tool}");
        assert_eq!(answer.reason(), reason, "{tool}");
        assert!(answer.text().contains(text), "{tool}: {}", answer.text());
    }
}

#[tokio::test]
async fn invalid_arguments_do_not_reach_the_handler() {
    let (client, folder) = connect(ALL).await;
    for (tool, arguments, fault) in [
        ("get_stock_price", json!({"symbol": "aapl"}), "`symbol` does not match the pattern `^[A-Z]{1,5}$`"),
        ("get_stock_price", json!({"Symbol": "AAPL"}), "`Symbol` is not a parameter; did you mean `symbol`?"),
        (
            "price_history",
            json!({"symbol": "IBM", "from": "1.1.2004"}),
            "`from` is not a `date`, for example 2004-08-31",
        ),
        ("price_history", json!({"symbol": "IBM", "from": "2004-02-30"}), "`from` is not a `date`"),
        ("price_history", json!({"symbol": "IBM", "limit": 0}), "`limit` is below its minimum, 1"),
        ("price_history", json!({"symbol": "IBM", "limit": 121}), "`limit` is above its maximum, 120"),
        ("compare", json!({"symbols": ["IBM"]}), "`symbols` holds fewer than 2 items"),
        ("compare", json!({"symbols": "IBM,AAPL"}), "`symbols` is not an array"),
        (
            "set_alert",
            json!({"symbol": "IBM", "when": "beside", "price": 1}),
            "`when` is not one of \"above\", \"below\"",
        ),
        (
            "set_alert",
            json!({"symbol": "IBM", "when": "above", "price": 0}),
            "`price` is below its minimum, 0.01",
        ),
    ] {
        let answer = client.call(tool, arguments.clone()).await.unwrap();
        assert_eq!(answer.reason(), Some("invalid_arguments"), "{tool} {arguments}");
        assert!(answer.text().contains(fault), "{tool} {arguments}: {}", answer.text());
    }
    assert!(!folder.path().join("alerts.redb").exists());
}

#[tokio::test]
async fn missing_scope_and_unknown_tool_are_protocol_errors() {
    let (client, _folder) = connect("read:alerts").await;
    let CallError { code, message, data } =
        client.call("clear_alerts", json!({"symbol": "AAPL"})).await.unwrap_err();
    assert_eq!(code, -31403);
    assert!(message.contains("--grant \"write:alerts\""), "{message}");
    assert_eq!(data.unwrap()["missingScopes"], json!(["write:alerts"]));
    let refused = client.call("list_alert", json!({})).await.unwrap_err();
    assert_eq!(refused.code, -32602);
    assert!(refused.message.contains("did you mean `list_alerts`?"), "{refused}");
}

#[tokio::test]
async fn alerts_are_set_listed_and_cleared() {
    let (client, _folder) = connect(ALL).await;
    let listed = async |arguments| client.call("list_alerts", arguments).await.unwrap().structured.unwrap();
    assert_eq!(listed(json!({})).await, json!({"alerts": []}));
    for (symbol, price) in [("AAPL", 250), ("IBM", 100), ("AAPL", 300)] {
        let arguments = json!({"symbol": symbol, "when": "above", "price": price});
        assert!(!client.call("set_alert", arguments).await.unwrap().is_error);
    }
    assert_eq!(listed(json!({"symbol": "AAPL"})).await["alerts"].as_array().unwrap().len(), 2);
    let cleared = client.call("clear_alerts", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(cleared.structured, Some(json!({"symbol": "AAPL", "removed": 2})));
    assert_eq!(
        listed(json!({})).await,
        json!({"alerts": [{"id": 2, "symbol": "IBM", "when": "above", "price": 100.0}]})
    );
}
