//! Programs that do not compile, one mistake in each: see `fail/`.
