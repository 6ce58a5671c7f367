#![doc = include_str!("../../README.md")]

mod args;
mod call;
#[cfg(feature = "cli")]
mod cli;
mod contract;
mod descriptor;
mod output;
mod pipeline;
mod registry;
mod revision;
mod schema;
mod serve;
mod server;
mod state;
pub mod testing;
mod text;
mod tool;

pub use call::{Call, Caller};
pub use candor_macros::{State, mcp_tool, tools};
pub use descriptor::{Audit, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate};
pub use output::{Block, Content, Output, ToolError};
pub use registry::StartError;
pub use revision::Revision;
/// The protocol library underneath, for a handler of prompts and resources: [`Server::handler`].
pub use rmcp;
pub use server::{Built, Server};
pub use state::State;
pub use tool::Tools;

/// What expansions name. Nothing here is for people, and nothing here is stable.
#[doc(hidden)]
pub mod __private {
    pub use std::{
        option::Option::{self, None, Some},
        primitive::str,
        time::Duration,
    };

    pub use crate::{
        args::param,
        descriptor::{Audit, Deprecated, Descriptor, Effect, IdempotencyKey, Literal, Param, Per, Rate},
        output::{Plainly, Returned},
        state::{InClosedWorld, InReadOnly, Network, Plain, Provide, State, Write, WriteAndNetwork},
        tool::{Named, Run, Running, Tool, Tools, twin},
    };

    /// A future that may cross threads, boxed.
    pub fn boxed<'a, F: Future<Output = crate::output::Reply> + Send + 'a>(future: F) -> Running<'a> {
        Box::pin(future)
    }
}
