//! Words the faults of the files of a store.

use std::{io, path::Path};

use crate::{message::Message, store::KeyStoreFault};

/// The help for a folder that cannot hold a store.
const OTHER_STORE_FOLDER: &str = "keep keys in another folder of your own: `--keys DIR`";

pub(super) fn unfit(message: Message) -> KeyStoreFault {
    KeyStoreFault::Unfit(message.or_help(OTHER_STORE_FOLDER))
}

pub(super) fn failure(fact: &str, error: &io::Error) -> KeyStoreFault {
    unfit(Message::failure(fact, error))
}

/// The fault of a journal that cannot be trusted. It stays as it is, and the database as well.
pub(super) fn unreadable(path: &Path, why: &str) -> KeyStoreFault {
    KeyStoreFault::Unfit(
        Message::new(format!("the journal `{}` of the key store cannot be read: {why}", path.display()))
            .note("it is left as it is: without its keys, calls that were done could run a second time")
            .help("restore the folder from a copy, or move all its files away to begin without keys"),
    )
}

/// The fault of a file that cannot be trusted. It stays as it is.
pub(super) fn damaged(path: &Path, why: &str) -> KeyStoreFault {
    KeyStoreFault::Unfit(
        Message::new(format!("the key store `{}` cannot be read: {why}", path.display()))
            .note("it is left as it is: without its keys, calls that were done could run a second time")
            .help("restore the file from a copy, or move it away to begin without keys"),
    )
}
