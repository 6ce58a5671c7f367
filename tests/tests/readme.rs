//! What the README shows is what is there.

const README: &str = include_str!("../../README.md");

/// The text of every fenced block of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_whole_server_is_the_example() {
    let example = include_str!("../../examples/src/bin/hello.rs");
    assert!(
        example.ends_with(blocks("rust")[0]),
        "examples/src/bin/hello.rs has another server than the README"
    );
}

#[test]
fn the_forgotten_annotation_reads_as_the_compiler_says_it() {
    let said = include_str!("../../ui-tests/fail/effect/missing.stderr");
    let lines = |text: &'static str| -> Vec<&str> { text.lines().take(3).map(str::trim).collect() };
    let shown = lines(blocks("text")[0]);
    // The README's tool has another name than the test's.
    assert_eq!(shown[1..], lines(said)[1..]);
    assert!(shown[0].ends_with("does not say what it does to the world"));
}

#[test]
fn the_continuous_integration_runs_the_commands_as_written() {
    let run = include_str!("../../.ci/run");
    let commands =
        blocks("console").into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    for command in commands {
        assert!(run.contains(command), ".ci/run does not run `{command}`");
    }
}
