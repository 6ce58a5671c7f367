//! Expansions as a reader would see them, kept in `goldens/`. `UPDATE_GOLDENS=1 cargo test -p candor-macros` rewrites them.
