//! Names the files of a log's records.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the file of a segment.
pub(super) fn segment(path: &Path, number: u32) -> PathBuf {
    path.join(format!("segment-{number:08}.jsonl"))
}

/// Returns the numbers of the segments in a folder, in order.
pub(super) fn segments(path: &Path) -> std::io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("segment-")?.strip_suffix(".jsonl"));
        if let Some(number) = number.filter(|number| number.len() == 8).and_then(|number| number.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}
