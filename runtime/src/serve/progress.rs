//! A call's reports → progress notifications, in order, the last before the answer.

use std::pin::pin;

use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use tokio::sync::mpsc;

use crate::call::Progress;

/// Reports that may wait for the client.
pub(super) const WAITING: usize = 32;

/// Runs a call and passes its reports on.
pub(super) async fn reporting<T>(
    answer: impl Future<Output = T>,
    token: ProgressToken,
    mut reports: mpsc::Receiver<Progress>,
    context: &RequestContext<RoleServer>,
) -> T {
    let mut answer = pin!(answer);
    let mut furthest = f64::NEG_INFINITY;
    loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => tell(report, &token, &mut furthest, context).await,
            answer = &mut answer => {
                while let Ok(report) = reports.try_recv() {
                    tell(report, &token, &mut furthest, context).await;
                }
                return answer;
            }
        }
    }
}

/// `progress` has to increase with each notification (MCP, progress).
async fn tell(
    report: Progress,
    token: &ProgressToken,
    furthest: &mut f64,
    context: &RequestContext<RoleServer>,
) {
    // JSON has no infinity.
    if report.done.is_finite() && report.done > *furthest {
        *furthest = report.done;
        let mut params = ProgressNotificationParam::new(token.clone(), report.done);
        params.total = report.total.filter(|total| total.is_finite());
        params.message = Some(report.message);
        // A client that has gone is no reason to stop the handler here: the transport ends the call.
        let _ = context.peer.notify_progress(params).await;
    }
}
