//! Serves the suite's prompts, resources and completions, with a handler on rmcp.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use candor::rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, InputRequiredResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams, Prompt, PromptArgument,
        PromptListChangedNotification, PromptMessage, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, Resource, ResourceContents, ResourceTemplate, Role, ServerCapabilities,
        ServerConfig, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};

use super::{PNG, notifications::PROMPTS};

/// The time for which a client may cache a list, in milliseconds.
const TTL_MS: u64 = 60_000;

pub(super) struct PromptsAndResources;

impl ServerHandler for PromptsAndResources {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions();
        ServerConfig::new(capabilities.build())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = ListPromptsResult::with_all_items(prompts());
        (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Public));
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompt(&request)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource =
            |uri, name, text, mime| Resource::new(uri, name).with_description(text).with_mime_type(mime);
        let mut list = ListResourcesResult::with_all_items(vec![
            resource("test://static-text", "Static text", "A text that does not change", "text/plain"),
            resource("test://static-binary", "Static image", "An image that does not change", "image/png"),
            resource("test://watched-resource", "Watched", "A text to subscribe to", "text/plain"),
        ]);
        (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Public));
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new("test://template/{id}/data", "Data by id")
            .with_description("The data of one id")
            .with_mime_type("application/json");
        let mut list = ListResourceTemplatesResult::with_all_items(vec![template]);
        (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Public));
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let mut result = ReadResourceResult::new(vec![contents(&request.uri)?]);
        (result.ttl_ms, result.cache_scope) = (Some(TTL_MS), Some(CacheScope::Public));
        Ok(result.into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = PROMPTS.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = changes.changed() => match changed {
                    // The sink fails if the client did not ask for this notification.
                    Ok(()) => drop(context.sink().send(PromptListChangedNotification::default().into()).await),
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let matches =
            ["paris", "park", "party"].iter().filter(|word| word.starts_with(&request.argument.value));
        let values = matches.map(|word| (*word).to_owned()).collect();
        CompletionInfo::new(values)
            .map(CompleteResult::new)
            .map_err(|why| ErrorData::internal_error(why, None))
    }
}

fn prompts() -> Vec<Prompt> {
    let required = |name, text| PromptArgument::new(name).with_description(text).with_required(true);
    vec![
        Prompt::new("test_simple_prompt", Some("A prompt without arguments"), None),
        Prompt::new(
            "test_prompt_with_arguments",
            Some("A prompt with two arguments"),
            Some(vec![required("arg1", "First test argument"), required("arg2", "Second test argument")]),
        ),
        Prompt::new(
            "test_prompt_with_embedded_resource",
            Some("A prompt with a resource"),
            Some(vec![required("resourceUri", "URI of the resource to embed")]),
        ),
        Prompt::new("test_prompt_with_image", Some("A prompt with an image"), None),
        Prompt::new("test_input_required_result_prompt", Some("A prompt that asks first"), None),
    ]
}

fn prompt(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        let arguments = request.arguments.as_ref().and_then(|arguments| arguments.get(name)?.as_str());
        arguments.ok_or_else(|| ErrorData::invalid_params(format!("`{name}` is missing"), None))
    };
    let text = |text: String| PromptMessage::new_text(Role::User, text);
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => {
            vec![text(format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1")?,
                argument("arg2")?
            ))]
        }
        "test_prompt_with_embedded_resource" => {
            let contents =
                ResourceContents::text("Embedded resource content for testing.", argument("resourceUri")?);
            let resource = ContentBlock::resource(contents.with_mime_type("text/plain"));
            let instruction = "Please process the embedded resource above.".to_owned();
            vec![PromptMessage::new(Role::User, resource), text(instruction)]
        }
        "test_prompt_with_image" => {
            let image = ContentBlock::image(BASE64.encode(PNG), "image/png");
            vec![PromptMessage::new(Role::User, image), text("Please analyze the image above.".to_owned())]
        }
        "test_input_required_result_prompt" => match context(request) {
            Some(context) => vec![text(format!("The context is: {context}"))],
            None => return Ok(question()?.into()),
        },
        name => return Err(ErrorData::invalid_params(format!("no prompt `{name}`"), None)),
    };
    Ok(GetPromptResult::new(messages).into())
}

/// The context that the user gave for the prompt.
fn context(request: &GetPromptRequestParams) -> Option<String> {
    let answer: &Value = request.input_responses.as_ref()?.get("user_context")?;
    Some(answer["content"]["context"].as_str()?.to_owned())
}

fn question() -> Result<InputRequiredResult, ErrorData> {
    let question = json!({
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": "What context should the prompt use?",
            "requestedSchema": {
                "type": "object",
                "properties": {"context": {"type": "string"}},
                "required": ["context"],
            },
        },
    });
    let question = serde_json::from_value(question)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let questions = BTreeMap::from([("user_context".to_owned(), question)]);
    Ok(InputRequiredResult::from_input_requests(questions))
}

fn contents(uri: &str) -> Result<ResourceContents, ErrorData> {
    let text = |contents: String, mime| ResourceContents::text(contents, uri).with_mime_type(mime);
    let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
    match (uri, id) {
        ("test://static-text", _) => {
            Ok(text("This is the content of the static text resource.".to_owned(), "text/plain"))
        }
        ("test://static-binary", _) => {
            Ok(ResourceContents::blob(BASE64.encode(PNG), uri).with_mime_type("image/png"))
        }
        ("test://watched-resource", _) => Ok(text("Nothing happens here.".to_owned(), "text/plain")),
        (_, Some(id)) => {
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            Ok(text(data.to_string(), "application/json"))
        }
        _ => Err(ErrorData::invalid_params("Resource not found", Some(json!({ "uri": uri })))),
    }
}
