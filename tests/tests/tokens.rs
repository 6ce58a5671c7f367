//! API keys: what `token` writes → who may call with what it printed.

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

/// A folder with a file of keys that is not there yet.
struct Desk {
    _folder: TempDir,
    file: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.toml");
        Self { _folder: folder, file }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
        command.arg("token").args(arguments).arg("--file").arg(&self.file).stdin(Stdio::null());
        command
    }

    /// Exit code, stdout, stderr.
    fn ran(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn key(&self, arguments: &[&str]) -> String {
        let (code, key, said) = self.ran(&[&["new"], arguments].concat());
        assert_eq!(code, 0, "{said}");
        key.trim_end().to_owned()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn access(&self) -> Access {
        Access::tokens(&self.file).unwrap().clock(Clock::manual())
    }
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

const UNKNOWN: Denied = Denied::Bad("the token is not known here");

#[tokio::test]
async fn a_key_is_printed_once_and_only_its_hash_is_kept() {
    let desk = Desk::new();
    let (code, out, said) = desk.ran(&["new", "--subject", "ci", "--scope", "read:vault"]);
    assert_eq!(code, 0, "{said}");
    let key = out.strip_suffix('\n').unwrap();
    let random = key.strip_prefix("candor_").unwrap();
    assert_eq!(random.len(), 43, "32 bytes in base64");
    assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{key}");
    assert!(!desk.text().contains(random) && !said.contains(random));
    assert_eq!(mode(&desk.file), 0o600);
    assert!(said.contains("of `ci`, for ever"), "{said}");

    let access = desk.access();
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
    assert_ne!(desk.key(&["--subject", "ci"]), key);
}

#[tokio::test]
async fn what_stood_in_the_file_stays_as_it_was() {
    let desk = Desk::new();
    let first = desk.key(&["--subject", "first", "--scope", "read:vault"]);
    let text = format!("# Ours.\n\n{} # the oldest\n", desk.text().trim_end());
    fs::write(&desk.file, &text).unwrap();
    fs::set_permissions(&desk.file, fs::Permissions::from_mode(0o640)).unwrap();
    let second = desk.key(&["--subject", "second", "--scope", "read:vault", "--scope", "x y"]);
    let now = desk.text();
    assert!(now.starts_with(&text), "{now}");
    assert!(now[text.len()..].starts_with("\n[[token]]\nsubject = \"second\"\n"), "{now}");
    assert!(now.contains("scopes = [\"read:vault\", \"x\", \"y\"]"), "{now}");
    assert_eq!(mode(&desk.file), 0o640, "another user may serve: who could read it, still can");
    let access = desk.access();
    assert_eq!(access.caller(Some(&first)).await.unwrap().subject(), "first");
    assert_eq!(access.caller(Some(&second)).await.unwrap().scopes().count(), 3);
}

#[tokio::test]
async fn a_key_expires() {
    let desk = Desk::new();
    let key = desk.key(&["--subject", "ci", "--expires", "90d"]);
    let text = desk.text();
    let time = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches([' ', '=']).parse::<jiff::Timestamp>().unwrap()
    };
    let day = 24 * 3600;
    assert_eq!(time("expires").as_second() - time("created").as_second(), 90 * day);
    // The clock of tests starts with the day.
    fs::write(&desk.file, text.replace(&time("expires").to_string(), "2026-07-28T01:00:00Z")).unwrap();
    let clock = Clock::manual();
    let access = Access::tokens(&desk.file).unwrap().clock(clock.clone());
    clock.advance(Duration::from_secs(3599));
    assert!(access.caller(Some(&key)).await.is_ok());
    assert_eq!(access.warnings(), [""; 0]);
    clock.advance(Duration::from_secs(1));
    assert_eq!(access.caller(Some(&key)).await, Err(Denied::Bad("the key has expired")));
    assert!(access.warnings()[0].contains("nobody can call"), "{:?}", access.warnings());
}

#[test]
fn a_time_or_a_name_that_is_none_makes_no_key() {
    let desk = Desk::new();
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
        (vec!["--subject", " "], "`subject` is no name"),
        (vec!["--subject", "ci\nroot"], "`subject` is no name"),
        (vec!["--subject", "ci", "--scope", "read:\"vault\""], "`scopes` takes one scope a text"),
    ] {
        let (code, out, said) = desk.ran(&[&["new"], &*arguments].concat());
        assert_eq!((code, &*out), (2, ""), "{arguments:?}");
        assert!(said.starts_with(&format!("error: {says}")), "{said}");
    }
    assert!(!desk.file.exists());
    let (_, _, said) = desk.ran(&["new", "--subject", "ci", "--scope", "read:vaul"]);
    assert!(said.contains("warning: no tool needs `read:vaul`; did you mean `read:vault`?"), "{said}");
}

#[test]
fn a_file_that_is_wrong_says_where_and_stays() {
    let hash = "a".repeat(64);
    let entry = format!("[[token]]\nsubject = \"ci\"\nscopes = []\nsha256 = \"{hash}\"\n");
    for (text, says) in [
        ("[[token]".to_owned(), "line 1: "),
        (entry.replace("\"ci\"", "7"), "line 2: "),
        (entry.replace("[]", "\"read write\""), "line 3: "),
        (entry.replace("[]", "[\"read write\"]"), "line 3: `scopes` takes one scope a text"),
        (entry.replace(&hash, "s3cr3t"), "line 4: `sha256` is no hash of a key"),
        (format!("{entry}expire = 2027-01-31T12:00:00Z\n"), "line 5: unknown field `expire`"),
        (format!("{entry}expires = 2027-01-31\n"), "line 5: this is no point in time"),
        (format!("{entry}expires = \"in May\"\n"), "line 5: "),
        (format!("{entry}\n{entry}"), "two tokens are the same key, `aaaaaaaaaaaa`"),
        (entry.replace("sha256", "sha1"), "line 4: unknown field `sha1`"),
        (entry.replace("[[token]]", "[[tokens]]"), "line 1: unknown field `tokens`"),
    ] {
        let desk = Desk::new();
        fs::write(&desk.file, &text).unwrap();
        let error = Access::tokens(&desk.file).unwrap_err().to_string();
        assert!(error.contains(&format!("is not understood\nnote: {says}")), "{text}\n{error}");
        assert!(error.contains("\nhelp: ") && !error.contains("s3cr3t"), "{error}");
        let (code, out, said) = desk.ran(&["new", "--subject", "ci"]);
        assert_eq!((code, &*out), (2, ""), "{text}");
        assert!(said.contains(says), "{said}");
        assert_eq!(desk.text(), text);
    }
    let error = Access::tokens("/nowhere/tokens.toml").unwrap_err().to_string();
    assert!(error.contains("cannot be read: ") && error.contains("help: `token new "), "{error}");
}

#[tokio::test]
async fn a_file_is_read_again_and_a_broken_one_changes_nothing() {
    let desk = Desk::new();
    let first = desk.key(&["--subject", "first"]);
    let access = desk.access();
    let second = desk.key(&["--subject", "second"]);
    assert_eq!(access.caller(Some(&second)).await, Err(UNKNOWN));
    access.reload().unwrap();
    assert!(access.caller(Some(&second)).await.is_ok());
    let good = desk.text();
    fs::write(&desk.file, &good[..good.len() - 20]).unwrap();
    assert!(access.reload().unwrap_err().to_string().contains("is not understood"));
    fs::remove_file(&desk.file).unwrap();
    assert!(access.reload().unwrap_err().to_string().contains("cannot be read"));
    assert!(access.caller(Some(&first)).await.is_ok());
    assert!(access.caller(Some(&second)).await.is_ok());
    fs::write(&desk.file, "").unwrap();
    access.reload().unwrap();
    assert_eq!(access.caller(Some(&first)).await, Err(UNKNOWN));
}

#[tokio::test]
async fn a_key_is_listed_and_revoked_by_its_name() {
    let desk = Desk::new();
    let ci = desk.key(&["--subject", "ci", "--scope", "read:vault"]);
    let ada = desk.key(&["--subject", "ada", "--expires", "1y"]);
    let (code, list, _) = desk.ran(&["list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((code, rows[0][0], rows.len()), (0, "KEY", 3));
    assert_eq!((rows[1][1], rows[1][2], rows[1][4]), ("ci", "read:vault", "never"));
    assert_eq!((rows[2][1], rows[2][2]), ("ada", "-"));
    assert!(!list.contains(&ci) && !list.contains(&ada));

    let (code, out, _) = desk.ran(&["revoke", rows[1][0]]);
    assert_eq!((code, out), (0, format!("revoked {} of ci\n", rows[1][0])));
    let access = desk.access();
    assert_eq!(access.caller(Some(&ci)).await, Err(UNKNOWN));
    assert!(access.caller(Some(&ada)).await.is_ok());
    for (id, says) in [(rows[1][0], "no key of "), ("", "no key of ")] {
        let (code, _, said) = desk.ran(&["revoke", id]);
        assert_eq!(code, 2);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_file_that_others_can_read_is_told_of() {
    let desk = Desk::new();
    desk.key(&["--subject", "ci"]);
    assert_eq!(desk.access().warnings(), [""; 0]);
    for (mode, tells) in [(0o640, true), (0o604, true), (0o620, false), (0o400, false)] {
        fs::set_permissions(&desk.file, fs::Permissions::from_mode(mode)).unwrap();
        let warned = desk.access().warnings().iter().any(|warning| warning.contains("help: chmod 600"));
        assert_eq!(warned, tells, "{mode:o}");
    }
}

#[test]
fn keys_that_are_made_at_once_are_all_kept() {
    let desk = Desk::new();
    let made: Vec<_> = (0..12)
        .map(|n| {
            let subject = format!("s{n}");
            desk.command(&["new", "--subject", &subject]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        })
        .collect();
    for child in made {
        assert!(child.unwrap().wait().unwrap().success());
    }
    assert_eq!(desk.text().matches("[[token]]").count(), 12);
    let left: Vec<_> = fs::read_dir(desk.file.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the file is left: {left:?}");
}

#[tokio::test]
async fn a_key_holds_what_its_scopes_imply() {
    let desk = Desk::new();
    let key = desk.key(&["--subject", "ci", "--scope", "admin"]);
    let server = Server::new("vault", "1.0.0")
        .tools(tools![read_vault])
        .scope_implies("admin", "write:vault")
        .scope_implies("write:vault", "read:vault");
    let service = server.build().unwrap();
    let access = desk.access().for_server(&service);
    let caller = access.caller(Some(&key)).await.unwrap();
    assert_eq!(caller.scopes().collect::<Vec<_>>(), ["admin", "read:vault", "write:vault"]);
    access.reload().unwrap();
    assert!(access.caller(Some(&key)).await.unwrap().holds("read:vault"));
    let everyone = Access::everyone("write:vault").for_server(&service);
    assert!(everyone.caller(None).await.unwrap().holds("read:vault"));
    assert!(access.asks() && !everyone.asks());
}
