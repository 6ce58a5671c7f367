//! Answers `tools/list` with the tools that a caller's scopes allow.

use std::{borrow::Cow, sync::Arc};

use rmcp::model::{CacheScope, MetaObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use crate::{
    registry::{Definition, Registry},
    revision::Revision,
    scopes::Visibility,
    store::KEY_RETENTION,
    tool::{
        caller::Caller,
        descriptor::{Deprecated, Descriptor, Effect, IdempotencyKey},
    },
    wire_names,
};

/// The answers to `tools/list` in the two forms that clients take, made once.
pub(crate) struct Lists {
    /// For revisions whose structured results must be objects; other results stand under `result`.
    legacy: Vec<Listed>,
    /// For 2026-07-28 and later.
    modern: Vec<Listed>,
    /// The tools whose arguments a client repeats in headers, with their schemas alone; under an alias too.
    headed: Vec<Tool>,
    /// Whether the list depends on the caller's scopes.
    per_caller: bool,
}

struct Listed {
    descriptor: &'static Descriptor,
    tool: Tool,
}

impl Lists {
    pub(crate) fn new(registry: &Registry, visibility: Visibility, honours_keys: bool) -> Self {
        let list = |wrapped| {
            let listed = |definition: &Definition| Listed {
                descriptor: definition.descriptor,
                tool: tool(definition, wrapped, honours_keys),
            };
            registry.tools().iter().map(listed).collect()
        };
        let headed = registry.tools().iter().filter(|definition| has_headers(&definition.input.schema));
        let schema = |definition: &Definition| {
            let schema = Arc::new(definition.input.schema.clone());
            definition.descriptor.names().map(move |name| Tool::new(name, "", Arc::clone(&schema)))
        };
        Self {
            legacy: list(true),
            modern: list(false),
            headed: headed.flat_map(schema).collect(),
            per_caller: visibility != Visibility::Listed,
        }
    }

    /// The tool of this name, if a client's headers must agree with its arguments (SEP-2243).
    pub(crate) fn headed(&self, name: &str) -> Option<Tool> {
        self.headed.iter().find(|tool| tool.name == name).cloned()
    }

    /// Whether clients repeat arguments of this tool in headers.
    #[cfg(feature = "http")]
    pub(crate) fn has_headers(&self, name: &str) -> bool {
        self.headed.iter().any(|tool| tool.name == name)
    }

    /// The caches that may keep a list: a list that depends on its caller is private.
    pub(crate) fn cache_scope(&self) -> CacheScope {
        if self.per_caller { CacheScope::Private } else { CacheScope::Public }
    }

    /// The list for `caller`, sorted by name.
    pub(crate) fn of(&self, caller: &Caller, revision: Revision) -> Vec<Tool> {
        let list = if revision.is_legacy() { &self.legacy } else { &self.modern };
        list.iter()
            .filter(|listed| !self.per_caller || caller.missing_scopes(listed.descriptor).next().is_none())
            .map(|listed| listed.tool.clone())
            .collect()
    }
}

/// Returns the tools as a list of 2026-07-28 or later shows them to a caller with every scope.
pub(crate) fn listed(registry: &Registry, honours_keys: bool) -> Vec<Value> {
    let shown = |definition| serde_json::to_value(tool(definition, false, honours_keys));
    registry.tools().iter().map(|definition| shown(definition).expect("a tool is JSON")).collect()
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

fn tool(definition: &Definition, wrapped: bool, honours_keys: bool) -> Tool {
    let descriptor = definition.descriptor;
    let mut tool =
        Tool::new(descriptor.name, description(descriptor), Arc::new(definition.input.schema.clone()));
    tool.title = Some(descriptor.title.to_owned());
    tool.output_schema = definition.output.schema(wrapped).map(Arc::new);
    // Every hint is explicit, since the defaults are the worst case (MCP, `ToolAnnotations`).
    tool.annotations = Some(ToolAnnotations::from_raw(
        Some(descriptor.title.to_owned()),
        Some(descriptor.is_read_only()),
        Some(descriptor.effect == Effect::Destructive),
        Some(descriptor.may_repeat()),
        Some(!descriptor.closed_world),
    ));
    let mut meta = meta(descriptor);
    meta.insert(wire_names::DIGEST.to_owned(), definition.digest.as_str().into());
    if honours_keys {
        meta.insert(wire_names::IDEMPOTENCY_KEY.to_owned(), key_use(descriptor));
    }
    tool.meta = (!meta.is_empty()).then_some(MetaObject(meta));
    tool
}

/// The description. A deprecated tool's begins with a banner, so that models pick it less.
fn description(descriptor: &Descriptor) -> Cow<'static, str> {
    match descriptor.deprecated {
        None => Cow::Borrowed(descriptor.description),
        Some(deprecated) => Cow::Owned(format!("{} {}", deprecated.banner(), descriptor.description)),
    }
}

/// Says whether a tool takes an idempotency key. A server that keeps no keys says nothing.
fn key_use(descriptor: &Descriptor) -> Value {
    let used = match descriptor.idempotency_key {
        IdempotencyKey::None => return json!({"use": "ignored"}),
        IdempotencyKey::Optional => "optional",
        IdempotencyKey::Required => "required",
    };
    json!({"use": used, "retentionSeconds": KEY_RETENTION.as_secs()})
}

fn meta(descriptor: &Descriptor) -> Map<String, Value> {
    let mut meta = Map::new();
    if !descriptor.aliases.is_empty() {
        meta.insert(wire_names::ALIASES.to_owned(), json!(descriptor.aliases));
    }
    if !descriptor.scopes.is_empty() {
        meta.insert(wire_names::SCOPES.to_owned(), json!(descriptor.scopes));
    }
    if let Some(Deprecated { since, remove_in, use_instead }) = descriptor.deprecated {
        meta.insert(
            wire_names::DEPRECATED.to_owned(),
            json!({"since": since, "removeIn": remove_in, "useInstead": use_instead}),
        );
    }
    meta
}
