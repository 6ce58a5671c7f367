//! Tests that every program in `fail/` is rejected with the messages in its `.stderr` file.
//!
//! `TRYBUILD=overwrite cargo test -p candor-ui-tests` rewrites the `.stderr` files, and
//! `cargo test -p candor-ui-tests -- rejected trybuild=fail/effect` runs some of the programs. Programs that must compile are
//! ordinary tests elsewhere: with one such program trybuild builds all programs one by one, instead of checking them
//! together.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Shows that one build reports every mistake, so it has many errors.
const EVERYTHING_WRONG: &str = "everything_wrong.stderr";

/// The variable of cargo that holds flags for rustc, and the flags with which trybuild checks the programs.
const FLAGS: (&str, &str) =
    ("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1ftrybuild\x1f--verbose\x1f-Adead_code\x1f--diagnostic-width=140");

/// Runs trybuild in a process of its own, since only a new process can have other variables, so that cargo compiles no
/// dependency twice:
///
/// - trybuild checks the dependencies without its last flag and then, since cargo compares flags, all of them again with it.
///   Flags of the environment replace its own.
/// - Procedural macros and build scripts of the workspace are used again, as far as their features are the same.
#[test]
fn programs_with_a_mistake_are_rejected() {
    if env::var(FLAGS.0).as_deref() == Ok(FLAGS.1) {
        trybuild::TestCases::new().compile_fail("fail/**/*.rs");
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // With the name of no test, the program would run nothing, and succeed.
    let this = std::any::type_name_of_val(&programs_with_a_mistake_are_rejected).rsplit("::").next().unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .args(env::args().filter(|argument| argument.starts_with("trybuild=")))
        .env(FLAGS.0, FLAGS.1)
        // Before Rust 1.91, cargo does not know it, and compiles them again.
        .env("CARGO_BUILD_BUILD_DIR", target)
        // As in the workspace.
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn program_with_one_mistake_has_one_error() {
    for (path, text) in messages() {
        let errors = text.lines().filter(|line| line.starts_with("error")).count();
        let expected = if path.ends_with(EVERYTHING_WRONG) { errors.max(2) } else { 1 };
        assert_eq!(errors, expected, "{}:\n{text}", path.display());
        assert!(!text.lines().any(|line| line.starts_with("warning")), "{}:\n{text}", path.display());
    }
}

/// The most lines of one error.
const MAX_LINES: usize = 12;

/// Errors about a type of the user that lacks a trait. rustc adds the type, the bound and what leads from one to the other,
/// in up to seven lines each, and a macro cannot leave them out without losing the names in the first line.
const LONGER: [&str; 10] = [
    "function/future_not_send",
    "function/returns_no_output",
    "function/returns_output_without_a_schema",
    "state/network_in_closed_world",
    "state/not_derived",
    "state/not_send",
    "state/not_sync",
    "state/not_sync_and_taken",
    "state/write_and_network_in_closed_world",
    "state/write_in_read_only",
];

#[test]
fn errors_are_short() {
    let mut longer = Vec::new();
    for (path, text) in messages() {
        let text = text.trim_end();
        let errors = text.split("\nerror").map(|error| error.trim_end().lines().count());
        if errors.max() > Some(MAX_LINES) {
            let name = path.with_extension("");
            let name: Vec<_> = name.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
            longer.push(format!("{}/{}", name[1], name[0]));
        }
    }
    longer.sort_unstable();
    assert_eq!(longer, LONGER);
}

#[test]
fn mistakes_are_reported_in_source_order() {
    let (_, text) = messages().into_iter().find(|(path, _)| path.ends_with(EVERYTHING_WRONG)).unwrap();
    let positions: Vec<(u32, u32)> = text.lines().filter_map(position).collect();
    // The derive and the attribute are expanded separately; the attribute is below the derive.
    assert!(positions.is_sorted(), "{positions:?}");
    assert!(positions.len() > 30, "{} mistakes", positions.len());
}

/// Reads ` --> fail/everything_wrong.rs:12:5` as (12, 5).
fn position(line: &str) -> Option<(u32, u32)> {
    let (_, position) = line.trim_start().strip_prefix("--> ")?.split_once(".rs:")?;
    let (line, column) = position.split_once(':')?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[test]
fn messages_have_the_house_shape() {
    // An error with a code is rustc's, and so are these.
    let from_rustc = [
        "enum is not supported",
        "expected ",
        "unexpected ",
        "future cannot",
        "function `get_price` is never used",
    ];
    for (path, text) in messages() {
        let facts = text.lines().filter_map(|line| line.strip_prefix("error: "));
        for fact in facts.filter(|fact| !from_rustc.iter().any(|start| fact.starts_with(start))) {
            let path = path.display();
            assert!(!fact.ends_with('.') && !fact.starts_with(char::is_uppercase), "{path}: {fact}");
            assert!(text.contains("\n       help: "), "{path} does not say what to type");
        }
    }
}

/// Returns every `.stderr` file with its text.
fn messages() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fail")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "stderr") {
                files.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(files.len() > 100, "the folder `fail` has {} messages", files.len());
    files
}
