//! Connections: HTTP/1.1 with bounds on what a stranger may hold open.
//!
//! `axum::serve` sets no deadline for headers and no bound on connections, so
//! the loop is here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::add_extension::AddExtension;
use tracing::{debug, warn};

/// How many connections are open at a time; more wait in the kernel.
const MAX_CONNECTIONS: usize = 4096;

/// How long a client may take over a request's headers, and how long a
/// connection may lie idle.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// How large a request's headers may be.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// How long to wait when the process has no file descriptors left.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Serves until `stop`, then takes no more connections, lets requests that have
/// begun finish, and returns. Event streams end by the token of
/// [`crate::Parts`]; hand over the same one or a child of it.
///
/// *Cancel safety*: dropping the future closes every connection.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Accepting may be dropped: a connection not taken stays in the
        // kernel's queue, and a permit goes back by itself.
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (stream, peer, permit) = accept(&listener, &room) => {
                let known = AddExtension::new(router.clone(), ConnectInfo(peer));
                connections.spawn(connection(stream, permit, known, stop.clone()));
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Fails only when the semaphore is closed, which nobody does.
    let permit = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "could not accept a connection, waiting");
                sleep(OUT_OF_FILES).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn connection(
    stream: TcpStream,
    _permit: Option<OwnedSemaphorePermit>,
    service: AddExtension<Router, ConnectInfo<SocketAddr>>,
    stop: CancellationToken,
) {
    // Small events must not wait for an acknowledgement of the last one.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_header_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke off");
    }
}
