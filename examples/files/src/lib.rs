//! Files of a few folders: tools that read, search, write and move them, and never leave these folders.

pub mod changes;
pub mod reads;
pub mod roots;
pub mod text;

use std::path::PathBuf;

use candor::{Server, State, clap, tools};

use roots::{FileError, Roots, Writer};

/// The options of the server, beside those that every server has.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A folder that the tools may use; can be given several times
    // Each option can also be set by an environment variable, which Candor derives from the names: `FILES_ROOT`.
    #[arg(long = "root", value_name = "DIR", required = true)]
    roots: Vec<PathBuf>,
}

/// The state that the tools share.
#[derive(State)]
pub struct App {
    /// A `read_only` tool may take this handle, which can only read.
    roots: Roots,
    /// A `read_only` tool must not take this handle, which can write.
    #[state(write)]
    writer: Writer,
}

impl App {
    /// Opens the folders.
    ///
    /// # Errors
    ///
    /// A folder does not exist, or cannot be opened.
    pub fn open(folders: &[PathBuf]) -> Result<Self, FileError> {
        let roots = Roots::open(folders)?;
        Ok(Self { writer: Writer::of(&roots), roots })
    }
}

/// Makes the server.
pub fn server() -> Server<App> {
    Server::new("files", env!("CARGO_PKG_VERSION"))
        .title("Files")
        .instructions(
            "`list_roots` lists the folders that can be used. A relative path starts at the first of them.",
        )
        // A caller that may write may read, too.
        .scope_implies("files:write", "files:read")
        .args::<Options>()
        .state_with(|options: Options| App::open(&options.roots))
        .tools(tools![
            reads::list_roots,
            reads::read_text_file,
            reads::read_files,
            reads::list_directory,
            reads::directory_tree,
            reads::search_files,
            reads::file_info,
            changes::write_file,
            changes::edit_file,
            changes::create_directory,
            changes::move_file,
        ])
}
