//! Candor's types ↔ rmcp's: tools, replies, refusals, revisions.

use std::{borrow::Cow, sync::Arc};

use rmcp::model::{
    CacheScope, CallToolResult, ContentBlock, ErrorCode, ErrorData, MetaObject, ProtocolVersion, Resource,
    ResourceContents, Tool, ToolAnnotations,
};
use serde_json::{Map, Value, json};

use crate::{
    pipeline::{
        Refusal,
        access::{self, Visibility},
    },
    registry::{Definition, Registry},
    revision::Revision,
    tool::{
        caller::Caller,
        descriptor::{Deprecated, Descriptor},
        output::{Block, Reply},
    },
};

/// `tools/list` in the two forms that clients take, made once.
pub(crate) struct Lists {
    /// For revisions that want objects: other results stand under `result`.
    objects: Vec<Listed>,
    /// For 2026-07-28 and later.
    any: Vec<Listed>,
    /// Those whose arguments a client repeats in headers, with nothing but their schema.
    headed: Vec<Tool>,
    /// Whether each caller sees its own.
    per_caller: bool,
}

struct Listed {
    descriptor: &'static Descriptor,
    tool: Tool,
}

impl Lists {
    pub(crate) fn new(registry: &Registry, visibility: Visibility) -> Self {
        let list = |wrapped| {
            let listed = |definition: &Definition| Listed {
                descriptor: definition.descriptor,
                tool: tool(definition, wrapped),
            };
            registry.tools().iter().map(listed).collect()
        };
        let headed = registry.tools().iter().filter(|definition| has_headers(&definition.input.schema));
        let schema = |definition: &Definition| {
            Tool::new(definition.descriptor.name, "", Arc::new(definition.input.schema.clone()))
        };
        Self {
            objects: list(true),
            any: list(false),
            headed: headed.map(schema).collect(),
            per_caller: visibility != Visibility::Listed,
        }
    }

    /// The tool of this name, where a client's headers have to agree with its arguments (SEP-2243).
    pub(crate) fn headed(&self, name: &str) -> Option<Tool> {
        self.headed.iter().find(|tool| tool.name == name).cloned()
    }

    /// Whether a client repeats arguments of this tool in headers.
    #[cfg(feature = "http")]
    pub(crate) fn has_headers(&self, name: &str) -> bool {
        self.headed.iter().any(|tool| tool.name == name)
    }

    /// Who may keep a list: where it is cut to what its caller may call, nobody else.
    pub(crate) fn cache_scope(&self) -> CacheScope {
        if self.per_caller { CacheScope::Private } else { CacheScope::Public }
    }

    /// What `caller` is shown, sorted by name.
    pub(crate) fn of(&self, caller: &Caller, revision: Revision) -> Vec<Tool> {
        let list = if revision.is_legacy() { &self.objects } else { &self.any };
        list.iter()
            .filter(|listed| !self.per_caller || access::missing(listed.descriptor, caller).next().is_none())
            .map(|listed| listed.tool.clone())
            .collect()
    }
}

fn has_headers(schema: &Map<String, Value>) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::Object(object) => object.contains_key("x-mcp-header") || object.values().any(any),
            _ => false,
        }
    }
    schema.get("properties").is_some_and(any)
}

fn tool(definition: &Definition, wrapped: bool) -> Tool {
    let descriptor = definition.descriptor;
    let mut tool =
        Tool::new(descriptor.name, description(descriptor), Arc::new(definition.input.schema.clone()));
    tool.title = Some(descriptor.title.to_owned());
    tool.output_schema = definition.output.schema(wrapped).map(Arc::new);
    // Every hint, always: what is left out means the worst (MCP, `ToolAnnotations`).
    tool.annotations = Some(ToolAnnotations::from_raw(
        Some(descriptor.title.to_owned()),
        Some(descriptor.is_read_only()),
        Some(descriptor.effect == crate::tool::descriptor::Effect::Destructive),
        Some(descriptor.may_repeat()),
        Some(!descriptor.closed_world),
    ));
    let meta = meta(descriptor);
    tool.meta = (!meta.is_empty()).then_some(MetaObject(meta));
    tool
}

/// The description; of a deprecated tool, a banner before it, so that models pick it less.
fn description(descriptor: &Descriptor) -> Cow<'static, str> {
    match descriptor.deprecated {
        None => Cow::Borrowed(descriptor.description),
        Some(Deprecated { remove_in, use_instead, .. }) => {
            let instead = use_instead.map(|tool| format!(": use `{tool}`")).unwrap_or_default();
            Cow::Owned(format!("[deprecated, gone in {remove_in}{instead}] {}", descriptor.description))
        }
    }
}

fn meta(descriptor: &Descriptor) -> Map<String, Value> {
    let mut meta = Map::new();
    if !descriptor.scopes.is_empty() {
        meta.insert("candor/scopes".to_owned(), json!(descriptor.scopes));
    }
    if let Some(Deprecated { since, remove_in, use_instead }) = descriptor.deprecated {
        meta.insert(
            "candor/deprecated".to_owned(),
            json!({"since": since, "removeIn": remove_in, "useInstead": use_instead}),
        );
    }
    meta
}

/// A reply as the protocol's result.
pub(crate) fn result(reply: Reply, mut meta: Map<String, Value>) -> CallToolResult {
    let content = reply.content.into_iter().map(block).collect();
    let mut result = match &reply.error {
        None => CallToolResult::success(content),
        Some(_) => CallToolResult::error(content),
    };
    result.structured_content = reply.structured;
    if let Some(error) = reply.error {
        if let Some(reason) = error.reason_code() {
            meta.insert("candor/reason".to_owned(), reason.into());
        }
        if error.is_transient() {
            meta.insert("candor/transient".to_owned(), true.into());
        }
        if let Some(wait) = error.wait() {
            // Whole seconds, rounded up, as in `Retry-After` (RFC 9110 §10.2.3).
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            meta.insert("candor/retry-after-seconds".to_owned(), seconds.into());
        }
    }
    result.meta = (!meta.is_empty()).then_some(MetaObject(meta));
    result
}

fn block(block: Block) -> ContentBlock {
    match block {
        Block::Text(text) => ContentBlock::text(text),
        Block::Image { data, mime_type } => ContentBlock::image(data, mime_type),
        Block::Audio { data, mime_type } => ContentBlock::audio(data, mime_type),
        Block::Resource { uri, mime_type, text } => {
            let contents = ResourceContents::text(text, uri);
            ContentBlock::resource(match mime_type {
                Some(mime_type) => contents.with_mime_type(mime_type),
                None => contents,
            })
        }
        Block::ResourceLink { uri, name, mime_type } => {
            let mut link = Resource::new(uri, name);
            link.mime_type = mime_type;
            ContentBlock::resource_link(link)
        }
    }
}

pub(crate) fn error(refusal: &Refusal) -> ErrorData {
    ErrorData::new(ErrorCode(refusal.code()), refusal.message(), refusal.data())
}

pub(crate) fn version(revision: Revision) -> ProtocolVersion {
    match revision {
        Revision::V2025_06_18 => ProtocolVersion::V_2025_06_18,
        Revision::V2025_11_25 => ProtocolVersion::V_2025_11_25,
        Revision::V2026_07_28 => ProtocolVersion::V_2026_07_28,
    }
}
