//! The tools that only read.

#![expect(
    clippy::missing_errors_doc,
    reason = "a tool's docs are for clients, which read its errors as they come"
)]

use std::path::Path;

use candor::{Call, ToolError, mcp_tool};
use cap_std::fs::{Dir, DirEntry, FileType, Metadata};
use glob::{MatchOptions, Pattern};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    roots::{FileError, Place, Roots},
    text::{self, Part},
};

/// The most entries of a tree.
const MAX_TREE_ENTRIES: usize = 2_000;
/// The most folders inside of each other that a search enters.
const MAX_SEARCH_DEPTH: usize = 64;

/// The folders that the tools may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Folders {
    /// The absolute paths.
    pub folders: Vec<String>,
}

/// List the folders that the tools may use.
#[mcp_tool(read_only, closed_world, scope = "files:read")]
pub fn list_roots(roots: &Roots) -> Folders {
    Folders { folders: roots.paths().map(|path| path.display().to_string()).collect() }
}

/// Read a text file, or its first or last lines.
#[mcp_tool(read_only, closed_world, scope = "files:read", output = "4MiB", rules(at_most_one(head, tail)))]
pub fn read_text_file(
    roots: &Roots,
    /// The path.
    #[param(example = "README.md")]
    path: &str,
    /// The number of first lines to read.
    #[param(min = 1, max = 100_000)]
    head: Option<usize>,
    /// The number of last lines to read.
    #[param(min = 1, max = 100_000)]
    tail: Option<usize>,
) -> Result<String, FileError> {
    let part = head.map(Part::Head).or(tail.map(Part::Tail)).unwrap_or(Part::Whole);
    text::read(&roots.place(path)?, part)
}

/// The files that were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReadFiles {
    /// The files, in the order of the request.
    pub files: Vec<ReadFile>,
}

/// A file that was read, or the reason why it could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReadFile {
    /// The path, as it was requested.
    pub path: String,
    /// The content.
    pub text: Option<String>,
    /// The reason why there is no content.
    pub error: Option<String>,
}

/// Read several text files. One that cannot be read does not fail the others.
#[mcp_tool(read_only, closed_world, scope = "files:read", output = "16MiB")]
pub fn read_files(
    roots: &Roots,
    /// The paths.
    #[param(min_len = 1, max_len = 20, lenient, example = ["README.md"])]
    paths: &[String],
) -> ReadFiles {
    let read = |path: &String| match roots.place(path).and_then(|place| text::read(&place, Part::Whole)) {
        Ok(text) => ReadFile { path: path.clone(), text: Some(text), error: None },
        Err(error) => {
            let error = ToolError::from_error(&error).message().to_owned();
            ReadFile { path: path.clone(), text: None, error: Some(error) }
        }
    };
    ReadFiles { files: paths.iter().map(read).collect() }
}

/// The kind of an entry of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            kind if kind.is_file() => Self::File,
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_symlink() => Self::Link,
            _ => Self::Other,
        }
    }
}

/// The content of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    /// The entries, by name.
    pub entries: Vec<Entry>,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: Kind,
    /// The size of a file in bytes.
    pub size: Option<u64>,
}

/// List the files and folders in a folder.
#[mcp_tool(read_only, closed_world, scope = "files:read")]
pub fn list_directory(
    roots: &Roots,
    /// The path of the folder.
    #[param(default = ".", example = ".")]
    path: &str,
) -> Result<Listed, FileError> {
    let place = roots.place(path)?;
    let listed = |entry: DirEntry| {
        let kind = entry.file_type()?.into();
        let size = if kind == Kind::File { Some(entry.metadata()?.len()) } else { None };
        Ok(Entry { name: name(&entry), kind, size })
    };
    let entries = open_dir(&place).and_then(|dir| sorted(&dir)?.into_iter().map(listed).collect());
    Ok(Listed { entries: entries.map_err(|error| place.failed("listed", error))? })
}

/// A folder with everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tree {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: Kind,
    /// The entries of a folder, by name; those of folders at the greatest depth are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<Tree>>,
}

/// List a folder, the folders in it, and so on, as a tree.
#[mcp_tool(read_only, closed_world, scope = "files:read")]
pub fn directory_tree(
    roots: &Roots,
    /// The path of the folder.
    #[param(default = ".", example = ".")]
    path: &str,
    /// The number of levels.
    #[param(min = 1, max = 16, default = 3)]
    depth: usize,
) -> Result<Tree, FileError> {
    let place = roots.place(path)?;
    let (mut left, failed) = (MAX_TREE_ENTRIES, |error| place.failed("listed", error));
    let dir = open_dir(&place).map_err(failed)?;
    let children = children(&dir, depth, &mut left).map_err(failed)?;
    match children {
        Some(children) => Ok(Tree { name: place.shown(), kind: Kind::Folder, children: Some(children) }),
        None => Err(FileError::TooMany(MAX_TREE_ENTRIES)),
    }
}

/// Returns the entries of a folder, or `None` if there are more than `left` of them.
fn children(dir: &Dir, depth: usize, left: &mut usize) -> std::io::Result<Option<Vec<Tree>>> {
    let mut trees = Vec::new();
    for entry in sorted(dir)? {
        let Some(fewer) = left.checked_sub(1) else { return Ok(None) };
        *left = fewer;
        let kind = entry.file_type()?.into();
        let below = match kind {
            Kind::Folder if depth > 1 => match children(&entry.open_dir()?, depth - 1, left)? {
                None => return Ok(None),
                below => below,
            },
            _ => None,
        };
        trees.push(Tree { name: name(&entry), kind, children: below });
    }
    Ok(Some(trees))
}

/// The files and folders that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Found {
    /// The absolute paths.
    pub paths: Vec<String>,
    /// Whether there may be more.
    pub is_cut: bool,
}

/// Search files and folders by a pattern for their paths.
#[mcp_tool(read_only, closed_world, scope = "files:read", timeout = "30s")]
pub fn search_files(
    roots: &Roots,
    call: &Call,
    /// The folder to search.
    #[param(default = ".", example = ".")]
    path: &str,
    /// A glob pattern for the path below that folder: `*.md`, `**/*.rs`.
    #[param(min_len = 1, max_len = 200, example = "**/*.rs")]
    pattern: &str,
    /// The most paths to return.
    #[param(min = 1, max = 1000, default = 100)]
    limit: usize,
) -> Result<Found, FileError> {
    let place = roots.place(path)?;
    let mut search = Search { call, pattern: Pattern::new(pattern)?, limit, found: Vec::new() };
    let searched = open_dir(&place).and_then(|dir| search.visit(&dir, Path::new(""), MAX_SEARCH_DEPTH));
    let is_whole = searched.map_err(|error| place.failed("searched", error))?;
    let root = place.shown();
    let paths = search.found.iter().map(|below| Path::new(&root).join(below).display().to_string());
    Ok(Found { paths: paths.collect(), is_cut: !is_whole })
}

/// A search that goes on.
struct Search<'a> {
    call: &'a Call,
    pattern: Pattern,
    limit: usize,
    found: Vec<String>,
}

impl Search<'_> {
    /// Searches a folder, without following links. Returns whether it came to the end.
    fn visit(&mut self, dir: &Dir, below: &Path, depth: usize) -> std::io::Result<bool> {
        // A `*` stands for a part of one name.
        const OPTIONS: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        for entry in sorted(dir)? {
            // A caller that has gone needs no answer. The thread of a handler that does not look would go on.
            if depth == 0 || self.found.len() == self.limit || self.call.is_cancelled() {
                return Ok(false);
            }
            let path = below.join(name(&entry));
            if self.pattern.matches_path_with(&path, OPTIONS) {
                self.found.push(path.display().to_string());
            }
            let is_folder = entry.file_type()?.is_dir();
            // A folder that cannot be opened does not end the search.
            if is_folder
                && let Ok(dir) = entry.open_dir()
                && !self.visit(&dir, &path, depth - 1)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A description of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Info {
    /// The absolute path.
    pub path: String,
    /// The kind; links are followed.
    pub kind: Kind,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change, if the system knows it.
    pub modified: Option<Timestamp>,
    /// The time of the creation, if the system knows it.
    pub created: Option<Timestamp>,
    /// Whether it is protected against writing.
    pub is_protected: bool,
}

/// Describe a file or folder: its kind, size and times.
#[mcp_tool(read_only, closed_world, scope = "files:read")]
pub fn file_info(
    roots: &Roots,
    /// The path.
    #[param(example = ".")]
    path: &str,
) -> Result<Info, FileError> {
    let place = roots.place(path)?;
    let metadata: Metadata =
        place.dir().metadata(place.below()).map_err(|error| place.failed("found", error))?;
    let time = |time: cap_std::time::SystemTime| Timestamp::try_from(time.into_std()).ok();
    Ok(Info {
        path: place.shown(),
        kind: metadata.file_type().into(),
        size: metadata.len(),
        modified: metadata.modified().ok().and_then(time),
        created: metadata.created().ok().and_then(time),
        is_protected: metadata.permissions().readonly(),
    })
}

fn open_dir(place: &Place<'_>) -> std::io::Result<Dir> {
    place.dir().open_dir(place.below())
}

/// Returns the entries of a folder, by name.
fn sorted(dir: &Dir) -> std::io::Result<Vec<DirEntry>> {
    let mut entries = dir.entries()?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}
