//! Messages for a client's log: Candor's levels ↔ rmcp's. The protocol has deprecated them with 2026-07-28.

#![expect(deprecated, reason = "clients of older revisions want them still")]

use rmcp::{
    Peer, RoleServer,
    model::{LoggingLevel, LoggingMessageNotificationParam},
};

use crate::report::Level;

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
pub(super) async fn send(peer: &Peer<RoleServer>, level: Level, message: String) {
    let level =
        LEVELS.iter().find(|(ours, _)| *ours == level).map_or(LoggingLevel::Info, |(_, theirs)| *theirs);
    let _ = peer.notify_logging_message(LoggingMessageNotificationParam::new(level, message.into())).await;
}

pub(super) fn level(level: LoggingLevel) -> Level {
    LEVELS.iter().find(|(_, theirs)| *theirs == level).map_or(Level::Info, |(ours, _)| *ours)
}
