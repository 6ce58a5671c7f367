//! Forwards a handler's reports to the client, in order, the last one before the answer.

use std::pin::pin;

use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use tokio::sync::mpsc;

use super::logging;
use crate::tool::progress::Report;

/// The reports of one call that may wait for the client.
pub(crate) const MAX_QUEUED_REPORTS: usize = 32;

/// Runs a call and forwards its reports.
pub(crate) async fn forward<T>(
    answer: impl Future<Output = T>,
    token: Option<ProgressToken>,
    mut reports: mpsc::Receiver<Report>,
    context: &RequestContext<RoleServer>,
) -> T {
    let mut answer = pin!(answer);
    let mut furthest = f64::NEG_INFINITY;
    loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => send(report, token.as_ref(), &mut furthest, context).await,
            answer = &mut answer => {
                while let Ok(report) = reports.try_recv() {
                    send(report, token.as_ref(), &mut furthest, context).await;
                }
                return answer;
            }
        }
    }
}

/// Sends one report. A client that has gone does not stop the handler here: the transport cancels the call.
async fn send(
    report: Report,
    token: Option<&ProgressToken>,
    furthest: &mut f64,
    context: &RequestContext<RoleServer>,
) {
    match (report, token) {
        // `progress` must increase with each notification (MCP, progress), and JSON has no infinity.
        (Report::Progress { done, total, message }, Some(token)) if done.is_finite() && done > *furthest => {
            *furthest = done;
            let mut params = ProgressNotificationParam::new(token.clone(), done);
            params.total = total.filter(|total| total.is_finite());
            params.message = Some(message);
            let _ = context.peer.notify_progress(params).await;
        }
        (Report::Progress { .. }, _) => {}
        (Report::Log { level, message }, _) => logging::send(&context.peer, level, message).await,
    }
}
