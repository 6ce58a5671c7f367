//! Observes a request until its answer.

use rmcp::model::ErrorData;

use crate::telemetry::{Observation, RequestEnd};

/// Waits for the answer of an observed request, and ends the observation.
pub(super) async fn answer<T>(
    observation: Observation<'_>,
    answer: impl Future<Output = Result<T, ErrorData>>,
) -> Result<T, ErrorData> {
    let answer = observation.run(answer).await;
    let end = answer.as_ref().map_or_else(|error| RequestEnd::Error(error.code.0), |_| RequestEnd::Answered);
    observation.end(end.into());
    answer
}
