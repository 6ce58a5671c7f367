//! A server's name → the folder where its user keeps what it records.

use std::{
    env,
    path::{Path, PathBuf},
};

/// `$XDG_STATE_HOME/SERVER/audit`, or `~/.local/state/SERVER/audit` (XDG Base Directory).
pub(super) fn folder(server: &str) -> Option<PathBuf> {
    // A relative path is none there (XDG Base Directory): it would lead elsewhere from each working directory.
    let named = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let local = if cfg!(windows) { named("LOCALAPPDATA") } else { None };
    let state = named("XDG_STATE_HOME").or(local).or_else(|| {
        env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".local/state"))
    })?;
    Some(state.join(plain(server)).join("audit"))
}

/// The place of the `n`th server of one name that runs at the same time.
pub(super) fn nth(folder: &Path, n: u32) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    if n > 1 {
        name.push(format!("-{n}"));
    }
    folder.with_file_name(name)
}

/// `name` as one component of a path.
fn plain(name: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ') { c } else { '_' };
    let plain: String = name.chars().take(64).map(fits).collect();
    match plain.trim_start_matches('.') {
        "" => "_".to_owned(),
        rest if rest.len() == plain.len() => plain,
        rest => format!("_{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_component_of_a_path() {
        for (name, is) in [
            ("prices", "prices"),
            ("a/b", "a_b"),
            ("..", "_"),
            ("../x", "__x"),
            (".x", "_x"),
            ("", "_"),
            ("a\nb\\", "a_b_"),
        ] {
            assert_eq!(plain(name), is, "{name:?}");
        }
    }

    #[test]
    fn the_first_has_the_folder_itself() {
        assert_eq!(nth(Path::new("/x/audit"), 1), Path::new("/x/audit"));
        assert_eq!(nth(Path::new("/x/audit"), 3), Path::new("/x/audit-3"));
    }
}
