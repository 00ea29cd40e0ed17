//! Real connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fakes::App;

async fn serving(app: &App) -> (TcpStream, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = zupa_http::serve(listener, app.router.clone(), app.stop.clone());
    let server = tokio::spawn(served);
    (TcpStream::connect(address).await.unwrap(), server)
}

async fn read_until(stream: &mut TcpStream, what: &str) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if text.contains(what) {
                return text;
            }
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return text,
                Ok(bytes) => read.extend_from_slice(&piece[..bytes]),
            }
        }
    };
    timeout(Duration::from_secs(10), reading).await.unwrap()
}

#[tokio::test]
async fn a_refusal_of_5_mib_reaches_a_client_that_writes_it_all_first() {
    let app = App::new();
    let (mut stream, _server) = serving(&app).await;
    let body = vec![b'x'; 5 * 1024 * 1024];
    let head = format!(
        "POST /chat/c/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let answer = read_until(&mut stream, "too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_stop_lets_the_request_finish_and_ends_the_streams() {
    let app = App::new();
    let (mut stream, server) = serving(&app).await;
    let request = "GET /chat/c/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "retry").await;
    app.stop.cancel();
    timeout(Duration::from_secs(5), server)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let app = App::new();
    let (mut stream, _server) = serving(&app).await;
    let request = format!(
        "GET /livez HTTP/1.1\r\nhost: localhost\r\nx-a: {}",
        "a".repeat(20_000)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn dropping_the_server_closes_its_connections() {
    let app = App::new();
    let (mut stream, server) = serving(&app).await;
    let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "alive").await;
    server.abort();
    let _ = server.await;
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
}
