//! What does not compile, one mistake a file.
