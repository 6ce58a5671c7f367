//! Finds the files that this process holds open for writing: no sandbox covers a descriptor that was opened before it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Returns the files that are open for writing, without stdin, stdout and stderr, and without files that were removed.
pub(crate) fn files_open_for_writing() -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| file_open_for_writing(&entry.path()).ok()?).collect();
    files.sort_unstable();
    files.dedup();
    files
}

/// Returns the file behind an entry of `/proc/self/fd`, if it is one and open for writing.
fn file_open_for_writing(entry: &Path) -> io::Result<Option<PathBuf>> {
    let number = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let metadata = fs::metadata(entry)?;
    if ["0", "1", "2"].contains(&number) || !metadata.is_file() || metadata.nlink() == 0 {
        return Ok(None);
    }
    let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(number))?;
    Ok(if is_writable(&info) { Some(fs::read_link(entry)?) } else { None })
}

/// Reads the flags in a file of `/proc/self/fdinfo`, which are octal. The lowest two bits are 0 for reading alone, and
/// meaningless with `O_PATH`.
fn is_writable(info: &str) -> bool {
    const ACCESS: u32 = 0o3;
    const PATH_ONLY: u32 = 0o10_000_000;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS != 0 && flags & PATH_ONLY == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_are_open_for_writing_are_found() {
        let path = std::env::temp_dir().join(format!("candor-descriptors-{}", std::process::id()));
        fs::write(&path, "text").unwrap();
        let reads = fs::File::open(&path).unwrap();
        assert!(!files_open_for_writing().contains(&path));
        let writes = fs::File::options().append(true).open(&path).unwrap();
        assert!(files_open_for_writing().contains(&path));
        fs::remove_file(&path).unwrap();
        assert!(!files_open_for_writing().iter().any(|file| file.starts_with(&path)));
        drop((reads, writes));
    }

    #[test]
    fn flags_are_read_as_the_kernel_writes_them() {
        assert!(is_writable("pos:\t0\nflags:\t0100001\nmnt_id:\t9\n"));
        assert!(is_writable("pos:\t0\nflags:\t02100002\n"));
        assert!(!is_writable("pos:\t0\nflags:\t0100000\n"));
        assert!(!is_writable("pos:\t0\nflags:\t010000001\n"), "`O_PATH`");
        assert!(!is_writable(""));
    }
}
