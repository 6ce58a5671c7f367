//! Sends one request to the collector, on the thread that exports, and reads its answer.

use std::{fmt, future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};

use super::{
    delivery::Delivery,
    settings::{Destination, Signal},
};

/// The longest answer that is read. A collector answers with a few bytes.
const MAX_COLLECTOR_ANSWER_BYTES: u64 = 64 * 1024;

/// Sends requests to one collector. It blocks, which the SDK's threads for exports expect.
pub(super) struct CollectorClient {
    agent: Agent,
    signal: Signal,
    delivery: Arc<Delivery>,
}

impl CollectorClient {
    pub(super) fn new(destination: &Destination, signal: Signal, delivery: Arc<Delivery>) -> Self {
        Self { agent: agent(destination.timeout, is_local(destination)), signal, delivery }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let response = self.agent.run(request.map(|body| body.to_vec()));
        let (parts, mut body) = response.map_err(|error| format!("does not answer: {error}"))?.into_parts();
        if !parts.status.is_success() {
            self.delivery.note(format!("answers {}", parts.status.as_u16()));
            return Ok(Response::from_parts(parts, Bytes::new()));
        }
        let read = body.with_config().limit(MAX_COLLECTOR_ANSWER_BYTES).read_to_vec();
        let answer = read.map_err(|error| format!("answers with a broken body: {error}"))?;
        let is_protobuf =
            parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-protobuf");
        // The answers of both signals have the same form.
        match ExportTraceServiceResponse::decode(answer.as_slice()) {
            Ok(decoded) if answer.is_empty() || is_protobuf => {
                let rejected = decoded.partial_success.map_or(0, |partial| partial.rejected_spans);
                if self.signal == Signal::Traces {
                    self.delivery.spans_rejected(u64::try_from(rejected).unwrap_or_default());
                }
            }
            _ => return Err("answers with something else than OTLP".to_owned()),
        }
        let mut response = Response::new(Bytes::from(answer));
        *response.status_mut() = StatusCode::OK;
        Ok(response)
    }
}

impl HttpClient for CollectorClient {
    fn send_bytes<'client, 'answer>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'client: 'answer,
        Self: 'answer,
    {
        let answer = self.send(request).map_err(|reason| {
            self.delivery.note(reason.clone());
            reason.into()
        });
        Box::pin(future::ready(answer))
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorClient").finish_non_exhaustive()
    }
}

fn is_local(destination: &Destination) -> bool {
    let host = destination.uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn agent(timeout: Duration, is_local: bool) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build());
    if is_local {
        // A configured proxy is meant for other machines.
        config = config.proxy(None);
    }
    config.build().into()
}
