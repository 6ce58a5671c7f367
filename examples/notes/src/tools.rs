//! The tools: plain functions, each with an attribute that declares its effects.

#![expect(
    clippy::missing_errors_doc,
    reason = "a tool's docs are for clients, which read its errors as they come"
)]

use candor::{Content, Structured, mcp_tool};
use schemars::JsonSchema;
use serde::Serialize;

use super::store::{Note, NoteError, Reader, Writer};

/// The most notes that the plan of a deletion names.
const MAX_NAMED_NOTES: usize = 100;

/// Add a note.
// A client that does not know whether its call arrived sends it again with the same idempotency key: the server then
// returns the note that it added, and does not add another. Without a key, two calls are two notes.
#[mcp_tool(additive, closed_world, scope = "notes:write")]
pub fn add_note(
    writer: &Writer,
    /// The title, one line.
    #[param(pattern = r"^[^\n]{1,120}$", example = "Shopping")]
    title: &str,
    /// The text, in Markdown.
    #[param(min_len = 1, max_len = 20_000, example = "Milk and bread")]
    text: &str,
) -> Result<Structured<Note>, NoteError> {
    let note = writer.add(title, text)?;
    let content = Content::text(format!("added note {}", note.id));
    let content = content.link(note.uri(), &note.title, Some("text/markdown"));
    Ok(Structured::new(note).content(content))
}

/// A list of notes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    /// The notes, newest first.
    pub notes: Vec<Note>,
}

/// List the newest notes.
#[mcp_tool(read_only, closed_world, scope = "notes:read")]
pub fn list_notes(
    reader: &Reader,
    /// The most notes to return.
    #[param(min = 1, max = 100, default = 20)]
    limit: u32,
) -> Result<Listed, NoteError> {
    Ok(Listed { notes: reader.newest(limit)? })
}

/// Search the titles and texts of all notes, without regard to upper and lower case.
#[mcp_tool(read_only, closed_world, scope = "notes:read")]
pub fn search_notes(
    reader: &Reader,
    /// The text to find.
    #[param(min_len = 1, max_len = 80, example = "milk")]
    text: &str,
    /// The most notes to return.
    #[param(min = 1, max = 100, default = 20)]
    limit: u32,
) -> Result<Listed, NoteError> {
    Ok(Listed { notes: reader.matching(text, limit)? })
}

/// List the notes that would be deleted.
// The preview of `delete_notes`: its answer stands in the question that the user is asked.
#[mcp_tool(read_only, closed_world, scope = "notes:read")]
pub fn plan_delete(
    reader: &Reader,
    /// The text to find.
    #[param(min_len = 3, max_len = 80, example = "milk")]
    matching: &str,
) -> Result<String, NoteError> {
    let notes = reader.matching(matching, u32::MAX)?;
    let lines = notes.iter().take(MAX_NAMED_NOTES).map(|note| format!("\n{}: {}", note.id, note.title));
    Ok(format!("{} notes would be deleted{}", notes.len(), lines.collect::<String>()))
}

/// The result of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deleted {
    /// The numbers of the notes that match.
    pub ids: Vec<u32>,
    /// Whether they were only looked for.
    pub dry_run: bool,
}

/// Delete the notes whose title or text contains a text.
// Twice the same deletion leaves the notes as one does, so the tool is `idempotent`.
#[mcp_tool(
    destructive, idempotent, closed_world, scope = "notes:write",
    confirm = when(dry_run = false), preview = plan_delete
)]
pub fn delete_notes(
    reader: &Reader,
    writer: &Writer,
    /// The text to find.
    #[param(min_len = 3, max_len = 80, example = "milk")]
    matching: &str,
    /// Only say which notes would be deleted.
    #[param(default = true)]
    dry_run: bool,
) -> Result<Deleted, NoteError> {
    let notes =
        if dry_run { reader.matching(matching, u32::MAX)? } else { writer.delete_matching(matching)? };
    Ok(Deleted { ids: notes.iter().map(|note| note.id).collect(), dry_run })
}
