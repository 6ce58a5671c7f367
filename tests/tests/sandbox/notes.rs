//! The text that a caller reads when a sandboxed tool fails: the whole cause, and a note if the sandbox may be behind it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
};

use anyhow::Context as _;
use candor::{Server, ToolError, mcp_tool, testing::Client, tools};
use serde_json::{Value, json};

/// Save a list.
#[mcp_tool(read_only, public)]
fn save(
    /// Its path.
    path: PathBuf,
) -> anyhow::Result<()> {
    fs::write(path, "list").context("the file cannot be written").context("the list cannot be saved")
}

/// Save a list with a program.
#[mcp_tool(read_only, public)]
fn save_with_a_program(
    /// Its path.
    path: PathBuf,
) -> Result<(), String> {
    let status = Command::new("touch").arg(path).stderr(std::process::Stdio::null()).status();
    let status = status.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("`touch` failed: {status}")) }
}

/// Save a list in a database.
#[mcp_tool(read_only, closed_world, public)]
fn save_in_a_database(
    /// Its path.
    path: PathBuf,
) -> anyhow::Result<()> {
    let database = rusqlite::Connection::open(path).context("no database")?;
    database.execute("insert into notes values ('new')", []).context("the note cannot be saved")?;
    Ok(())
}

/// Count the notes in a database.
#[mcp_tool(read_only, public)]
fn count(
    /// Its path.
    path: PathBuf,
) -> rusqlite::Result<i64> {
    let database = rusqlite::Connection::open(path)?;
    database.query_row("select count(*) from notes", [], |row| row.get(0))
}

/// Fetch a page.
#[mcp_tool(additive, closed_world, public)]
fn fetch(
    /// Its address.
    url: &str,
) -> Result<String, ureq::Error> {
    ureq::get(url).call()?.body_mut().read_to_string()
}

/// Fetch a page, as declared.
#[mcp_tool(additive, public)]
fn fetch_openly(
    /// Its address.
    url: &str,
) -> Result<String, ureq::Error> {
    ureq::get(url).call()?.body_mut().read_to_string()
}

/// Connect to a host by its name.
#[mcp_tool(read_only, closed_world, public)]
fn connect(
    /// Its name.
    host: &str,
) -> io::Result<()> {
    std::net::TcpStream::connect((host, 80)).map(drop)
}

/// Read a file as a user without privileges.
#[mcp_tool(read_only, public)]
fn read(
    /// Its path.
    path: PathBuf,
) -> io::Result<String> {
    let without_privileges = || {
        let none = rustix::thread::CapabilitySet::empty();
        let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets)?;
        File::open(path).and_then(io::read_to_string)
    };
    std::thread::scope(|scope| scope.spawn(without_privileges).join().unwrap())
}

/// Fail with a text that quotes an error.
#[mcp_tool(read_only, public)]
fn quote() -> Result<(), ToolError> {
    Err(ToolError::new("the remote host said: Permission denied (os error 13)"))
}

async fn client() -> Client {
    let server = Server::new("s", "1").unaudited().tools(tools![
        save,
        save_with_a_program,
        save_in_a_database,
        count,
        fetch,
        fetch_openly,
        connect,
        read,
        quote
    ]);
    Client::of(server).await
}

async fn fails(tool: &str, arguments: Value) -> String {
    let answer = client().await.call(tool, arguments).await.unwrap();
    assert!(answer.is_error, "{answer:?}");
    answer.text()
}

fn assert_mentions_the_sandbox(text: &str, way_out: &str) {
    let note = text.lines().find_map(|line| line.strip_prefix("note: ")).unwrap_or_default();
    let help = text.lines().find_map(|line| line.strip_prefix("help: ")).unwrap_or_default();
    assert!(note.contains(" is declared ") && note.contains(" may have refused "), "{text}");
    assert!(help.contains(way_out) && help.contains("`unsandboxed = \"reason\"`"), "{text}");
}

/// Makes a database with a table and no row.
fn database(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("notes.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("create table notes (text)").unwrap();
    path
}

#[tokio::test]
async fn contexts_keep_the_cause_and_the_note() {
    let folder = tempfile::tempdir().unwrap();
    let text = fails("save", json!({"path": folder.path().join("list")})).await;
    let causes = "the list cannot be saved: the file cannot be written: Permission denied (os error 13)\n";
    assert!(text.starts_with(causes), "{text}");
    assert_mentions_the_sandbox(&text, "`scratch`");
}

#[tokio::test]
async fn failed_child_mentions_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let text = fails("save_with_a_program", json!({"path": folder.path().join("list")})).await;
    assert!(text.starts_with("`touch` failed: exit status: 1\n"), "{text}");
    assert_mentions_the_sandbox(&text, "`additive`");
}

#[tokio::test]
async fn database_that_cannot_be_written_mentions_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let text = fails("save_in_a_database", json!({"path": database(&folder)})).await;
    assert!(text.starts_with("the note cannot be saved: attempt to write a readonly database"), "{text}");
    assert_mentions_the_sandbox(&text, "`scratch`");
    let text = fails("count", json!({"path": folder.path().join("none.db")})).await;
    assert!(text.starts_with("unable to open database file"), "{text}");
    assert_mentions_the_sandbox(&text, "`scratch`");
}

#[tokio::test]
async fn database_can_be_read_unless_it_is_in_wal_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(&folder);
    let answer = client().await.call("count", json!({"path": path})).await.unwrap();
    assert_eq!(answer.text(), "0");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
    assert_mentions_the_sandbox(&fails("count", json!({"path": path})).await, "`scratch`");
    let server = Server::new("s", "1").unaudited().tools(tools![count]).scratch(folder.path());
    let answer = Client::of(server).await.call("count", json!({"path": path})).await.unwrap();
    assert_eq!(answer.text(), "0", "with the database's folder as a scratch folder");
}

#[tokio::test]
async fn refused_connection_mentions_the_sandbox() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let text = fails("fetch", json!({"url": url})).await;
    assert!(text.contains("Permission denied"), "{text}");
    assert_mentions_the_sandbox(&text, "`closed_world_ports`");
    drop(listener);
    let text = fails("fetch_openly", json!({"url": url})).await;
    assert!(!text.contains("sandbox"), "{text}");
}

#[tokio::test]
async fn failed_look_up_mentions_the_sandbox() {
    let text = fails("connect", json!({"host": "candor.invalid"})).await;
    assert_mentions_the_sandbox(&text, "`closed_world`");
}

#[tokio::test]
async fn unreadable_file_does_not_accuse_the_tool() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "text").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let text = fails("read", json!({"path": path})).await;
    assert!(text.starts_with("Permission denied (os error 13)\n"), "{text}");
    let other = "it refuses no reading of files on disk, so for a file that was only read, the server's user has no permission";
    assert!(text.contains("may have refused to change something") && text.contains(other), "{text}");
}

#[tokio::test]
async fn quoted_error_mentions_nothing() {
    assert_eq!(fails("quote", json!({})).await, "the remote host said: Permission denied (os error 13)");
}
