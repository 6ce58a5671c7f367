//! The contract of a server: schemas, aliases, the lock file, the reference, and manifests for stores.

mod earlier_names;
mod list_cost;
mod lock_and_diff;
mod reference_page;
mod schemas;
mod stores;
