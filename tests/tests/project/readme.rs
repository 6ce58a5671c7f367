//! Checks that the README shows real code, real compiler errors and real commands.
//!
//! - Each ```` ```rust ```` block must be an excerpt of a file under `examples`, which `cargo test` compiles. Indentation may
//!   differ, and a line `// …` may stand for left-out lines. Excerpts that belong to no example are in
//!   `examples/tests/readme.rs`.
//! - Each ```` ```text ```` block that shows a compiler error must match a `.stderr` file of `ui-tests`, except for the names
//!   in the first line and for the location.
//! - Each command of a ```` ```console ```` block must be in `.ci/run`.

use std::{
    fs,
    path::{Path, PathBuf},
};

const README: &str = include_str!("../../../README.md");

/// Stands for left-out lines in a Rust block.
const ELISION: &str = "// …";

/// Commands of the README that the continuous integration cannot run.
const COMMANDS_NOT_IN_CI: &[&str] = &[];

/// A fenced block of the README.
struct Block {
    /// The text after the opening fence, for example `rust`.
    info: &'static str,
    /// The number of its first line in the README.
    line: usize,
    lines: Vec<&'static str>,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in README.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info, line: at + 2, lines: Vec::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "the README's last fence is not closed");
    blocks
}

fn blocks_of(info: &str) -> Vec<Block> {
    let blocks: Vec<_> = blocks().into_iter().filter(|block| block.info == info).collect();
    assert!(!blocks.is_empty(), "the README has no ```{info} block");
    blocks
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files below a folder of the project with this extension, and their text.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![project().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|of_path| of_path == extension) {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "no .{extension} files below {folder}");
    files
}

/// Whether `lines` stand in `text` one after another, all indented by the same number of spaces more.
fn is_excerpt(lines: &[&str], text: &str) -> bool {
    let text: Vec<&str> = text.lines().collect();
    text.windows(lines.len()).any(|window| {
        let indents = window.iter().zip(lines).filter(|(_, line)| !line.is_empty());
        let indents: Vec<_> = indents.map(|(found, line)| indent_before(found, line)).collect();
        let blanks_agree = window.iter().zip(lines).all(|(found, line)| found.is_empty() == line.is_empty());
        blanks_agree && indents.iter().all(|indent| indent.is_some() && *indent == indents[0])
    })
}

/// The spaces before `line` in `found`, or `None` if `found` is another line.
fn indent_before(found: &str, line: &str) -> Option<usize> {
    let indent = found.strip_suffix(line)?;
    indent.bytes().all(|byte| byte == b' ').then_some(indent.len())
}

/// Whether every part of a block between elisions is an excerpt of `text`.
fn shows(block: &Block, text: &str) -> bool {
    let mut parts = block.lines.split(|line| line.trim() == ELISION).filter(|part| !part.is_empty());
    parts.all(|part| is_excerpt(part, text))
}

#[test]
fn readme_rust_blocks_are_excerpts_of_compiled_examples() {
    let examples = files("examples", "rs");
    for block in blocks_of("rust") {
        assert!(
            examples.iter().any(|(_, text)| shows(&block, text)),
            "README.md, line {}: no file under `examples` contains this block\n\
             help: copy it from an example, or add it to `examples/tests/readme.rs`, where it is compiled\n\n{}",
            block.line,
            block.lines.join("\n")
        );
    }
    for block in blocks() {
        let is_plain = block.info == "rust" || !block.info.starts_with("rust");
        assert!(is_plain, "README.md, line {}: ```{} is not checked; use ```rust", block.line, block.info);
    }
}

/// The first line of an error with its names replaced, and the notes and helps after it.
fn message_of<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let message = lines.map(str::trim).take_while(|line| !line.starts_with("--> "));
    let without_names = |(at, line): (usize, &str)| match at {
        0 => line.split('`').step_by(2).collect::<Vec<_>>().join("`…`"),
        _ => line.to_owned(),
    };
    message.enumerate().map(without_names).collect()
}

#[test]
fn readme_compiler_errors_are_those_of_the_ui_tests() {
    let outputs = files("ui-tests/fail", "stderr");
    let errors: Vec<_> =
        blocks_of("text").into_iter().filter(|block| block.lines[0].starts_with("error:")).collect();
    assert!(!errors.is_empty(), "the README shows no compiler error");
    for block in errors {
        let message = message_of(block.lines.iter().copied());
        let is_real = outputs.iter().any(|(_, output)| {
            let starts = output.lines().enumerate().filter(|(_, line)| line.starts_with("error:"));
            starts.map(|(at, _)| message_of(output.lines().skip(at))).any(|real| real == message)
        });
        assert!(
            is_real,
            "README.md, line {}: no `.stderr` file of `ui-tests` has this error\n\
             help: copy the error from there\n\n{}",
            block.line,
            message.join("\n")
        );
    }
}

#[test]
fn readme_commands_are_run_by_continuous_integration() {
    let script = fs::read_to_string(project().join(".ci/run")).unwrap();
    for block in blocks_of("console") {
        for command in block.lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
            assert!(
                script.contains(command) || COMMANDS_NOT_IN_CI.contains(&command),
                "README.md, line {}: `.ci/run` does not run `{command}`\n\
                 help: add it there, or to `COMMANDS_NOT_IN_CI` in this test",
                block.line
            );
        }
    }
}
