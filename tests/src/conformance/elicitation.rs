//! The suite's tools that ask the client before they answer. The client is outside of the server, so they are not
//! `closed_world`.

use candor::{Ask, Call, ClientFeature, Tools, mcp_tool, tools};
use serde_json::{Value, json};

/// Ask the client's model.
#[mcp_tool(read_only, public)]
pub(super) fn test_sampling(
    call: &Call,
    /// The prompt for the model.
    prompt: String,
) -> Result<String, Ask> {
    let sample: Value = call.answer("sample").ok_or_else(|| Ask::default().sample("sample", prompt, 100))?;
    Ok(format!("LLM response: {}", sample["content"]["text"].as_str().unwrap_or_default()))
}

/// Ask the user for a name and an address.
#[mcp_tool(read_only, public)]
pub(super) fn test_elicitation(
    call: &Call,
    /// The message for the user.
    message: String,
) -> Result<String, Ask> {
    let text = |description| json!({"type": "string", "description": description});
    let fields = json!({"username": text("User's response"), "email": text("User's email address")});
    let answer = ask_form(call, message, &fields, &["username", "email"])?;
    Ok(format!("User response: {answer}"))
}

/// Ask the user with a form that has defaults.
#[mcp_tool(read_only, public)]
pub(super) fn test_elicitation_sep1034_defaults(call: &Call) -> Result<String, Ask> {
    let fields = json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    });
    let answer = ask_form(call, "Please review the form.", &fields, &[])?;
    Ok(format!("Elicitation completed: {answer}"))
}

/// Ask the user to choose, with each kind of list.
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
    let answer = ask_form(call, "Please choose.", &fields, &[])?;
    Ok(format!("Elicitation completed: {answer}"))
}

/// Asks the user with a form, and returns the user's action and content as text.
fn ask_form(
    call: &Call,
    message: impl Into<String>,
    fields: &Value,
    required: &[&str],
) -> Result<String, Ask> {
    let schema = json!({"type": "object", "properties": fields, "required": required});
    let answer: Value = call.answer("form").ok_or_else(|| Ask::default().form("form", message, schema))?;
    Ok(format!("action={}, content={}", answer["action"].as_str().unwrap_or_default(), answer["content"]))
}

/// Ask for a model, which the client may not have.
#[mcp_tool(read_only, public)]
pub(super) fn test_missing_capability(call: &Call) -> Result<&'static str, Ask> {
    let sample: Option<Value> = call.answer("sample");
    sample
        .map(|_| "The client has a model.")
        .ok_or_else(|| Ask::default().sample("sample", "Are you there?", 10))
}

/// Ask the user something.
#[mcp_tool(read_only, public)]
pub(super) fn test_streaming_elicitation(call: &Call) -> Result<String, Ask> {
    ask_form(call, "Shall the tool go on?", &json!({"ok": {"type": "boolean"}}), &[])
}

/// The schema of a form with one required field.
fn one_field(name: &str, kind: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": kind}}, "required": [name]})
}

/// Greet the user by name.
#[mcp_tool(read_only, public)]
fn test_input_required_result_elicitation(call: &Call) -> Result<String, Ask> {
    match call.form("user_name").filled().and_then(|form| form.get("name")?.as_str()) {
        Some(name) => Ok(format!("Hello, {name}!")),
        None => Err(Ask::default().form("user_name", "What is your name?", one_field("name", "string"))),
    }
}

/// Ask the model for a capital.
#[mcp_tool(read_only, public)]
fn test_input_required_result_sampling(call: &Call) -> Result<String, Ask> {
    let sample: Option<Value> = call.answer("capital_question");
    match sample.as_ref().and_then(|sample| sample["content"]["text"].as_str()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Ask::default().sample("capital_question", "What is the capital of France?", 100)),
    }
}

/// List the client's roots.
#[mcp_tool(read_only, public)]
fn test_input_required_result_list_roots(call: &Call) -> Result<String, Ask> {
    let answer: Option<Value> = call.answer("client_roots");
    match answer.as_ref().and_then(|answer| answer["roots"].as_array()) {
        Some(roots) => Ok(format!("The client has these roots: {}", json!(roots))),
        None => Err(Ask::default().roots("client_roots")),
    }
}

/// Ask, and carry a state into the next round.
#[mcp_tool(read_only, public)]
fn test_input_required_result_request_state(call: &Call) -> Result<&'static str, Ask> {
    ask_with_state(call)
}

/// Ask, and carry a state into the next round, for a client that tampers with the state.
#[mcp_tool(read_only, public)]
fn test_input_required_result_tampered_state(call: &Call) -> Result<&'static str, Ask> {
    ask_with_state(call)
}

fn ask_with_state(call: &Call) -> Result<&'static str, Ask> {
    match (call.state(), call.form("confirm").filled()) {
        (Some("asked"), Some(_)) => Ok("state-ok"),
        _ => Err(Ask::default().form("confirm", "Please confirm", one_field("ok", "boolean")).state("asked")),
    }
}

/// Ask the user, the model and the client at once.
#[mcp_tool(read_only, public)]
fn test_input_required_result_multiple_inputs(call: &Call) -> Result<String, Ask> {
    let [greeting, roots] = ["greeting", "client_roots"].map(|key| call.answer::<Value>(key));
    match (call.state(), call.form("user_name").filled(), greeting, roots) {
        (Some("asked"), Some(name), Some(greeting), Some(roots)) => {
            Ok(format!("{} {} {}", greeting["content"]["text"], name["name"], roots["roots"]))
        }
        _ => Err(Ask::default()
            .form("user_name", "What is your name?", one_field("name", "string"))
            .sample("greeting", "Generate a greeting", 50)
            .roots("client_roots")
            .state("asked")),
    }
}

/// Ask twice, one thing after the other.
#[mcp_tool(read_only, public)]
fn test_input_required_result_multi_round(call: &Call) -> Result<String, Ask> {
    let text_of = |key, field: &str| Some(call.form(key).filled()?.get(field)?.as_str()?.to_owned());
    if let (Some(name), Some(color)) = (call.state(), text_of("step2", "color")) {
        return Ok(format!("{name} likes {color}."));
    }
    Err(match text_of("step1", "name") {
        None => Ask::default()
            .form("step1", "Step 1: What is your name?", one_field("name", "string"))
            .state("step 1"),
        Some(name) => Ask::default()
            .form("step2", "Step 2: What is your favorite color?", one_field("color", "string"))
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
        Err(Ask::default().form("question", "What is your name?", one_field("name", "string")))
    } else if call.can_be_asked(ClientFeature::Sample) {
        Err(Ask::default().sample("question", "Make up a name.", 10))
    } else {
        Ok("The client can be asked nothing.")
    }
}

/// The suite's tools for multi round-trip requests (MRTR).
pub(super) fn multi_round_tools() -> Tools<()> {
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
