//! Writes and reads `tools.lock.json`: the whole contract of a server, with a digest of each tool's definition.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value, json};

use super::{
    definition::{definition, digest},
    outline::Outline,
};
use crate::{message::Message, ordered::CollectOrdered as _, scopes::Visibility};

/// The version of the file's format that this version writes, and the newest that it reads.
const LOCK_FORMAT: u64 = 1;

/// A contract, read from a lock or from a running server.
pub(crate) struct Lock {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The members of the lock other than the tools.
    pub(crate) settings: Map<String, Value>,
    pub(crate) tools: BTreeMap<String, LockedTool>,
    /// Whether it holds only what `tools/list` says. A part that is missing is then unknown.
    pub(crate) is_listed: bool,
}

/// One tool of a contract.
pub(crate) struct LockedTool {
    /// `None` if a running server does not say it.
    pub(crate) digest: Option<String>,
    pub(crate) definition: Map<String, Value>,
}

/// The reason why a lock cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LockFault {
    /// The text is not JSON.
    NotJson(String),
    /// The text is JSON, and not a lock.
    NotALock(&'static str),
    /// A later version of Candor wrote it.
    NewerFormat(u64),
    /// The definition of this tool does not have the digest that stands beside it.
    Edited(String),
}

impl LockFault {
    /// The id of the finding.
    #[cfg(feature = "cli")]
    pub(crate) const fn id(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "lock-not-json",
            Self::NotALock(_) => "lock-malformed",
            Self::NewerFormat(_) => "lock-of-newer-format",
            Self::Edited(_) => "lock-edited",
        }
    }

    /// The message about the lock `place`.
    pub(crate) fn message(&self, place: &impl fmt::Display) -> Message {
        let again = "write it again with the command `lock --write`";
        match self {
            Self::NotJson(error) => Message::new(format!("{place} is not JSON: {error}")).help(again),
            Self::NotALock(missing) => {
                Message::new(format!("{place} is not a lock: it has no {missing}")).help(again)
            }
            Self::NewerFormat(format) => Message::new(format!("{place} has the format {format}"))
                .note(format!("this version of Candor reads formats up to {LOCK_FORMAT}"))
                .help("update the crate `candor`"),
            Self::Edited(tool) => Message::new(format!(
                "the definition of tool `{}` in {place} was edited",
                crate::text::shown(tool)
            ))
            .note("it does not have the digest that stands beside it")
            .help(again),
        }
    }
}

/// Writes the lock of a server: canonical JSON with sorted keys, two spaces and one newline at the end.
pub(crate) fn lock(outline: &Outline) -> String {
    let tools = outline
        .registry
        .tools()
        .iter()
        .map(|tool| json!({"digest": tool.digest, "definition": definition(tool)}));
    let about = &outline.about;
    let mut lock = settings(outline);
    lock.insert("lock_format".to_owned(), LOCK_FORMAT.into());
    lock.insert("server".to_owned(), json!({"name": about.name, "version": about.version}));
    lock.insert("tools".to_owned(), tools.collect());
    let mut lock = Value::from(lock);
    // Another crate of the program may have turned on the feature that keeps the order of insertion.
    lock.sort_all_objects();
    let mut text = serde_json::to_string_pretty(&lock).expect("JSON values have string keys");
    text.push('\n');
    text
}

/// The members of a lock other than its format, the server and the tools.
fn settings(outline: &Outline) -> Map<String, Value> {
    let settings = json!({
        "title": outline.about.title,
        "instructions": outline.about.instructions,
        "protocol_revisions": outline.revisions.iter().map(|revision| revision.as_str()).collect::<Vec<_>>(),
        "visibility": match outline.visibility {
            Visibility::Hidden => "hidden",
            Visibility::Concealed => "concealed",
            Visibility::Listed => "listed",
        },
        "basic_scopes": outline.scopes.basic(),
        "scope_implies": outline.scopes.implied(),
    });
    let Value::Object(settings) = settings else { unreachable!("an object above") };
    settings
}

impl Lock {
    /// The contract of a server, equal to the one that is read from the text of its lock.
    #[cfg(feature = "cli")]
    pub(crate) fn of(outline: &Outline) -> Self {
        let tools = outline.registry.tools().iter().map(|tool| {
            let locked = LockedTool { digest: Some(tool.digest.clone()), definition: definition(tool) };
            (tool.name().to_owned(), locked)
        });
        Self {
            name: outline.about.name.clone(),
            version: outline.about.version.clone(),
            settings: settings(outline),
            tools: tools.collect_ordered(),
            is_listed: false,
        }
    }

    /// Reads a lock, and checks that nothing in it was edited by hand.
    pub(crate) fn read(text: &str) -> Result<Self, LockFault> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lock: Value =
            serde_json::from_str(text).map_err(|error| LockFault::NotJson(error.to_string()))?;
        let Value::Object(mut settings) = lock else { return Err(LockFault::NotALock("members")) };
        match settings.remove("lock_format").as_ref().and_then(Value::as_u64) {
            Some(LOCK_FORMAT) => {}
            Some(format) if format > LOCK_FORMAT => return Err(LockFault::NewerFormat(format)),
            _ => return Err(LockFault::NotALock("`lock_format`")),
        }
        let Some(Value::Object(mut server)) = settings.remove("server") else {
            return Err(LockFault::NotALock("`server`"));
        };
        let mut text = |key| match server.remove(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(LockFault::NotALock("`server` with a name and a version")),
        };
        let (name, version) = (text("name")?, text("version")?);
        let Some(Value::Array(entries)) = settings.remove("tools") else {
            return Err(LockFault::NotALock("`tools`"));
        };
        let count = entries.len();
        let tools = entries.into_iter().map(tool).collect::<Result<Vec<_>, _>>()?;
        let tools: BTreeMap<_, _> = tools.into_iter().collect_ordered();
        if tools.len() < count {
            return Err(LockFault::NotALock("tools of different names"));
        }
        Ok(Self { name, version, settings, tools, is_listed: false })
    }
}

fn tool(entry: Value) -> Result<(String, LockedTool), LockFault> {
    let Value::Object(mut entry) = entry else { return Err(LockFault::NotALock("tools that are objects")) };
    let (Some(Value::String(stored)), Some(Value::Object(definition))) =
        (entry.remove("digest"), entry.remove("definition"))
    else {
        return Err(LockFault::NotALock("`digest` and `definition` in each tool"));
    };
    let Some(name) = definition.get("name").and_then(Value::as_str).map(str::to_owned) else {
        return Err(LockFault::NotALock("name in each definition"));
    };
    if digest(&definition) != stored {
        return Err(LockFault::Edited(name));
    }
    Ok((name, LockedTool { digest: Some(stored), definition }))
}
