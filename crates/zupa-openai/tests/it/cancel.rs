//! Whoever drops a call has hung up.

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use zupa_core::{ErrorKind, Model};

use crate::server::{Server, Step};
use crate::support::*;

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let server = Server::start(vec![head(), send(delta("Hi")), Step::Stall]).await;
    let mut stream = model(&server).stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    server.hang_up().await;
}

#[tokio::test]
async fn dropping_an_unread_stream_closes_the_connection() {
    let server = Server::start(vec![head(), Step::Stall]).await;
    drop(model(&server).stream(request()).await.unwrap());
    server.hang_up().await;
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let server = Server::start(vec![Step::Stall]).await;
    let model = model(&server);
    tokio::select! {
        _ = model.stream(request()) => panic!("nobody answered"),
        () = server.arrival() => {}
    }
    server.hang_up().await;
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_error_closes_the_connection() {
    let server = Server::start(vec![head(), send("data: no json\n\n"), Step::Stall]).await;
    complete(&model(&server)).await.unwrap_err();
    server.hang_up().await;
}

#[test]
fn a_runtime_that_shuts_down_finishes_no_answer() {
    let theirs = Runtime::new().unwrap();
    let server = theirs.block_on(Server::start(vec![head(), send(delta("Hi")), Step::Stall]));
    // The client library reads in a task, which ends with its runtime. That must
    // not look like the end of the answer.
    let ours = Runtime::new().unwrap();
    let mut stream = ours.block_on(async {
        let mut stream = model(&server).stream(request()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        stream
    });
    drop(ours);
    let error = theirs.block_on(stream.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}
