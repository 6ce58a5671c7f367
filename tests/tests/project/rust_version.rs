//! The Rust that is promised, `rust-version` in `Cargo.toml`, is one that every dependency builds with.

use candor_tests::packages::packages;

const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");

/// `1.90` and `1.90.0` are one version.
fn parts(version: &str) -> [u64; 3] {
    let mut parts = version.split('.').map(|part| part.parse().expect("a version"));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[test]
fn no_dependency_needs_a_newer_one() {
    let packages = packages();
    let too_new: Vec<_> = packages
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package["rust_version"].as_str()?)))
        .filter(|(_, needed)| parts(needed) > parts(PROMISED))
        .map(|(package, needed)| format!("{package} needs {needed}"))
        .collect();
    assert!(too_new.is_empty(), "Rust {PROMISED} is promised, but {too_new:#?}");
}

#[test]
fn readme_states_the_promised_version() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("needs Rust {PROMISED} or later")), "the README promises another Rust");
}

#[test]
fn image_is_built_with_the_promised_version_or_a_newer_one() {
    let (_, tag) =
        include_str!("../../../examples/Dockerfile").split_once("\nFROM rust:").expect("a base image");
    let (version, _) = tag.split_once('-').expect("a version and a system");
    assert!(
        parts(version) >= parts(PROMISED),
        "the image is built with Rust {version}, {PROMISED} is needed"
    );
}
