//! Words an error of the database client.

use tokio_postgres::Error;

/// Returns the reason of an error of the client, which names only its kind.
pub(super) fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = error.source();
    }
    reason
}
