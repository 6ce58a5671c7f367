//! Tests of sqlx in tools, in `tests`.
