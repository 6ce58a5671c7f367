//! Accepts connections on a port, up to a number at once, and closes those that stall.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use futures::FutureExt as _;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service as _;

use super::{
    body_guard::GuardedBody,
    config::HttpLimits,
    connections::{Connection, Connections},
};

/// The bytes of a request's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The pause after a failed `accept`, which mostly means that descriptors have run out.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped. At the limit, a new connection replaces the one that has waited the longest
/// for a request, so that clients which send nothing, or too slowly, cannot keep others and health checks out.
pub(super) async fn connections(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    closing: CancellationToken,
    tracker: TaskTracker,
) {
    let connections = Arc::new(Connections::new(limits.connections));
    loop {
        match listener.accept().await {
            // If every connection has a request in flight, the new one is closed at once: its client can try again.
            Ok((stream, _)) => {
                if let Some(connection) = connections.open() {
                    let serve = serve(stream, router.clone(), limits, closing.clone(), connection);
                    tracker.spawn(serve.boxed());
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
        }
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    limits: HttpLimits,
    closing: CancellationToken,
    connection: Connection,
) {
    // Small answers must not wait for more data.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.write_timeout));
    let answer = service_fn(|request: Request<Incoming>| {
        let (in_flight, mut router) = (connection.begin_request(), router.clone());
        async move {
            let answer = router.call(request.map(Body::new)).await?;
            Ok::<Response<_>, Infallible>(answer.map(|body| GuardedBody::new(body, in_flight)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer);
    let mut served = pin!(served);
    // The error of a connection that broke has no reader.
    tokio::select! {
        _ = served.as_mut() => return,
        () = connection.evicted() => return,
        () = closing.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
