//! Tools of the suite that ask the client before they answer. What they ask of is beyond the server, so none says
//! `closed_world`.

use candor::{Ask, Call, ClientFeature, Tools, mcp_tool, tools};
use serde_json::{Value, json};

/// Ask the client's model.
#[mcp_tool(read_only, public)]
pub(super) fn test_sampling(
    call: &Call,
    /// What the model is asked.
    prompt: String,
) -> Result<String, Ask> {
    let said: Value = call.answer("sample").ok_or_else(|| Ask::default().sample("sample", prompt, 100))?;
    Ok(format!("LLM response: {}", said["content"]["text"].as_str().unwrap_or_default()))
}

/// Ask the user for a name and an address.
#[mcp_tool(read_only, public)]
pub(super) fn test_elicitation(
    call: &Call,
    /// What the user reads.
    message: String,
) -> Result<String, Ask> {
    let text = |says| json!({"type": "string", "description": says});
    let fields = json!({"username": text("User's response"), "email": text("User's email address")});
    let said = asked(call, message, &fields, &["username", "email"])?;
    Ok(format!("User response: {said}"))
}

/// Ask the user with a form that is filled in already.
#[mcp_tool(read_only, public)]
pub(super) fn test_elicitation_sep1034_defaults(call: &Call) -> Result<String, Ask> {
    let fields = json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    });
    let said = asked(call, "Please review the form.", &fields, &[])?;
    Ok(format!("Elicitation completed: {said}"))
}

/// Ask the user to choose, in each way there is.
#[mcp_tool(read_only, public)]
pub(super) fn test_elicitation_sep1330_enums(call: &Call) -> Result<String, Ask> {
    let options = ["option1", "option2", "option3"];
    let titled = |titles: [&str; 3]| -> Vec<Value> {
        let values = ["value1", "value2", "value3"];
        values.iter().zip(titles).map(|(value, title)| json!({"const": value, "title": title})).collect()
    };
    let fields = json!({
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"])},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": titled(["First Choice", "Second Choice", "Third Choice"])},
        },
    });
    let said = asked(call, "Please choose.", &fields, &[])?;
    Ok(format!("Elicitation completed: {said}"))
}

/// What the user did with a form, in words.
fn asked(call: &Call, message: impl Into<String>, fields: &Value, required: &[&str]) -> Result<String, Ask> {
    let schema = json!({"type": "object", "properties": fields, "required": required});
    let said: Value = call.answer("form").ok_or_else(|| Ask::default().form("form", message, schema))?;
    Ok(format!("action={}, content={}", said["action"].as_str().unwrap_or_default(), said["content"]))
}

/// Need a model that the client may not have.
#[mcp_tool(read_only, public)]
pub(super) fn test_missing_capability(call: &Call) -> Result<&'static str, Ask> {
    let said: Option<Value> = call.answer("sample");
    said.map(|_| "The client has a model.")
        .ok_or_else(|| Ask::default().sample("sample", "Are you there?", 10))
}

/// Ask the user something.
#[mcp_tool(read_only, public)]
pub(super) fn test_streaming_elicitation(call: &Call) -> Result<String, Ask> {
    asked(call, "Shall the tool go on?", &json!({"ok": {"type": "boolean"}}), &[])
}

/// A form of one field that has to be filled in.
fn field(name: &str, kind: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": kind}}, "required": [name]})
}

/// Greet the user by name.
#[mcp_tool(read_only, public)]
fn test_input_required_result_elicitation(call: &Call) -> Result<String, Ask> {
    match call.form("user_name").and_then(|form| form.get("name")?.as_str()) {
        Some(name) => Ok(format!("Hello, {name}!")),
        None => Err(Ask::default().form("user_name", "What is your name?", field("name", "string"))),
    }
}

/// Ask the model for a capital.
#[mcp_tool(read_only, public)]
fn test_input_required_result_sampling(call: &Call) -> Result<String, Ask> {
    let said: Option<Value> = call.answer("capital_question");
    match said.as_ref().and_then(|said| said["content"]["text"].as_str()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Ask::default().sample("capital_question", "What is the capital of France?", 100)),
    }
}

/// Tell the client its roots.
#[mcp_tool(read_only, public)]
fn test_input_required_result_list_roots(call: &Call) -> Result<String, Ask> {
    let said: Option<Value> = call.answer("client_roots");
    match said.as_ref().and_then(|said| said["roots"].as_array()) {
        Some(roots) => Ok(format!("The client has these roots: {}", json!(roots))),
        None => Err(Ask::default().roots("client_roots")),
    }
}

/// Ask, and remember that it did.
#[mcp_tool(read_only, public)]
fn test_input_required_result_request_state(call: &Call) -> Result<&'static str, Ask> {
    remembers(call)
}

/// Ask, and remember that it did, for a client that forges what it brings back.
#[mcp_tool(read_only, public)]
fn test_input_required_result_tampered_state(call: &Call) -> Result<&'static str, Ask> {
    remembers(call)
}

fn remembers(call: &Call) -> Result<&'static str, Ask> {
    match (call.state(), call.form("confirm")) {
        (Some("asked"), Some(_)) => Ok("state-ok"),
        _ => Err(Ask::default().form("confirm", "Please confirm", field("ok", "boolean")).state("asked")),
    }
}

/// Ask the user, the model and the client at once.
#[mcp_tool(read_only, public)]
fn test_input_required_result_multiple_inputs(call: &Call) -> Result<String, Ask> {
    let [greeting, roots] = ["greeting", "client_roots"].map(|key| call.answer::<Value>(key));
    match (call.state(), call.form("user_name"), greeting, roots) {
        (Some("asked"), Some(name), Some(greeting), Some(roots)) => {
            Ok(format!("{} {} {}", greeting["content"]["text"], name["name"], roots["roots"]))
        }
        _ => Err(Ask::default()
            .form("user_name", "What is your name?", field("name", "string"))
            .sample("greeting", "Generate a greeting", 50)
            .roots("client_roots")
            .state("asked")),
    }
}

/// Ask twice, one thing after the other.
#[mcp_tool(read_only, public)]
fn test_input_required_result_multi_round(call: &Call) -> Result<String, Ask> {
    let said = |key, field: &str| Some(call.form(key)?.get(field)?.as_str()?.to_owned());
    if let (Some(name), Some(color)) = (call.state(), said("step2", "color")) {
        return Ok(format!("{name} likes {color}."));
    }
    Err(match said("step1", "name") {
        None => Ask::default()
            .form("step1", "Step 1: What is your name?", field("name", "string"))
            .state("step 1"),
        Some(name) => Ask::default()
            .form("step2", "Step 2: What is your favorite color?", field("color", "string"))
            .state(name),
    })
}

/// Ask only for what the client declares.
#[mcp_tool(read_only, public)]
fn test_input_required_result_capabilities(call: &Call) -> Result<&'static str, Ask> {
    if call.answer::<Value>("question").is_some() {
        return Ok("The client answered.");
    }
    if call.can_be_asked(ClientFeature::Form) {
        Err(Ask::default().form("question", "What is your name?", field("name", "string")))
    } else if call.can_be_asked(ClientFeature::Sample) {
        Err(Ask::default().sample("question", "Make up a name.", 10))
    } else {
        Ok("The client can be asked nothing.")
    }
}

/// The tools for multi round-trip requests.
pub(super) fn rounds() -> Tools<()> {
    tools![
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_tampered_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_capabilities,
    ]
}
