//! Each toxic on real sockets of this machine. Time is asserted from below only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; what a toxic delays is measured outside"
)]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zupa_faultproxy::{Direction, Proxy, Toxic};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);
const DELAY: Duration = Duration::from_millis(60);

/// Answers with what it is sent, and ends when the client has ended.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

async fn proxy() -> Proxy {
    Proxy::start(echo().await).await.unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("soon")
}

/// Sends bytes and reads as many back.
async fn round(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let sent = vec![7; bytes];
    stream.write_all(&sent).await?;
    let mut heard = vec![0; bytes];
    soon(stream.read_exact(&mut heard)).await?;
    assert_eq!(heard, sent);
    Ok(())
}

/// Reads to the end: how much, and how it ended.
async fn rest(stream: &mut TcpStream) -> (usize, Option<ErrorKind>) {
    let (mut total, mut buffer) = (0, [0; 1_024]);
    loop {
        match soon(stream.read(&mut buffer)).await {
            Ok(0) => return (total, None),
            Ok(read) => total += read,
            Err(error) => return (total, Some(error.kind())),
        }
    }
}

#[tokio::test]
async fn without_toxics_everything_passes_and_is_counted() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round(&mut stream, 100_000).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, (0, None));
    round(&mut connect(&proxy).await, 5).await.unwrap();
    let counts = proxy.counts();
    assert_eq!(counts.connections, 2);
    assert_eq!((counts.requests, counts.answers), (100_005, 100_005));
}

#[tokio::test]
async fn latency_is_added_to_one_direction_and_goes_again() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let slow = Toxic::Latency {
        delay: DELAY,
        jitter: DELAY,
    };
    for direction in [Direction::Requests, Direction::Answers] {
        proxy.heal();
        proxy.set(direction, [slow]);
        let start = Instant::now();
        round(&mut stream, 1).await.unwrap();
        assert!(start.elapsed() >= DELAY, "{direction:?}");
    }
    proxy.heal();
    round(&mut stream, 1).await.unwrap();
}

#[tokio::test]
async fn bandwidth_takes_its_time() {
    let proxy = proxy().await;
    proxy.set(Direction::Requests, [Toxic::Bandwidth(20_000)]);
    let start = Instant::now();
    round(&mut connect(&proxy).await, 4_000).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_slicer_changes_nothing_but_the_pieces() {
    let proxy = proxy().await;
    let wait = Toxic::Latency {
        delay: Duration::from_millis(2),
        jitter: Duration::ZERO,
    };
    proxy.set(Direction::Answers, [Toxic::Slicer(3), wait]);
    let mut stream = connect(&proxy).await;
    stream.write_all(&[7; 30]).await.unwrap();
    let (mut heard, mut largest, mut buffer) = (0, 0, [0; 64]);
    let start = Instant::now();
    while heard < 30 {
        let read = soon(stream.read(&mut buffer)).await.unwrap();
        assert!(read > 0);
        (heard, largest) = (heard + read, largest.max(read));
    }
    assert_eq!(heard, 30);
    assert!(start.elapsed() >= Duration::from_millis(10), "ten pieces");
}

#[tokio::test]
async fn a_reset_comes_after_exactly_so_many_bytes() {
    let proxy = proxy().await;
    proxy.set(Direction::Answers, [Toxic::ResetAfter(10)]);
    let mut stream = connect(&proxy).await;
    stream.write_all(&[7; 25]).await.unwrap();
    let (heard, ended) = rest(&mut stream).await;
    assert!(heard <= 10, "{heard}");
    assert_eq!(ended, Some(ErrorKind::ConnectionReset));
    assert_eq!(proxy.counts().answers, 10);
}

#[tokio::test]
async fn a_half_close_ends_one_direction_in_order() {
    let proxy = proxy().await;
    proxy.set(Direction::Answers, [Toxic::HalfCloseAfter(10)]);
    let mut stream = connect(&proxy).await;
    stream.write_all(&[7; 25]).await.unwrap();
    assert_eq!(rest(&mut stream).await, (10, None));
    // The other one goes on.
    stream.write_all(&[7; 5]).await.unwrap();
    soon(async {
        while proxy.counts().requests < 30 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn in_a_black_hole_nothing_moves_until_it_closes() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round(&mut stream, 3).await.unwrap();
    proxy.set(Direction::Requests, [Toxic::BlackHole]);
    stream.write_all(b"lost").await.unwrap();
    let mut fresh = connect(&proxy).await;
    fresh.write_all(b"lost").await.unwrap();
    let mut byte = [0];
    let silence = tokio::time::timeout(DELAY, stream.read(&mut byte)).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(proxy.counts().requests, 3);
    proxy.heal();
    for stream in [&mut stream, &mut fresh] {
        let mut heard = [0; 4];
        soon(stream.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"lost");
    }
}

#[tokio::test]
async fn down_resets_and_refuses_until_up() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round(&mut stream, 3).await.unwrap();
    for _ in 0..3 {
        proxy.down().await;
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(
            rest(&mut stream).await,
            (0, Some(ErrorKind::ConnectionReset))
        );
        proxy.up().await.unwrap();
        stream = connect(&proxy).await;
        round(&mut stream, 3).await.unwrap();
    }
}

#[tokio::test]
async fn an_upstream_that_is_away_resets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let proxy = Proxy::start(nobody).await.unwrap();
    let mut stream = connect(&proxy).await;
    assert_eq!(
        rest(&mut stream).await,
        (0, Some(ErrorKind::ConnectionReset))
    );
}
