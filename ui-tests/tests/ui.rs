//! `fail/` does not compile, `pass/` does. `TRYBUILD=overwrite` writes the `.stderr` files anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Shows that one build shows every mistake, so it has many.
const EVERYTHING_WRONG: &str = "everything_wrong.stderr";

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/**/*.rs");
    cases.compile_fail("fail/**/*.rs");
}

#[test]
fn each_mistake_is_one_error() {
    for (path, text) in messages() {
        let errors = text.lines().filter(|line| line.starts_with("error")).count();
        let wanted = if path.ends_with(EVERYTHING_WRONG) { errors.max(2) } else { 1 };
        assert_eq!(errors, wanted, "{}:\n{text}", path.display());
        assert!(!text.lines().any(|line| line.starts_with("warning")), "{}:\n{text}", path.display());
    }
}

#[test]
fn mistakes_come_in_the_order_of_the_source() {
    let (_, text) = messages().into_iter().find(|(path, _)| path.ends_with(EVERYTHING_WRONG)).unwrap();
    let places: Vec<(u32, u32)> = text.lines().filter_map(place).collect();
    // The derive and the attribute are expanded apart; the attribute stands below the derive.
    assert!(places.is_sorted(), "{places:?}");
    assert!(places.len() > 30, "{} mistakes", places.len());
}

/// ` --> fail/everything_wrong.rs:12:5` is at (12, 5).
fn place(line: &str) -> Option<(u32, u32)> {
    let (_, place) = line.trim_start().strip_prefix("--> ")?.split_once(".rs:")?;
    let (line, column) = place.split_once(':')?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[test]
fn our_messages_keep_the_house_shape() {
    // An error with a code is rustc's, and so are these.
    let foreign = ["expected ", "unexpected ", "future cannot", "function `get_price` is never used"];
    for (path, text) in messages() {
        let facts = text.lines().filter_map(|line| line.strip_prefix("error: "));
        for fact in facts.filter(|fact| !foreign.iter().any(|start| fact.starts_with(start))) {
            let path = path.display();
            assert!(!fact.ends_with('.') && !fact.starts_with(char::is_uppercase), "{path}: {fact}");
            assert!(text.contains("\n       help: "), "{path} does not say what to type");
        }
    }
}

/// Every `.stderr` with its text.
fn messages() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fail")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "stderr") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 100, "the folder of mistakes holds {}", found.len());
    found
}
