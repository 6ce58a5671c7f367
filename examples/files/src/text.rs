//! Reads, edits and compares texts.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read as _},
};

use cap_std::fs::File;
use schemars::JsonSchema;
use serde::Deserialize;
use similar::TextDiff;

use super::roots::{FileError, MAX_TEXT_BYTES, Place};

/// The part of a file to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its first lines.
    Head(usize),
    /// Its last lines.
    Tail(usize),
}

/// Reads a part of a text file.
pub(super) fn read(place: &Place<'_>, part: Part) -> Result<String, FileError> {
    let failed = |error| place.failed("read", error);
    let mut file = BufReader::new(open(place).map_err(failed)?);
    match part {
        Part::Head(lines) => lines_of(file).take(lines).collect::<io::Result<String>>().map_err(failed),
        Part::Tail(lines) => {
            let mut last = VecDeque::new();
            for line in lines_of(file) {
                last.push_back(line.map_err(failed)?);
                if last.len() > lines {
                    last.pop_front();
                }
            }
            Ok(last.into_iter().collect())
        }
        Part::Whole => {
            let mut text = String::new();
            let read = file.by_ref().take(MAX_TEXT_BYTES + 1).read_to_string(&mut text);
            if text.len() as u64 > MAX_TEXT_BYTES {
                return Err(FileError::TooLarge(place.shown()));
            }
            read.map(|_| text).map_err(failed)
        }
    }
}

/// Opens a file to read it. Opening a pipe would wait for its other end.
fn open(place: &Place<'_>) -> io::Result<File> {
    match place.dir().metadata(place.below())? {
        metadata if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        metadata if !metadata.is_file() => Err(io::Error::other("it is not a regular file")),
        _ => place.dir().open(place.below()),
    }
}

/// Returns the lines of a file with their ends.
fn lines_of(mut file: BufReader<File>) -> impl Iterator<Item = io::Result<String>> {
    std::iter::from_fn(move || {
        let mut line = String::new();
        match file.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error)),
        }
    })
}

/// The replacement of one text by another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Edit {
    /// The text to replace. It must occur in the file exactly once.
    pub old: String,
    /// The text to put in its place.
    pub new: String,
}

/// Applies edits, each to the result of those before it.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Result<String, FileError> {
    edits.iter().enumerate().try_fold(text.to_owned(), |text, (at, edit)| {
        match text.matches(&edit.old).count() {
            1 if !edit.old.is_empty() => Ok(text.replacen(&edit.old, &edit.new, 1)),
            count => Err(FileError::Edit { number: at + 1, count }),
        }
    })
}

/// Returns the difference of two texts in the unified format, or a sentence if they are equal.
pub(super) fn difference(path: &str, old: &str, new: &str) -> String {
    if old == new {
        return format!("{path} does not change");
    }
    TextDiff::from_lines(old, new).unified_diff().header(path, path).to_string()
}
