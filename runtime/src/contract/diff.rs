//! Compares two contracts: pairs their tools, and finds every change with the rule that decides its class.

mod access;
mod deprecation;
mod hints;
mod limits;
mod schemas;
mod server;
mod texts;
mod versions;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

#[cfg(feature = "cli")]
use super::change::ChangeClass;
use super::{
    change::{Change, Changes, rule},
    lock::{Lock, LockedTool},
};
#[cfg(feature = "cli")]
pub(crate) use versions::Bump;
pub(crate) use versions::compare_versions;

/// The parts of a definition that a rule compares. A change of any other part is undecided.
const COMPARED_PARTS: [&str; 26] = [
    "name",
    "title",
    "description",
    "annotations",
    "effect",
    "scopes",
    "confirm",
    "idempotency_key",
    "rate",
    "max_in_flight",
    "timeout_ms",
    "max_output_bytes",
    "retry",
    "audit",
    "task",
    "unsandboxed",
    "public_effect",
    "secret_parameters",
    "volatile_parameters",
    "lenient_parameters",
    "rules",
    "deprecated",
    "aliases",
    "input_schema",
    "enforced_input_schema",
    "output_schema",
];

/// All changes between two contracts.
pub(crate) struct ContractDiff {
    pub(crate) changes: Vec<Change>,
    /// The parts of definitions that one side does not have, so that they were not compared.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "reports print it"))]
    pub(crate) unknown_parts: Vec<&'static str>,
    /// The releases of both sides.
    pub(crate) versions: [String; 2],
}

#[cfg(feature = "cli")]
impl ContractDiff {
    /// The class of the gravest change.
    pub(crate) fn class(&self) -> Option<ChangeClass> {
        self.changes.iter().map(Change::class).max()
    }

    /// The version bump that the changes need, and the one that was made; `None` if a version is not a semantic one.
    pub(crate) fn bumps(&self) -> (Bump, Option<Bump>) {
        let [base, head] = &self.versions;
        (Bump::needed(self.class(), base), Bump::made(base, head))
    }
}

/// The two definitions of one tool.
pub(crate) struct Pair<'a> {
    base: &'a Map<String, Value>,
    head: &'a Map<String, Value>,
    /// Whether a part that is missing is unknown, on each side.
    is_listed: [bool; 2],
}

impl<'a> Pair<'a> {
    /// Returns the part of both sides; a missing one is null. `None` if one side does not know it.
    fn both(&self, part: &str) -> Option<(&'a Value, &'a Value)> {
        let of = |definition: &'a Map<String, Value>, is_listed: bool| match definition.get(part) {
            Some(value) => Some(value),
            None if is_listed => None,
            None => Some(&Value::Null),
        };
        Some((of(self.base, self.is_listed[0])?, of(self.head, self.is_listed[1])?))
    }

    /// Returns the part of both sides if it changed.
    fn changed(&self, part: &str) -> Option<(&'a Value, &'a Value)> {
        self.both(part).filter(|(base, head)| base != head)
    }
}

/// Compares two contracts of one server.
pub(crate) fn compare(base: &Lock, head: &Lock) -> ContractDiff {
    let mut changes = Vec::new();
    server::compare(base, head, &mut changes);
    let is_listed = [base.is_listed, head.is_listed];
    let renamed = renamed(base, head);
    for (name, tool) in &base.tools {
        let new_name = renamed.get(name.as_str()).copied();
        let Some(other) = head.tools.get(new_name.unwrap_or(name)) else {
            let mut removed = Changes::of(Some(name));
            removed.add_detailed(&rule::TOOL_REMOVED, "", String::new(), &digest(tool), &Value::Null);
            changes.append(&mut removed.list);
            continue;
        };
        if tool.digest.is_some() && tool.digest == other.digest {
            continue;
        }
        let mut of_tool = Changes::of(Some(new_name.unwrap_or(name)));
        if let Some(new_name) = new_name {
            let has_alias = aliases(other).any(|alias| alias == name);
            let rule = if has_alias { &rule::TOOL_RENAMED } else { &rule::TOOL_RENAMED_AWAY };
            of_tool.add(rule, "", &name.as_str().into(), &new_name.into());
        }
        let pair = Pair { base: &tool.definition, head: &other.definition, is_listed };
        compare_tools(&pair, &mut of_tool);
        changes.append(&mut of_tool.list);
    }
    let is_known = |name: &str| base.tools.contains_key(name) || renamed.values().any(|new| *new == name);
    for (name, tool) in head.tools.iter().filter(|(name, _)| !is_known(name)) {
        let mut added = Changes::of(Some(name));
        added.add_detailed(&rule::TOOL_ADDED, "", String::new(), &Value::Null, &digest(tool));
        changes.append(&mut added.list);
    }
    // The gravest first, then by tool.
    changes.sort_by(|a, b| (b.class(), &a.tool, &a.place).cmp(&(a.class(), &b.tool, &b.place)));
    ContractDiff {
        changes,
        unknown_parts: unknown_parts(base, head),
        versions: [base.version.clone(), head.version.clone()],
    }
}

fn compare_tools(pair: &Pair<'_>, changes: &mut Changes) {
    texts::compare(pair, changes);
    hints::compare(pair, changes);
    access::compare(pair, changes);
    limits::compare(pair, changes);
    deprecation::compare(pair, changes);
    schemas::compare(pair, changes);
    let added = pair.head.keys().filter(|key| !pair.base.contains_key(*key));
    for part in pair.base.keys().chain(added).filter(|part| !COMPARED_PARTS.contains(&part.as_str())) {
        if let Some((before, after)) = pair.changed(part) {
            changes.add(&rule::UNKNOWN_CHANGED, part, before, after);
        }
    }
}

/// Finds the tools that have a new name: by an alias, or because only the name and the title differ.
fn renamed<'a>(base: &'a Lock, head: &'a Lock) -> BTreeMap<&'a str, &'a str> {
    let mut renamed = BTreeMap::new();
    let gone = || base.tools.iter().filter(|(name, _)| !head.tools.contains_key(*name));
    let new = || head.tools.iter().filter(|(name, _)| !base.tools.contains_key(*name));
    for (name, tool) in gone() {
        let by_alias = new().find(|(_, other)| aliases(other).any(|alias| alias == name));
        let found = by_alias.or_else(|| new().find(|(_, other)| is_renamed(tool, other)));
        if let Some((new_name, _)) = found.filter(|(new, _)| !renamed.values().any(|taken| taken == new)) {
            renamed.insert(name.as_str(), new_name.as_str());
        }
    }
    renamed
}

fn is_renamed(base: &LockedTool, head: &LockedTool) -> bool {
    let parts = ["description", "input_schema", "output_schema", "scopes"];
    parts.iter().all(|part| base.definition.get(*part) == head.definition.get(*part))
}

fn aliases(tool: &LockedTool) -> impl Iterator<Item = &str> {
    let aliases = tool.definition.get("aliases").and_then(Value::as_array);
    aliases.into_iter().flatten().filter_map(Value::as_str)
}

fn digest(tool: &LockedTool) -> Value {
    tool.digest.clone().map_or_else(|| Value::Object(tool.definition.clone()), Value::String)
}

/// Lists the parts that a running server does not tell, if one side is one.
fn unknown_parts(base: &Lock, head: &Lock) -> Vec<&'static str> {
    let lacks = |lock: &Lock, part: &str| {
        lock.is_listed && lock.tools.values().any(|tool| !tool.definition.contains_key(part))
    };
    let parts = COMPARED_PARTS.into_iter().filter(|part| !["output_schema", "deprecated"].contains(part));
    parts.filter(|part| lacks(base, part) || lacks(head, part)).collect()
}
