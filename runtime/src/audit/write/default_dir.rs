//! Chooses the folder of a server's log if no folder is named.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The longest name of a folder, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Returns `$XDG_STATE_HOME/SERVER/audit`, or `~/.local/state/SERVER/audit` (XDG Base Directory).
pub(crate) fn folder(server: &str) -> Option<PathBuf> {
    // The specification ignores relative paths: they would lead elsewhere from each working directory.
    let absolute = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let local = if cfg!(windows) { absolute("LOCALAPPDATA") } else { None };
    let state = absolute("XDG_STATE_HOME").or(local).or_else(|| {
        env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".local/state"))
    })?;
    Some(state.join(plain(server)).join("audit"))
}

/// Returns the folder of the `n`th server of one name that runs at the same time.
pub(super) fn nth(folder: &Path, n: u32) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    if n > 1 {
        name.push(format!("-{n}"));
    }
    folder.with_file_name(name)
}

/// Returns `name` as one component of a path.
fn plain(name: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ') { c } else { '_' };
    let plain: String = name.chars().take(MAX_NAME_CHARS).map(fits).collect();
    match plain.trim_start_matches('.') {
        "" => "_".to_owned(),
        rest if rest.len() == plain.len() => plain,
        rest => format!("_{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::write::default_dir::*;

    #[test]
    fn server_name_becomes_one_path_component() {
        for (name, component) in [
            ("prices", "prices"),
            ("a/b", "a_b"),
            ("..", "_"),
            ("../x", "__x"),
            (".x", "_x"),
            ("", "_"),
            ("a\nb\\", "a_b_"),
        ] {
            assert_eq!(plain(name), component, "{name:?}");
        }
    }

    #[test]
    fn first_server_has_the_folder_without_a_number() {
        assert_eq!(nth(Path::new("/x/audit"), 1), Path::new("/x/audit"));
        assert_eq!(nth(Path::new("/x/audit"), 3), Path::new("/x/audit-3"));
    }
}
