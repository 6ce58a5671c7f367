//! API keys: the file that `token` writes, and the callers that it lets in.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use candor::{
    Server,
    access::{Access, Denied},
    mcp_tool,
    testing::Clock,
    tools,
};
use tempfile::TempDir;

/// Read the vault.
#[mcp_tool(read_only, closed_world, scope = "read:vault")]
fn read_vault() -> &'static str {
    "gold"
}

/// A folder for a token file that does not exist yet.
struct TokenFile {
    _folder: TempDir,
    path: PathBuf,
}

impl TokenFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        Self { _folder: folder, path }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
        command.arg("token").args(arguments).arg("--file").arg(&self.path).stdin(Stdio::null());
        command
    }

    /// Exit code, stdout, stderr.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn key(&self, arguments: &[&str]) -> String {
        let (code, key, stderr) = self.run(&[&["new"], arguments].concat());
        assert_eq!(code, 0, "{stderr}");
        key.trim_end().to_owned()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn access(&self) -> Access {
        Access::tokens(&self.path).unwrap().clock(Clock::manual())
    }
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

const UNKNOWN: Denied = Denied::Bad("this server does not recognize the token");

#[tokio::test]
async fn new_keys_are_printed_once_and_stored_as_a_hash() {
    let tokens = TokenFile::new();
    let (code, out, stderr) = tokens.run(&["new", "--subject", "ci", "--scope", "read:vault"]);
    assert_eq!(code, 0, "{stderr}");
    let key = out.strip_suffix('\n').unwrap();
    let random = key.strip_prefix("candor_").unwrap();
    assert_eq!(random.len(), 43, "32 bytes in base64");
    assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{key}");
    assert!(!tokens.text().contains(random) && !stderr.contains(random));
    assert_eq!(mode(&tokens.path), 0o600);
    assert!(stderr.contains("of `ci` to "), "{stderr}");

    let access = tokens.access();
    let caller = access.caller(Some(key)).await.unwrap();
    assert_eq!((caller.issuer(), caller.subject()), (None, "ci"));
    assert_eq!(caller.scopes().collect::<Vec<_>>(), ["read:vault"]);
    assert_eq!(access.caller(None).await, Err(Denied::Missing));
    let other = format!("{key}x");
    let long = "x".repeat(20_000);
    for bogus in [&other, &key[..key.len() - 1], random, "candor_", "x"] {
        assert_eq!(access.caller(Some(bogus)).await, Err(UNKNOWN), "{bogus}");
    }
    for bogus in ["", &long] {
        assert!(matches!(access.caller(Some(bogus)).await, Err(Denied::Bad(_))));
    }
    assert_ne!(tokens.key(&["--subject", "ci"]), key);
}

#[tokio::test]
async fn adding_a_key_leaves_the_rest_of_the_file_unchanged() {
    let tokens = TokenFile::new();
    let first = tokens.key(&["--subject", "first", "--scope", "read:vault"]);
    let text = format!("# Ours.\n\n{} # the oldest\n", tokens.text().trim_end());
    fs::write(&tokens.path, &text).unwrap();
    fs::set_permissions(&tokens.path, fs::Permissions::from_mode(0o640)).unwrap();
    let second = tokens.key(&["--subject", "second", "--scope", "read:vault", "--scope", "x y"]);
    let now = tokens.text();
    assert!(now.starts_with(&text), "{now}");
    assert!(now[text.len()..].starts_with("\n[[token]]\nsubject = \"second\"\n"), "{now}");
    assert!(now.contains("scopes = [\"read:vault\", \"x\", \"y\"]"), "{now}");
    assert_eq!(mode(&tokens.path), 0o640, "the server may run as another user");
    let access = tokens.access();
    assert_eq!(access.caller(Some(&first)).await.unwrap().subject(), "first");
    assert_eq!(access.caller(Some(&second)).await.unwrap().scopes().count(), 3);
}

#[tokio::test]
async fn keys_are_refused_after_they_expire() {
    let tokens = TokenFile::new();
    let key = tokens.key(&["--subject", "ci", "--expires", "90d"]);
    let text = tokens.text();
    let time = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches([' ', '=']).parse::<jiff::Timestamp>().unwrap()
    };
    let day = 24 * 3600;
    assert_eq!(time("expires").as_second() - time("created").as_second(), 90 * day);
    // The manual clock starts at midnight.
    fs::write(&tokens.path, text.replace(&time("expires").to_string(), "2026-07-28T01:00:00Z")).unwrap();
    let clock = Clock::manual();
    let access = Access::tokens(&tokens.path).unwrap().clock(clock.clone());
    clock.advance(Duration::from_secs(3599));
    assert!(access.caller(Some(&key)).await.is_ok());
    assert_eq!(access.warnings(), []);
    clock.advance(Duration::from_secs(1));
    assert_eq!(access.caller(Some(&key)).await, Err(Denied::Bad("the API key has expired")));
    assert!(access.warnings()[0].fact().contains("has no valid key"), "{:?}", access.warnings());
}

#[test]
fn keys_with_an_invalid_time_or_name_are_not_created() {
    let tokens = TokenFile::new();
    for (arguments, says) in [
        (
            vec!["--subject", "ci", "--expires", "soon"],
            "invalid value 'soon' for '--expires <TIME>': expected a time",
        ),
        (
            vec!["--subject", "ci", "--expires=-1d"],
            "invalid value '-1d' for '--expires <TIME>': expected a time",
        ),
        (
            vec!["--subject", "ci", "--expires", "0s"],
            "invalid value '0s' for '--expires <TIME>': expected a time",
        ),
        (vec!["--subject", "ci", "--expires", "9000y"], "`--expires` ends after the year 9999"),
        (vec!["--subject", " "], "`subject` is not a valid name"),
        (vec!["--subject", "ci\nroot"], "`subject` is not a valid name"),
        (vec!["--subject", "ci", "--scope", "read:\"vault\""], "`scopes` must hold one scope per string"),
    ] {
        let (code, out, stderr) = tokens.run(&[&["new"], &*arguments].concat());
        assert_eq!((code, &*out), (2, ""), "{arguments:?}");
        assert!(stderr.starts_with(&format!("error: {says}")), "{stderr}");
    }
    assert!(!tokens.path.exists());
    let (_, _, stderr) = tokens.run(&["new", "--subject", "ci", "--scope", "read:vaul"]);
    assert!(stderr.contains("warning: no tool needs `read:vaul`; did you mean `read:vault`?"), "{stderr}");
}

#[test]
fn invalid_token_files_are_reported_with_their_line_and_not_changed() {
    let hash = "a".repeat(64);
    let entry = format!("[[token]]\nsubject = \"ci\"\nscopes = []\nsha256 = \"{hash}\"\n");
    for (text, says) in [
        ("[[token]".to_owned(), "line 1: "),
        (entry.replace("\"ci\"", "7"), "line 2: "),
        (entry.replace("[]", "\"read write\""), "line 3: "),
        (entry.replace("[]", "[\"read write\"]"), "line 3: `scopes` must hold one scope per string"),
        (entry.replace(&hash, "s3cr3t"), "line 4: `sha256` is not the hash of a key"),
        (format!("{entry}expire = 2027-01-31T12:00:00Z\n"), "line 5: unknown field: did you mean `expires`?"),
        (format!("{entry}expires = 2027-01-31\n"), "line 5: expected a date, a time and a zone"),
        (format!("{entry}expires = \"in May\"\n"), "line 5: "),
        (format!("{entry}\n{entry}"), "key `aaaaaaaaaaaa` has two entries"),
        (entry.replace("sha256", "sha1"), "line 4: unknown field"),
        (entry.replace("sha256", "s3cr3t"), "line 4: unknown field: expected `subject`, "),
        (entry.replace("subject", "\"subject s3cr3t\""), "line 2: unknown field"),
        (entry.replace("[[token]]", "[[s3cr3t]]"), "line 1: unknown field: expected `subject`, "),
        (entry.replace("[]", "\"s3cr3t\""), "line 3: the value has the wrong type: expected a sequence"),
        (entry.replace("[]", "{s3cr3t = 1}"), "line 3: the value has the wrong type"),
        (format!("{entry}expires = \"s3cr3t\"\n"), "line 5: "),
        (format!("{entry}s3cr3t\n"), "line 5: "),
        (format!("s3cr3t = \n{entry}"), "line 1: "),
        (format!("{entry}subject = \"s3cr3t\"\n"), "line 5: "),
        (entry.replace("[[token]]", "[[tokens]]"), "line 1: unknown field: did you mean `token`?"),
    ] {
        let tokens = TokenFile::new();
        fs::write(&tokens.path, &text).unwrap();
        let error = Access::tokens(&tokens.path).unwrap_err().to_string();
        assert!(error.contains(&format!("cannot be parsed\nnote: {says}")), "{text}\n{error}");
        assert!(error.contains("\nhelp: ") && !error.contains("s3cr3t"), "{error}");
        let (code, out, stderr) = tokens.run(&["new", "--subject", "ci"]);
        assert_eq!((code, &*out), (2, ""), "{text}");
        assert!(stderr.contains(says) && !stderr.contains("s3cr3t"), "{stderr}");
        assert_eq!(tokens.text(), text);
    }
    let error = Access::tokens("/nowhere/tokens.toml").unwrap_err().to_string();
    assert!(error.contains("cannot be read: ") && error.contains("help: `token new "), "{error}");
}

#[tokio::test]
async fn reloading_a_broken_token_file_keeps_the_earlier_keys() {
    let tokens = TokenFile::new();
    let first = tokens.key(&["--subject", "first"]);
    let access = tokens.access();
    let second = tokens.key(&["--subject", "second"]);
    assert_eq!(access.caller(Some(&second)).await, Err(UNKNOWN));
    access.reload().unwrap();
    assert!(access.caller(Some(&second)).await.is_ok());
    let good = tokens.text();
    fs::write(&tokens.path, &good[..good.len() - 20]).unwrap();
    assert!(access.reload().unwrap_err().to_string().contains("cannot be parsed"));
    fs::remove_file(&tokens.path).unwrap();
    assert!(access.reload().unwrap_err().to_string().contains("cannot be read"));
    assert!(access.caller(Some(&first)).await.is_ok());
    assert!(access.caller(Some(&second)).await.is_ok());
    fs::write(&tokens.path, "").unwrap();
    access.reload().unwrap();
    assert_eq!(access.caller(Some(&first)).await, Err(UNKNOWN));
}

#[tokio::test]
async fn keys_are_listed_and_revoked_by_id() {
    let tokens = TokenFile::new();
    let ci = tokens.key(&["--subject", "ci", "--scope", "read:vault"]);
    let ada = tokens.key(&["--subject", "ada", "--expires", "1y"]);
    let (code, list, _) = tokens.run(&["list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((code, rows[0][0], rows.len()), (0, "KEY", 3));
    assert_eq!((rows[1][1], rows[1][2], rows[1][4]), ("ci", "read:vault", "never"));
    assert_eq!((rows[2][1], rows[2][2]), ("ada", "-"));
    assert!(!list.contains(&ci) && !list.contains(&ada));

    let (code, out, _) = tokens.run(&["revoke", rows[1][0]]);
    assert_eq!((code, out), (0, format!("revoked {} of ci\n", rows[1][0])));
    let access = tokens.access();
    assert_eq!(access.caller(Some(&ci)).await, Err(UNKNOWN));
    assert!(access.caller(Some(&ada)).await.is_ok());
    for (id, says) in [(rows[1][0], "has no key with the id"), ("", "has no key with the id")] {
        let (code, _, stderr) = tokens.run(&["revoke", id]);
        assert_eq!(code, 2);
        assert!(stderr.contains(says), "{stderr}");
    }
}

#[test]
fn token_files_that_others_can_read_cause_a_warning() {
    let tokens = TokenFile::new();
    tokens.key(&["--subject", "ci"]);
    assert_eq!(tokens.access().warnings(), []);
    for (mode, is_reported) in [(0o640, true), (0o604, true), (0o620, false), (0o400, false)] {
        fs::set_permissions(&tokens.path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = tokens.access().warnings();
        let is_warned = warnings.iter().any(|warning| warning.to_string().contains("help: chmod 600"));
        assert_eq!(is_warned, is_reported, "{mode:o}");
    }
}

#[test]
fn keys_created_concurrently_are_all_stored() {
    let tokens = TokenFile::new();
    let made: Vec<_> = (0..12)
        .map(|n| {
            let subject = format!("s{n}");
            tokens
                .command(&["new", "--subject", &subject])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        })
        .collect();
    for child in made {
        assert!(child.unwrap().wait().unwrap().success());
    }
    assert_eq!(tokens.text().matches("[[token]]").count(), 12);
    let left: Vec<_> = fs::read_dir(tokens.path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "temporary files remain: {left:?}");
}

#[tokio::test]
async fn key_scopes_imply_others() {
    let tokens = TokenFile::new();
    let key = tokens.key(&["--subject", "ci", "--scope", "admin"]);
    let server = Server::new("vault", "1.0.0")
        .tools(tools![read_vault])
        .scope_implies("admin", "write:vault")
        .scope_implies("write:vault", "read:vault");
    let service = server.build().unwrap();
    let access = tokens.access().for_server(&service);
    let caller = access.caller(Some(&key)).await.unwrap();
    assert_eq!(caller.scopes().collect::<Vec<_>>(), ["admin", "read:vault", "write:vault"]);
    access.reload().unwrap();
    assert!(access.caller(Some(&key)).await.unwrap().holds("read:vault"));
    let everyone = Access::everyone("write:vault").for_server(&service);
    assert!(everyone.caller(None).await.unwrap().holds("read:vault"));
    assert!(access.requires_token() && !everyone.requires_token());
}
