//! The tools that write, and the previews that their questions show.

#![expect(
    clippy::missing_errors_doc,
    reason = "a tool's docs are for clients, which read its errors as they come"
)]

use std::io;

use candor::{Content, Structured, mcp_tool};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    roots::{FileError, Roots, Writer},
    text::{self, Edit, Part},
};

/// Show what a new content would change in a file.
// The preview of `write_file`: its answer stands in the question that the user is asked.
#[mcp_tool(read_only, closed_world, scope = "files:read")]
pub fn plan_write(
    roots: &Roots,
    /// The path.
    #[param(max_len = 4096, example = "notes.md")]
    path: &str,
    /// The whole content.
    #[param(max_len = 1_000_000, example = "# Notes")]
    content: &str,
) -> Result<String, FileError> {
    let place = roots.place(path)?;
    let old = match text::read(&place, Part::Whole) {
        Err(FileError::Failed { source, .. }) if source.kind() == io::ErrorKind::NotFound => String::new(),
        old => old?,
    };
    Ok(text::difference(&place.shown(), &old, content))
}

/// The file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Written {
    /// The absolute path.
    pub path: String,
    /// The size in bytes.
    pub size: usize,
}

/// Create a text file, or replace the whole content of one.
#[mcp_tool(destructive, idempotent, closed_world, scope = "files:write", preview = plan_write)]
pub fn write_file(
    writer: &Writer,
    /// The path. Its folder must exist.
    #[param(max_len = 4096, example = "notes.md")]
    path: &str,
    /// The whole content.
    #[param(max_len = 1_000_000, example = "# Notes")]
    content: &str,
) -> Result<Written, FileError> {
    let _changing = writer.lock();
    let place = writer.roots().place(path)?;
    Writer::replace(&place, content)?;
    Ok(Written { path: place.shown(), size: content.len() })
}

/// Show what edits would change in a file.
// The preview of `edit_file`. If the edits do not apply, its error is the answer, and the user is not asked.
#[mcp_tool(read_only, closed_world, scope = "files:read")]
pub fn plan_edit(
    roots: &Roots,
    /// The path.
    #[param(max_len = 4096, example = "notes.md")]
    path: &str,
    /// The edits, each of which applies to the result of those before it.
    #[param(min_len = 1, max_len = 100, lenient)]
    edits: &[Edit],
) -> Result<String, FileError> {
    let place = roots.place(path)?;
    let old = text::read(&place, Part::Whole)?;
    Ok(text::difference(&place.shown(), &old, &text::apply(&old, edits)?))
}

/// The result of edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Edited {
    /// The absolute path.
    pub path: String,
    /// The difference in the unified format.
    pub difference: String,
    /// Whether the file was left as it is.
    pub dry_run: bool,
}

/// Replace parts of a text file, all or none of them.
// Not `idempotent`: a new text may hold the old one. Not every client can send an idempotency key, so none is required.
#[mcp_tool(
    destructive, closed_world, scope = "files:write", idempotency_key = "optional",
    confirm = when(dry_run = false), preview = plan_edit
)]
pub fn edit_file(
    writer: &Writer,
    /// The path.
    #[param(max_len = 4096, example = "notes.md")]
    path: &str,
    /// The edits, each of which applies to the result of those before it.
    #[param(min_len = 1, max_len = 100, lenient)]
    edits: &[Edit],
    /// Only show what would change.
    #[param(default = false)]
    dry_run: bool,
) -> Result<Structured<Edited>, FileError> {
    let _changing = writer.lock();
    let place = writer.roots().place(path)?;
    let old = text::read(&place, Part::Whole)?;
    let new = text::apply(&old, edits)?;
    if !dry_run {
        Writer::replace(&place, &new)?;
    }
    let difference = text::difference(&place.shown(), &old, &new);
    let content = Content::text(&difference);
    Ok(Structured::new(Edited { path: place.shown(), difference, dry_run }).content(content))
}

/// Create a folder, and the folders that it is in.
#[mcp_tool(additive, idempotent, closed_world, scope = "files:write")]
pub fn create_directory(
    writer: &Writer,
    /// The path.
    #[param(max_len = 4096, example = "drafts/2026")]
    path: &str,
) -> Result<(), FileError> {
    let place = writer.roots().place(path)?;
    place.dir().create_dir_all(place.below()).map_err(|error| place.failed("created", error))
}

/// Move or rename a file or folder. Nothing is overwritten.
#[mcp_tool(destructive, closed_world, scope = "files:write", idempotency_key = "optional")]
pub fn move_file(
    writer: &Writer,
    /// The path.
    #[param(max_len = 4096, example = "draft.md")]
    source: &str,
    /// The new path.
    #[param(max_len = 4096, example = "final.md")]
    destination: &str,
) -> Result<(), FileError> {
    let _changing = writer.lock();
    let (from, to) = (writer.roots().place(source)?, writer.roots().place(destination)?);
    // A file that another program puts there in between is overwritten: portable systems have no call that refuses.
    match to.dir().symlink_metadata(to.below()) {
        Ok(_) => return Err(FileError::Exists(to.shown())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(to.failed("written", error)),
    }
    from.dir().rename(from.below(), to.dir(), to.below()).map_err(|error| from.failed("moved", error))
}
