//! Checks the licences and the sources of all packages that the lock file names.
//!
//! Known vulnerabilities are not checked here: that needs the advisory database, as in `cargo audit`.

use candor_tests::packages::packages;

/// The licences under which a package can be used in a program of any licence. Each may be one of several that a package
/// offers.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The registry that packages come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Returns whether a licence expression (SPDX, or with the earlier `/` for `OR`) can be met by licences that are allowed.
/// Parentheses may stand around a term of `AND`, as in `(MIT OR Apache-2.0) AND Unicode-3.0`.
fn is_allowed(expression: &str) -> bool {
    let terms = |text: &str, word: &str| -> Vec<String> {
        let mut terms = vec![String::new()];
        let mut depth = 0;
        for part in text.split_inclusive(' ') {
            if depth == 0 && part.trim() == word {
                terms.push(String::new());
                continue;
            }
            depth += part.matches('(').count();
            depth -= part.matches(')').count();
            terms.last_mut().expect("there is a first term").push_str(part);
        }
        terms
    };
    terms(&expression.replace('/', " OR "), "OR").iter().any(|choice| {
        terms(choice, "AND").iter().all(|term| {
            let term = term.trim();
            match term.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
                Some(inner) => is_allowed(inner),
                None => ALLOWED.contains(&term),
            }
        })
    })
}

#[test]
fn dependencies_have_allowed_licences_and_come_from_the_registry() {
    for package in packages() {
        let id = &package["id"];
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(
            is_allowed(licence),
            "{id} has the licence `{licence}`\nhelp: use another package, or add the licence to `ALLOWED` in this test"
        );
        let source = package["source"].as_str();
        assert!(
            source.is_none_or(|source| source == REGISTRY),
            "{id} does not come from the registry\nhelp: use a release of it"
        );
    }
}

#[test]
fn licence_expressions_are_met_by_one_choice_of_all_terms() {
    for allowed in
        ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND Unicode-3.0", "Apache-2.0 AND ISC"]
    {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in
        ["", "GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 OR (MIT AND MPL-2.0)", "(MIT OR ISC) AND GPL-3.0"]
    {
        assert!(!is_allowed(refused), "{refused}");
    }
}
