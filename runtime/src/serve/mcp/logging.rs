//! Sends log messages to a client, from the level that it asks for. The protocol deprecated them with 2026-07-28.

#![expect(deprecated, reason = "clients of older revisions still use them")]

use std::sync::{Mutex, PoisonError};

use rmcp::{
    Peer, RoleServer,
    model::{LoggingLevel, LoggingMessageNotificationParam},
    service::RequestContext,
};

use crate::{revision::Revision, tool::progress::Level};

const LEVELS: [(Level, LoggingLevel); 8] = [
    (Level::Debug, LoggingLevel::Debug),
    (Level::Info, LoggingLevel::Info),
    (Level::Notice, LoggingLevel::Notice),
    (Level::Warning, LoggingLevel::Warning),
    (Level::Error, LoggingLevel::Error),
    (Level::Critical, LoggingLevel::Critical),
    (Level::Alert, LoggingLevel::Alert),
    (Level::Emergency, LoggingLevel::Emergency),
];

/// Sends one message. A client that has gone does not stop the handler.
pub(crate) async fn send(peer: &Peer<RoleServer>, level: Level, message: String) {
    let level =
        LEVELS.iter().find(|(ours, _)| *ours == level).map_or(LoggingLevel::Info, |(_, theirs)| *theirs);
    let _ = peer.notify_logging_message(LoggingMessageNotificationParam::new(level, message.into())).await;
}

/// The least grave level that a client asks for: for a whole session or, on 2026-07-28, per request.
pub(crate) struct MinLevel(Mutex<Level>);

impl MinLevel {
    /// Starts at the level that holds until the client sets another.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Level::Info))
    }

    /// Answers `logging/setLevel`.
    pub(crate) fn set(&self, requested: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = level(requested);
    }

    /// The level for one request; `None` if the client asks for no messages.
    pub(crate) fn of(&self, context: &RequestContext<RoleServer>, revision: Revision) -> Option<Level> {
        if revision.is_legacy() {
            Some(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            context.meta.log_level().map(level)
        }
    }
}

fn level(level: LoggingLevel) -> Level {
    LEVELS.iter().find(|(_, theirs)| *theirs == level).map_or(Level::Info, |(ours, _)| *ours)
}
