//! The command `state-key`: creates the key that the replicas of a server share.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{audit::hex_number, message::Message, state_key::StateKey, stderr};

#[derive(Args)]
pub(super) struct StateKeyArgs {
    #[command(subcommand)]
    command: StateKeyCommand,
}

#[derive(Subcommand)]
enum StateKeyCommand {
    /// Create a key in FILE, and print its id
    ///
    /// All replicas of a server read the same key: `serve --state-key FILE`. It encrypts the state of questions, so that a
    /// question of one replica can be answered to another.
    New {
        /// The file, which must not exist
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

impl StateKeyArgs {
    pub(super) fn run(self) -> Result<String, Message> {
        let StateKeyCommand::New { file } = self.command;
        let key = StateKey::create(&file)?;
        stderr::line(format_args!(
            "the state key is in {}: copy it to each replica, as a secret",
            file.display()
        ));
        stderr::line(format_args!(
            "`serve --state-key {}` uses it, with a store that the replicas share",
            file.display()
        ));
        Ok(format!("{}\n", hex_number(key.id())))
    }
}
