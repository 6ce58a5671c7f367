//! Tests that the macro and the runtime refuse the same invisible characters: a literal description is checked by the
//! macro, and one that only the compiler can read (`concat!`) when the server starts.

/// The match arms of `is_hidden` in a source file, without white space.
fn hidden_characters(source: &str) -> String {
    let (_, function) = source.split_once("fn is_hidden(c: char) -> bool {").expect("the function");
    let (arms, _) = function.split_once("\n}\n").expect("its end");
    arms.split_whitespace().collect()
}

#[test]
fn hidden_characters_are_the_same_in_macro_and_runtime() {
    let compiler = hidden_characters(include_str!("../../../macros/src/rule/description.rs"));
    let runtime = hidden_characters(include_str!("../../../runtime/src/text.rs"));
    assert!(compiler.contains(r"'\u{200B}'..='\u{200F}'"), "{compiler}");
    assert_eq!(compiler, runtime);
}
