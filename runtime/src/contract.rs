//! x
pub(crate) fn manifest(_: &crate::server::Outline) -> String {
    String::new()
}
pub(crate) fn reference(_: &crate::server::Outline) -> String {
    String::new()
}
