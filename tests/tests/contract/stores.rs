//! The manifests for registries and stores: what they contain, and what they report.

use candor::{Manifest, ManifestFormat, Publication, Sandbox, Server, mcp_tool, testing::Client, tools};
use jsonschema::Validator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A price.
#[derive(Serialize, JsonSchema)]
struct Price {
    /// In dollars.
    price: f64,
}

/// Return the price of a company.
#[mcp_tool(read_only, closed_world, scope = "read")]
fn price(
    /// Ticker symbol.
    #[param(example = "AAPL")]
    symbol: &str,
) -> Price {
    let _ = symbol;
    Price { price: 1.0 }
}

/// Remove the company.
#[mcp_tool(destructive, closed_world, scope = "write")]
fn remove() -> Price {
    Price { price: 0.0 }
}

fn publication() -> Publication {
    Publication::new("io.github.ada/prices", "Prices of companies")
        .package("ada-prices")
        .author("Ada")
        .repository("https://github.com/ada/prices")
        .privacy_policy("https://example.com/privacy")
        .category("FINANCE")
}

fn server(publication: Publication) -> Server {
    let server = Server::new("prices", "1.2.3").title("Prices").tools(tools![price, remove]).unaudited();
    server.idempotency(candor::KeyStore::memory().accept_loss()).publication(publication)
}

fn print(server: &Server, format: ManifestFormat) -> Manifest {
    server.manifest_as(format).unwrap()
}

fn value(manifest: &Manifest) -> Value {
    serde_json::from_str(manifest.text.as_ref().expect("the manifest is printed")).unwrap()
}

fn facts(manifest: &Manifest) -> Vec<&str> {
    manifest.findings.iter().map(candor::Message::fact).collect()
}

#[tokio::test]
async fn mcp_manifest_is_the_list_of_a_caller_with_every_scope() {
    let service = server(publication()).build().unwrap().grant("read write");
    let client = Client::to(service, candor::Revision::V2026_07_28).await;
    let listed = client.tools().await.unwrap();
    assert_eq!(value(&print(&server(publication()), ManifestFormat::Mcp)), json!({"tools": listed}));
}

#[test]
fn candor_manifest_is_the_manifest() {
    let server = server(publication());
    assert_eq!(print(&server, ManifestFormat::Candor).text, server.manifest().ok());
}

/// The constraints that the registry documents for the parts that are printed (schema 2025-12-11).
fn registry_constraints() -> Validator {
    let url = json!({"type": "string", "pattern": "^https?://[^\\s]+$"});
    let argument = json!({"anyOf": [
        {"required": ["type", "value"], "properties": {"type": {"const": "positional"}}},
        {"required": ["type", "name"], "properties": {"type": {"const": "named"}, "name": {"pattern": "^-"}}},
    ]});
    let transport = json!({"required": ["type"], "properties": {"type": {"enum": ["stdio"]}}});
    let schema = json!({
        "type": "object",
        "required": ["$schema", "name", "description", "version"],
        "properties": {
            "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
            "name": {"type": "string", "minLength": 3, "maxLength": 200, "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$"},
            "title": {"type": "string", "minLength": 1, "maxLength": 100},
            "description": {"type": "string", "minLength": 1, "maxLength": 100},
            "version": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[0-9][^*]*$"},
            "websiteUrl": url,
            "repository": {
                "type": "object",
                "required": ["url", "source"],
                "properties": {"url": url, "source": {"enum": ["github", "gitlab"]}},
            },
            "packages": {"type": "array", "items": {
                "type": "object",
                "required": ["registryType", "identifier", "transport", "version"],
                "properties": {
                    "registryType": {"const": "cargo"},
                    "registryBaseUrl": {"const": "https://crates.io"},
                    "transport": transport,
                    "packageArguments": {"type": "array", "items": argument},
                },
                "additionalProperties": {"type": "string"},
            }},
            "remotes": {"type": "array", "items": {
                "type": "object",
                "required": ["type", "url"],
                "properties": {"type": {"const": "streamable-http"}, "url": url},
            }},
        },
        "additionalProperties": false,
    });
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn server_json_keeps_the_constraints_of_the_registry() {
    let constraints = registry_constraints();
    let whole = publication().website("https://example.com").remote("https://example.com/mcp");
    for publication in [publication(), whole] {
        let manifest = value(&print(&server(publication), ManifestFormat::ServerJson));
        let errors: Vec<String> = constraints.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(manifest["version"], "1.2.3");
        assert_eq!(manifest["packages"][0]["identifier"], "ada-prices");
        assert_eq!(manifest["packages"][0]["packageArguments"][1]["placeholder"], "read write");
    }
}

#[test]
fn server_json_that_the_registry_would_refuse_is_not_printed() {
    let long = "x".repeat(101);
    for (publication, fact) in [
        (
            Publication::new("prices", "Prices").package("p"),
            "the name of the publication is not a name of the registry",
        ),
        (
            Publication::new("a/b/c", "Prices").package("p"),
            "the name of the publication is not a name of the registry",
        ),
        (
            Publication::new("io.ada/ü", "Prices").package("p"),
            "the name of the publication is not a name of the registry",
        ),
        (
            Publication::new("io.ada/p", &long).package("p"),
            "the summary has 101 characters, and at most 100 are accepted",
        ),
        (Publication::new("io.ada/p", "").package("p"), "the summary is empty"),
        (Publication::new("io.ada/p", "Prices"), "the publication does not say where the server is"),
        (
            publication().repository("https://example.com/ada"),
            "the registry does not know the host of the repository",
        ),
        (publication().website("example.com"), "the website is not a URL"),
        (publication().remote("https://"), "the remote is not a URL"),
    ] {
        let manifest = print(&server(publication), ManifestFormat::ServerJson);
        assert_eq!((facts(&manifest), &manifest.text), (vec![fact], &None));
    }
    let range = Server::new("prices", "^1.2").tools(tools![price]).publication(publication());
    assert_eq!(facts(&print(&range, ManifestFormat::ServerJson)), ["the server's version is a range"]);
    let unpublished = Server::new("prices", "1.0.0").tools(tools![price]);
    for format in [ManifestFormat::ServerJson, ManifestFormat::Mcpb, ManifestFormat::ChatGpt] {
        let manifest = print(&unpublished, format);
        assert_eq!(facts(&manifest), ["server `prices` does not say how it is published"]);
        assert_eq!(manifest.text, None);
    }
}

#[test]
fn bundle_grants_the_scopes_of_reading_tools_and_lists_names_and_descriptions() {
    let manifest = value(&print(&server(publication()), ManifestFormat::Mcpb));
    assert_eq!(manifest["user_config"]["scopes"]["default"], "read");
    assert_eq!(manifest["privacy_policies"], json!(["https://example.com/privacy"]));
    assert_eq!(
        manifest["tools"],
        json!([
            {"name": "price", "description": "Return the price of a company."},
            {"name": "remove", "description": "Remove the company."},
        ])
    );
}

#[test]
fn bundle_without_a_privacy_policy_is_not_printed() {
    let private = Publication::new("io.github.ada/prices", "Prices of companies").author("Ada");
    let manifest = print(&server(private), ManifestFormat::Mcpb);
    assert_eq!(facts(&manifest), ["the server has no privacy policy"]);
    assert_eq!(manifest.text, None);
}

#[test]
fn chatgpt_hints_are_those_of_the_list_each_with_a_justification() {
    let manifest = print(&server(publication()), ManifestFormat::ChatGpt);
    assert_eq!(facts(&manifest), Vec::<&str>::new());
    let submission = value(&manifest);
    for listed in value(&print(&server(publication()), ManifestFormat::Mcp))["tools"].as_array().unwrap() {
        let tool = &submission["tools"][listed["name"].as_str().unwrap()];
        for hint in ["readOnlyHint", "openWorldHint", "destructiveHint"] {
            assert_eq!(tool["annotations"][hint], listed["annotations"][hint]);
        }
        for reason in ["read_only", "open_world", "destructive"] {
            assert!(tool["justifications"][format!("{reason}_justification")].as_str().unwrap().len() > 30);
        }
    }
    let reason = |tool: &str, reason: &str| {
        submission["tools"][tool]["justifications"][reason].as_str().unwrap().to_owned()
    };
    assert_eq!(
        reason("price", "read_only_justification"),
        "Only reads: the build refuses this tool all state that is marked as writing, and on Linux the kernel refuses \
         file writes on its threads (Landlock); the audit record is written by the server, not by the tool."
    );
    assert_eq!(
        reason("remove", "destructive_justification"),
        "Can change or remove what exists; the server asks the user before every call; a call that is sent again with \
         its key does not run twice."
    );
    assert_eq!(submission["test_cases"][0]["user_prompt"], "Price: symbol AAPL.");
    assert_eq!(
        submission["test_cases"].as_array().unwrap().len(),
        1,
        "a tool without an example has no prompt"
    );
}

/// Read outside the sandbox.
#[mcp_tool(read_only, closed_world, public, audit = "off", unsandboxed = "needs a process that writes")]
fn outside() -> Price {
    Price { price: 1.0 }
}

#[test]
fn chatgpt_justifications_claim_nothing_that_the_configuration_takes_away() {
    let reason = |server: Server| {
        let submission = value(&print(&server, ManifestFormat::ChatGpt));
        submission["tools"]["price"]["justifications"]["read_only_justification"].as_str().unwrap().to_owned()
    };
    let off = reason(server(publication()).sandbox(Sandbox::Off));
    assert!(!off.contains("kernel"), "{off}");
    let required = reason(server(publication()).sandbox(Sandbox::Required));
    assert!(
        required.contains("and the kernel refuses file writes") && !required.contains("on Linux"),
        "{required}"
    );
    let scratch = reason(server(publication()).scratch("/tmp"));
    assert!(scratch.contains("except in the server's scratch folder"), "{scratch}");

    let server = Server::new("prices", "1.0.0").tools(tools![outside]).publication(publication());
    let tool = &value(&print(&server, ManifestFormat::ChatGpt))["tools"]["outside"]["justifications"];
    assert!(!tool.to_string().contains("kernel") && !tool.to_string().contains("audit"), "{tool}");
}

#[test]
fn chatgpt_justification_says_what_the_public_sees() {
    /// Post a message.
    #[mcp_tool(additive, public, public_effect = "posts to the public timeline.")]
    fn post() -> Price {
        Price { price: 1.0 }
    }
    let server = Server::new("posts", "1.0.0").tools(tools![post]).publication(publication());
    let tool = &value(&print(&server, ManifestFormat::ChatGpt))["tools"]["post"];
    assert_eq!(tool["annotations"]["openWorldHint"], true);
    assert_eq!(
        tool["justifications"]["open_world_justification"],
        "Changes state that the public can see: posts to the public timeline."
    );
}

#[test]
fn chatgpt_reports_the_tools_that_the_store_will_question() {
    /// Read a page of the web. This description goes on about what the tool does, and when it is useful, and how the
    /// page is read, and what is done with scripts, and with images, until it has more than two hundred characters.
    #[mcp_tool(read_only, public)]
    fn page() -> Price {
        Price { price: 1.0 }
    }
    /// Add up for a long time.
    #[mcp_tool(read_only, closed_world, public, task = "optional")]
    fn sum() -> Price {
        Price { price: 1.0 }
    }
    /// Sign in.
    #[mcp_tool(additive, closed_world, public)]
    fn sign_in(
        /// The password.
        #[param(secret)]
        password: String,
    ) {
        drop(password);
    }
    let server = Server::new("prices", "1.0.0").tools(tools![page, sum, sign_in]).publication(
        Publication::new("io.github.ada/prices", "Prices of some companies, by day").category("MONEY"),
    );
    let manifest = print(&server, ManifestFormat::ChatGpt);
    assert_eq!(
        facts(&manifest),
        [
            "the publication has no category of the store",
            "the server has no privacy policy",
            "the summary, as the store's subtitle, has 32 characters, and at most 30 are accepted",
            "the description of tool `page` has 218 characters, and the store takes 200",
            "tool `page` publishes `openWorldHint: true`, and changes no public state",
            "tool `sign_in` asks for a secret: `password`",
            "tool `sign_in` has no output schema",
            "tool `sum` is `read_only`, and answers with a task",
        ]
    );
    assert!(manifest.text.is_some(), "the submission is printed with its findings");
    assert!(manifest.findings.iter().all(|finding| finding.to_string().contains("\nhelp: ")));
}

/// The action.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mixed {
    ListUsers,
    DeleteUser,
}

/// A way to look.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Reading {
    List,
    Search,
}

#[test]
fn claude_reports_tools_that_are_several_tools() {
    /// Manage users.
    #[mcp_tool(destructive, public)]
    fn manage(
        /// The action.
        action: Mixed,
    ) {
        let _ = action;
    }
    /// Call the interface.
    #[mcp_tool(destructive, public)]
    fn request(
        /// The method.
        method: String,
    ) {
        drop(method);
    }
    /// Look for users.
    #[mcp_tool(read_only, public)]
    fn look(
        /// How to look.
        operation: Reading,
        /// The number of the command.
        command: u8,
    ) {
        let _ = operation;
        let _ = command;
    }
    /// Say hello. You MUST call this before any other tool.
    #[mcp_tool(read_only, public)]
    fn hello() {}
    let server = Server::new("users", "1.0.0").tools(tools![manage, request, look, hello]);
    let manifest = print(&server, ManifestFormat::Claude);
    assert_eq!(
        facts(&manifest),
        [
            "the description of tool `hello` tells the model how to behave",
            "the description of tool `hello` tells the model how to behave",
            "parameter `action` of tool `manage` chooses what the tool does",
            "parameter `method` of tool `request` chooses what the tool does",
            "the server has no privacy policy",
        ]
    );
    let text = manifest.text.unwrap();
    assert!(text.contains("\nok       every hint of every tool is explicit\n"), "{text}");
    assert!(
        text.contains("\nfinding  the server has a privacy policy\n         the server has no"),
        "{text}"
    );
}

#[test]
fn claude_report_of_a_server_that_is_ready_has_no_finding() {
    let manifest = print(&server(publication()), ManifestFormat::Claude);
    assert_eq!(facts(&manifest), Vec::<&str>::new());
    assert!(!manifest.text.unwrap().contains("finding"));
}
