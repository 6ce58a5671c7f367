//! Level one: a tool is a function, so these tests call it.

use notes::{
    store::{NoteError, Reader, Writer},
    tools::{add_note, delete_notes, list_notes, plan_delete, search_notes},
};
use tempfile::TempDir;

fn open() -> (Reader, Writer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    let writer = Writer::open(&file).unwrap();
    (Reader::open(&file, 2).unwrap(), writer, folder)
}

#[test]
fn notes_are_listed_newest_first_and_found_without_regard_to_case() {
    let (reader, writer, _folder) = open();
    for (title, text) in
        [("Shopping", "Milk and bread"), ("Holidays", "100% sun"), ("Cows", "They give milk")]
    {
        add_note(&writer, title, text).unwrap();
    }
    let titles = |notes: Vec<notes::store::Note>| -> Vec<String> {
        notes.into_iter().map(|note| note.title).collect()
    };
    assert_eq!(titles(list_notes(&reader, 2).unwrap().notes), ["Cows", "Holidays"]);
    assert_eq!(titles(search_notes(&reader, "MILK", 20).unwrap().notes), ["Cows", "Shopping"]);
    assert_eq!(titles(search_notes(&reader, "0%", 20).unwrap().notes), ["Holidays"]);
    assert_eq!(titles(search_notes(&reader, "_", 20).unwrap().notes), [""; 0], "there are no wildcards");
}

#[test]
fn add_note_answers_with_the_note_and_a_link_to_it() {
    let (_reader, writer, _folder) = open();
    let answer = add_note(&writer, "Shopping", "Milk").unwrap();
    let note = answer.value();
    assert_eq!((note.id, &*note.title, &*note.text, &*note.uri()), (1, "Shopping", "Milk", "memo://1"));
}

#[test]
fn delete_notes_deletes_what_its_plan_names() {
    let (reader, writer, _folder) = open();
    for (title, text) in [("Shopping", "Milk"), ("Holidays", "Sun"), ("Milk", "Cows")] {
        add_note(&writer, title, text).unwrap();
    }
    assert_eq!(plan_delete(&reader, "milk").unwrap(), "2 notes would be deleted\n3: Milk\n1: Shopping");
    assert_eq!(delete_notes(&reader, &writer, "milk", true).unwrap().ids, [3, 1]);
    assert_eq!(list_notes(&reader, 20).unwrap().notes.len(), 3, "a dry run deletes nothing");
    let mut deleted = delete_notes(&reader, &writer, "milk", false).unwrap().ids;
    deleted.sort_unstable();
    assert_eq!(deleted, [1, 3]);
    assert_eq!(plan_delete(&reader, "milk").unwrap(), "0 notes would be deleted");
    assert_eq!(add_note(&writer, "New", "note").unwrap().value().id, 4, "a number is never used again");
}

#[test]
fn file_that_is_not_a_database_is_an_error_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    std::fs::write(&file, "not a database, and long enough to have a header of one").unwrap();
    let NoteError::Database(error) = Writer::open(&file).err().unwrap() else { panic!("another error") };
    assert_eq!(error.to_string(), "file is not a database");
}
