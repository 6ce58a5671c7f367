//! Notes in one `SQLite` file: tools that write and search them, a resource for each, and a prompt.

pub mod memos;
pub mod store;
pub mod tools;

use std::{error::Error, path::PathBuf};

use candor::{Server, State, clap, tools};
use tokio::task::spawn_blocking;

use memos::Memos;
use store::{NoteError, Reader, Writer};

type BoxError = Box<dyn Error + Send + Sync>;

/// The options of the server, beside those that every server has.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The database, which is created if it does not exist
    // Each option can also be set by an environment variable, which Candor derives from the names: `NOTES_DB`.
    #[arg(long, value_name = "FILE", default_value = "notes.db")]
    db: PathBuf,
    /// The number of notes that can be read at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    readers: u32,
}

/// The state that the tools share.
#[derive(State)]
pub struct App {
    /// A `read_only` tool may take this handle: its connections are opened for reading.
    #[state(read)]
    pub(crate) reader: Reader,
    /// A `read_only` tool must not take this handle, which can write.
    #[state(write)]
    pub(crate) writer: Writer,
}

impl App {
    /// Opens the database. The pools start their threads here, outside every sandbox.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or written, or is not a database.
    pub fn open(options: &Options) -> Result<Self, NoteError> {
        let writer = Writer::open(&options.db)?;
        Ok(Self { reader: Reader::open(&options.db, options.readers)?, writer })
    }
}

/// Makes the server.
pub fn server() -> Server<App> {
    Server::new("notes", env!("CARGO_PKG_VERSION"))
        .title("Notes")
        .instructions(
            "Notes are kept until they are deleted. `memo://notes` lists them all, and `memo://7` is note 7.",
        )
        // A caller that may write may read, too.
        .scope_implies("notes:write", "notes:read")
        .args::<Options>()
        .state_with_async(|options: Options| async move {
            // Opening waits for the disk, which a task must not.
            Ok::<_, BoxError>(spawn_blocking(move || App::open(&options)).await??)
        })
        .on_stop(|app| async move { Ok::<_, BoxError>(spawn_blocking(move || app.writer.close()).await??) })
        .tools(tools![tools::add_note, tools::list_notes, tools::search_notes, tools::delete_notes])
        .handler_with(Memos::new)
}
