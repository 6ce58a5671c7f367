//! A port → connections, so many at once and none that dawdles.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the head of a request may take, how long a connection may wait for the next, and how long a client may take
/// nothing of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of a request's head.
const HEAD: usize = 64 * 1024;
/// How long to wait after a connection could not be taken: there is nothing left to take it with.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections for as long as it is let.
pub(super) async fn connections(
    listener: TcpListener,
    router: Router,
    most: usize,
    closing: CancellationToken,
    all: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(most));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (router, closing) = (router.clone(), closing.clone());
                all.spawn(async move {
                    connection(stream, router, closing).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, router: Router, closing: CancellationToken) {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(PATIENCE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // A client that breaks off has nobody to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
