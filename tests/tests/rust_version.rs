//! The Rust that is promised, `rust-version` in `Cargo.toml`, is one that every dependency builds with.

use std::process::Command;

use serde_json::Value;

const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");

/// `1.90` and `1.90.0` are one version.
fn parts(version: &str) -> [u64; 3] {
    let mut parts = version.split('.').map(|part| part.parse().expect("a version"));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[test]
fn no_dependency_needs_a_newer_one() {
    // All that the lock file names, for every system and with every feature.
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("what cargo says is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let too_new: Vec<_> = packages
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package["rust_version"].as_str()?)))
        .filter(|(_, needed)| parts(needed) > parts(PROMISED))
        .map(|(package, needed)| format!("{package} needs {needed}"))
        .collect();
    assert!(too_new.is_empty(), "Rust {PROMISED} is promised, but {too_new:#?}");
    assert!(packages.len() > 100, "only {} packages", packages.len());
}

#[test]
fn readme_states_the_promised_version() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("needs Rust {PROMISED} or later")), "the README promises another Rust");
}

#[test]
fn image_is_built_with_the_promised_version_or_a_newer_one() {
    let (_, tag) =
        include_str!("../../examples/Dockerfile").split_once("\nFROM rust:").expect("a base image");
    let (version, _) = tag.split_once('-').expect("a version and a system");
    assert!(
        parts(version) >= parts(PROMISED),
        "the image is built with Rust {version}, {PROMISED} is needed"
    );
}
