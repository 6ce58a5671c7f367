//! Checks the texts of the project for forms that make a sentence hard to read.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The words that a documentation line must not start with: they hide its subject.
const OPENINGS: [&str; 7] = ["What", "Who", "Whoever", "Where", "Those", "Whose", "Whom"];
/// Pronouns without a subject.
const PRONOUNS: [&str; 4] = ["whoever", "somebody", "nobody", "anybody"];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Lists the Rust and Markdown files of the project, without this one.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            files(&path, found);
        } else if [".rs", ".md"].iter().any(|extension| name.ends_with(extension)) && name != "prose.rs" {
            found.push(path);
        }
    }
}

/// Names the fault of a line, if it has one.
fn fault(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    let documentation = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
    let first = documentation.and_then(|text| text.split(' ').next());
    if first.is_some_and(|word| OPENINGS.contains(&word)) {
        return Some("opens with a pronoun: name the thing");
    }
    if line.starts_with("//!") && line.contains(['→', '↔']) {
        return Some("has an arrow: write a sentence");
    }
    let words: Vec<String> = line
        .split(|c: char| !c.is_alphanumeric() && c != '`' && c != '_')
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .collect();
    if words.iter().any(|word| PRONOUNS.contains(&word.trim_matches('`'))) {
        return Some("has a pronoun without a subject: name the person or the program");
    }
    let inverted = words.windows(3).any(|three| {
        let [before, is, no] = three else { return false };
        before != "there" && (is == "is" || is == "are") && (no == "none" || no == "no")
    });
    (inverted && !line.contains("no longer")).then_some("denies a noun: write `is not a …`")
}

#[test]
fn texts_name_their_subjects() {
    let mut found = Vec::new();
    files(project(), &mut found);
    assert!(found.len() > 200, "{} files", found.len());
    let mut faults = Vec::new();
    for path in found {
        for (at, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if let Some(fault) = fault(line) {
                let place = path.strip_prefix(project()).unwrap().display();
                faults.push(format!("{place}:{}: {fault}: {}", at + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn faults_are_found() {
    for line in [
        "/// What it does.",
        "//! Bytes → records.",
        "// Whoever calls, waits.",
        "a log that is no log",
        "\"those tokens are none\"",
    ] {
        assert!(fault(line).is_some(), "{line}");
    }
    for line in
        ["/// Whether it is open.", "there is no terminal", "it is no longer open", "let is_none = 1;"]
    {
        assert_eq!(fault(line), None, "{line}");
    }
}
