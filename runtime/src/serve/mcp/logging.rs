//! Messages for a client's log: Candor's levels ↔ rmcp's. The protocol has deprecated them with 2026-07-28.

#![expect(deprecated, reason = "clients of older revisions want them still")]

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

/// A client that has gone is no reason to stop the handler.
pub(crate) async fn send(peer: &Peer<RoleServer>, level: Level, message: String) {
    let level =
        LEVELS.iter().find(|(ours, _)| *ours == level).map_or(LoggingLevel::Info, |(_, theirs)| *theirs);
    let _ = peer.notify_logging_message(LoggingMessageNotificationParam::new(level, message.into())).await;
}

/// From which level on a client wants messages: for all of a session, or, on 2026-07-28, as each request says.
pub(crate) struct Wish(Mutex<Level>);

impl Wish {
    /// What holds until a client says something else.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Level::Info))
    }

    /// `logging/setLevel`.
    pub(crate) fn set(&self, wanted: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = level(wanted);
    }

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
