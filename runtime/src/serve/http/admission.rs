//! Admits a call before the answer starts, since a refusal has an HTTP status of its own.

use std::sync::Arc;

use http::StatusCode;

use super::{
    error::HttpError,
    gate::{CalledTool, HttpGate},
};
use crate::{
    access::insufficient_scope,
    message::Message,
    pipeline::{self, Admission, NotAdmitted},
    record::Origin,
    tool::caller::Caller,
};

impl HttpGate {
    /// Admits a call, or refuses it. `origin` is recorded with a refusal. Before 2026-07-28 (`legacy`), a refusal that
    /// another token cannot change has status 200: some clients of these revisions end with all their calls on any other.
    pub(super) async fn admit(
        &self,
        called: CalledTool<'_>,
        caller: &Arc<Caller>,
        legacy: bool,
        origin: impl FnOnce() -> Origin,
    ) -> Result<Admission, HttpError> {
        let core = &self.shared.core;
        let CalledTool { index, name, id, takes_tasks } = called;
        match pipeline::admit(core, caller, index, name, takes_tasks).await {
            Ok(admission) => Ok(admission),
            Err(refusal) => {
                pipeline::record_refusal(core, caller, index, name, (&origin(), None), &refusal);
                Err(self.refused(refusal, legacy).to(Some(id.clone())))
            }
        }
    }

    fn refused(&self, refusal: NotAdmitted, legacy: bool) -> HttpError {
        let unless_legacy = |status| if legacy { StatusCode::OK } else { status };
        let (message, retry_after) = (refusal.message(), refusal.retry_after());
        match &refusal {
            // Answered here in every revision, so that a concealed tool and one that does not exist take the same path.
            NotAdmitted::UnknownTool { .. } => HttpError::refusal(StatusCode::OK, &refusal.into(), message),
            NotAdmitted::MissingScopes { required, .. } if self.access.requires_token() => {
                let (fact, required) = (message.fact().to_owned(), *required);
                let help = format!("call again with a token that has scope \"{}\"", required.join(" "));
                let message = Message::new(fact.clone()).help(help);
                HttpError::refusal(StatusCode::FORBIDDEN, &refusal.into(), message)
                    .challenge(&insufficient_scope(required, self.metadata_url(), &fact))
            }
            // Without tokens, a challenge would send the client to ask for one in vain.
            NotAdmitted::MissingScopes { required, .. } => {
                let help = format!("start the server with `--grant \"{}\"`", required.join(" "));
                let message = Message::new(message.fact().to_owned()).help(help);
                HttpError::refusal(unless_legacy(StatusCode::FORBIDDEN), &refusal.into(), message)
            }
            NotAdmitted::RateLimited { .. }
            | NotAdmitted::TooManyInFlight { .. }
            | NotAdmitted::TooManyTasks(_) => {
                HttpError::refusal(unless_legacy(StatusCode::TOO_MANY_REQUESTS), &refusal.into(), message)
                    .retry_after(retry_after.unwrap_or(1))
            }
            NotAdmitted::StoreUnavailable { .. } => {
                let status = unless_legacy(StatusCode::SERVICE_UNAVAILABLE);
                HttpError::refusal(status, &refusal.into(), message).retry_after(retry_after.unwrap_or(1))
            }
        }
    }
}
