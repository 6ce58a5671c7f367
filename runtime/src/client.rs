//! Calls a server: with rmcp's client in tests, and with one of a few lines for `call` and `doctor --probe`, so that
//! programs do not carry rmcp's.

mod answer;
#[cfg(feature = "testing")]
mod builder;
#[cfg(feature = "cli")]
mod line_client;
#[cfg(any(feature = "cli", feature = "testing"))]
mod reactions;
#[cfg(any(feature = "cli", feature = "testing"))]
mod read_result;
#[cfg(feature = "testing")]
mod tasks;
#[cfg(feature = "testing")]
mod test_client;
#[cfg(feature = "testing")]
mod thread_check;
mod user_answer;

pub use answer::{Answer, CallError};
#[cfg(feature = "testing")]
pub use builder::ClientBuilder;
#[cfg(feature = "cli")]
pub(crate) use line_client::LineClient;
#[cfg(feature = "cli")]
pub(crate) use reactions::Reactions;
#[cfg(feature = "testing")]
pub use test_client::Client;
pub use user_answer::{ElicitAction, FilledForm};
