//! Level one: a tool is a function, so these tests call it.

use std::{fs, path::Path};

use candor::{ToolError, testing};
use files::{
    changes::{create_directory, edit_file, move_file, plan_edit, plan_write, write_file},
    reads::{
        Kind, directory_tree, file_info, list_directory, list_roots, read_files, read_text_file, search_files,
    },
    roots::{FileError, Roots, Writer},
    text::Edit,
};
use tempfile::TempDir;

/// Opens a folder with some files in it: the root, beside a folder that is outside.
fn open() -> (TempDir, Roots, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("src/deep")).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/secret"), "secret").unwrap();
    fs::write(root.join("poem"), "one\ntwo\nthree\nfour").unwrap();
    fs::write(root.join("src/main.rs"), "fn main() {}\n").unwrap();
    fs::write(root.join("src/deep/lib.rs"), "").unwrap();
    let roots = Roots::open(&[root]).unwrap();
    let writer = Writer::of(&roots);
    (folder, roots, writer)
}

fn read(roots: &Roots, path: &str) -> Result<String, String> {
    read_text_file(roots, path, None, None).map_err(|error| ToolError::from_error(&error).to_string())
}

fn edit(old: &str, new: &str) -> Edit {
    Edit { old: old.to_owned(), new: new.to_owned() }
}

#[test]
fn text_file_is_read_whole_or_by_its_first_or_last_lines() {
    let (_folder, roots, _writer) = open();
    let root = &list_roots(&roots).folders[0];
    assert_eq!(read(&roots, "poem").unwrap(), "one\ntwo\nthree\nfour");
    assert_eq!(read(&roots, &format!("{root}/poem")).unwrap(), "one\ntwo\nthree\nfour");
    assert_eq!(read_text_file(&roots, "poem", Some(2), None).unwrap(), "one\ntwo\n");
    assert_eq!(read_text_file(&roots, "poem", None, Some(2)).unwrap(), "three\nfour");
    assert_eq!(read_text_file(&roots, "poem", None, Some(9)).unwrap(), "one\ntwo\nthree\nfour");
}

#[test]
fn file_that_cannot_be_read_is_an_error_with_its_cause() {
    let (folder, roots, _writer) = open();
    let root = folder.path().canonicalize().unwrap().join("root").display().to_string();
    fs::write(folder.path().join("root/binary"), [0xff, 0xfe]).unwrap();
    fs::File::create(folder.path().join("root/large")).unwrap().set_len(5 << 20).unwrap();
    for (path, says) in [
        ("missing", format!("`{root}/missing` cannot be read: No such file or directory (os error 2)")),
        ("src", format!("`{root}/src` cannot be read: is a directory")),
        ("binary", format!("`{root}/binary` cannot be read: stream did not contain valid UTF-8")),
        (
            "large",
            format!("`{root}/large` is larger than 4 MiB\nhelp: read a part of it, with `head` or `tail`"),
        ),
    ] {
        assert_eq!(read(&roots, path).unwrap_err(), says);
    }
    let files = read_files(&roots, &["poem".to_owned(), "missing".to_owned()]).files;
    assert!(files[0].text.is_some() && files[0].error.is_none(), "{files:?}");
    assert!(
        files[1].text.is_none() && files[1].error.as_ref().unwrap().contains("No such file"),
        "{files:?}"
    );
}

#[cfg(unix)]
#[test]
fn no_path_leads_out_of_the_roots() {
    use std::os::unix::fs::symlink;

    let (folder, roots, writer) = open();
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    symlink(&outside, root.join("link")).unwrap();
    symlink(outside.join("secret"), root.join("file_link")).unwrap();
    symlink("../outside", root.join("relative_link")).unwrap();
    symlink("poem", root.join("inner_link")).unwrap();
    let absolute = outside.join("secret").display().to_string();
    let through_root = root.canonicalize().unwrap().join("../outside/secret").display().to_string();
    for path in [
        "../outside/secret",
        "src/../../outside/secret",
        "link/secret",
        "file_link",
        "relative_link/secret",
        "/etc/passwd",
        &absolute,
        &through_root,
    ] {
        let is_outside = |result: Result<(), FileError>| {
            assert!(matches!(result, Err(FileError::Outside(_))), "{path}: {result:?}");
        };
        is_outside(read_text_file(&roots, path, None, None).map(drop));
        is_outside(file_info(&roots, path).map(drop));
        is_outside(plan_write(&roots, path, "harm").map(drop));
        // The link itself is inside.
        if path != "file_link" {
            is_outside(move_file(&writer, path, "stolen"));
            is_outside(write_file(&writer, path, "harm").map(drop));
            is_outside(create_directory(&writer, path));
            is_outside(move_file(&writer, "poem", path));
        }
    }
    // A link that is written is replaced, and its target is left as it is.
    write_file(&writer, "file_link", "new").unwrap();
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(read(&roots, "file_link").unwrap(), "new");
    assert_eq!(
        read(&roots, "inner_link").unwrap(),
        "one\ntwo\nthree\nfour",
        "a link that stays inside is followed"
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn folders_are_listed_by_name_and_as_a_tree() {
    let (_folder, roots, _writer) = open();
    let listed = list_directory(&roots, ".").unwrap().entries;
    let listed: Vec<_> = listed.iter().map(|entry| (&*entry.name, entry.kind, entry.size)).collect();
    assert_eq!(listed, [("poem", Kind::File, Some(18)), ("src", Kind::Folder, None)]);
    let tree = directory_tree(&roots, ".", 2).unwrap();
    let src = &tree.children.as_ref().unwrap()[1];
    let names: Vec<_> = src.children.as_ref().unwrap().iter().map(|child| &*child.name).collect();
    assert_eq!(names, ["deep", "main.rs"]);
    assert_eq!(src.children.as_ref().unwrap()[0].children, None, "it is at the greatest depth");
    let deep = directory_tree(&roots, "src", 3).unwrap();
    assert_eq!(deep.children.unwrap()[0].children.as_ref().unwrap()[0].name, "lib.rs");
}

#[test]
fn tree_of_a_folder_with_too_many_entries_says_what_to_do() {
    let (folder, roots, _writer) = open();
    for number in 0..2_001 {
        fs::write(folder.path().join(format!("root/src/{number}")), "").unwrap();
    }
    let error = directory_tree(&roots, ".", 2).unwrap_err().to_string();
    assert!(error.starts_with("more than 2000 entries") && error.contains("a smaller `depth`"), "{error}");
    assert!(directory_tree(&roots, ".", 1).is_ok());
}

#[test]
fn search_finds_paths_by_a_pattern() {
    let (folder, roots, _writer) = open();
    let root = folder.path().canonicalize().unwrap().join("root");
    let search = |path: &str, pattern: &str, limit| {
        let found = search_files(&roots, &testing::call(), path, pattern, limit).unwrap();
        let below = |path: &String| Path::new(path).strip_prefix(&root).unwrap().display().to_string();
        (found.paths.iter().map(below).collect::<Vec<_>>(), found.is_cut)
    };
    assert_eq!(
        search(".", "**/*.rs", 10),
        (vec!["src/deep/lib.rs".to_owned(), "src/main.rs".to_owned()], false)
    );
    assert_eq!(search(".", "*.rs", 10), (vec![], false));
    assert_eq!(search("src", "*.rs", 10), (vec!["src/main.rs".to_owned()], false));
    assert_eq!(search(".", "**/*.rs", 1), (vec!["src/deep/lib.rs".to_owned()], true));
    let error = search_files(&roots, &testing::call(), ".", "***", 1).unwrap_err();
    assert!(
        ToolError::from_error(&error).message().starts_with("`pattern` is not a glob pattern: "),
        "{error}"
    );
}

#[test]
fn file_info_describes_files_and_folders() {
    let (_folder, roots, _writer) = open();
    let info = file_info(&roots, "poem").unwrap();
    assert_eq!((info.kind, info.size, info.is_protected), (Kind::File, 18, false));
    assert!(info.modified.unwrap() <= jiff::Timestamp::now());
    assert_eq!(file_info(&roots, ".").unwrap().kind, Kind::Folder);
}

#[test]
fn write_file_replaces_the_content_and_keeps_the_mode() {
    let (folder, roots, writer) = open();
    let file = folder.path().join("root/poem");
    #[cfg(unix)]
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let plan = plan_write(&roots, "poem", "one\n2\nthree\nfour").unwrap();
    assert!(plan.contains("-two\n+2\n"), "{plan}");
    assert_eq!(write_file(&writer, "poem", "new").unwrap().size, 3);
    assert_eq!(read(&roots, "poem").unwrap(), "new");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
        0o600
    );
    write_file(&writer, "src/new.rs", "").unwrap();
    assert_eq!(read(&roots, "src/new.rs").unwrap(), "");
    let error = write_file(&writer, "no/such/folder", "").unwrap_err();
    assert!(ToolError::from_error(&error).message().contains("cannot be written: No such file"), "{error}");
    assert!(write_file(&writer, "src", "").is_err());
    let names: Vec<_> = list_directory(&roots, ".").unwrap().entries;
    assert!(names.iter().all(|entry| !entry.name.contains("tmp")), "{names:?}");
}

#[test]
fn edits_apply_in_order_and_all_or_none() {
    let (_folder, roots, writer) = open();
    let edits = [edit("one", "two"), edit("two\ntwo", "both")];
    let planned = plan_edit(&roots, "poem", &edits).unwrap();
    let answer = edit_file(&writer, "poem", &edits, true).unwrap();
    assert_eq!(answer.value().difference, planned);
    assert!(planned.contains("-one\n-two\n+both\n"), "{planned}");
    assert_eq!(read(&roots, "poem").unwrap(), "one\ntwo\nthree\nfour", "a dry run changes nothing");
    edit_file(&writer, "poem", &edits, false).unwrap();
    assert_eq!(read(&roots, "poem").unwrap(), "both\nthree\nfour");
    for (edits, says) in [
        ([edit("both", "1"), edit("five", "5")], "edit 2 does not apply: its `old` text occurs 0 times"),
        ([edit("o", "0"), edit("both", "1")], "edit 1 does not apply: its `old` text occurs 2 times"),
        ([edit("", "0"), edit("both", "1")], "edit 1 does not apply"),
    ] {
        let error = edit_file(&writer, "poem", &edits, false).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
        assert_eq!(read(&roots, "poem").unwrap(), "both\nthree\nfour");
    }
}

#[test]
fn concurrent_edits_are_all_kept() {
    let (_folder, roots, writer) = open();
    let lines: Vec<String> = (0..8).map(|number| format!("<{number}>")).collect();
    write_file(&writer, "poem", &lines.join("\n")).unwrap();
    std::thread::scope(|scope| {
        for line in &lines {
            scope.spawn(|| edit_file(&writer, "poem", &[edit(line, "done")], false).unwrap());
        }
    });
    assert_eq!(read(&roots, "poem").unwrap(), ["done"; 8].join("\n"));
}

#[test]
fn move_file_overwrites_nothing() {
    let (_folder, roots, writer) = open();
    move_file(&writer, "poem", "src/verse").unwrap();
    assert_eq!(read(&roots, "src/verse").unwrap(), "one\ntwo\nthree\nfour");
    assert!(read(&roots, "poem").is_err());
    let error = move_file(&writer, "src/verse", "src/main.rs").unwrap_err();
    assert!(matches!(error, FileError::Exists(_)), "{error}");
    create_directory(&writer, "a/b/c").unwrap();
    create_directory(&writer, "a/b/c").unwrap();
    move_file(&writer, "src", "a/b/c/src").unwrap();
    assert_eq!(read(&roots, "a/b/c/src/main.rs").unwrap(), "fn main() {}\n");
}

#[test]
fn root_that_does_not_exist_is_named() {
    let error = Roots::open(&["/no/such/folder".into()]).err().unwrap();
    let message = ToolError::from_error(&error).to_string();
    assert_eq!(message, "`/no/such/folder` cannot be opened: No such file or directory (os error 2)");
}
