//! A relay between the store and the server that can lose answers, with or
//! without the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on until it is told to lose the next answers.
pub struct Relay {
    port: u16,
    lossy: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
}

impl Relay {
    /// Stands before the server at `host:port`.
    pub async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lossy = Arc::new(AtomicBool::new(false));
        let silent = Arc::new(AtomicBool::new(false));
        let told = (lossy.clone(), silent.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, told.clone()));
            }
        });
        Self {
            port,
            lossy,
            silent,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on connections that are asked something never answer again, and
    /// stay open.
    pub fn fall_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// From now on an answer cuts the connection instead of arriving.
    pub fn lose_answers(&self, lossy: bool) {
        self.lossy.store(lossy, Ordering::SeqCst);
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    (lossy, silent): (Arc<AtomicBool>, Arc<AtomicBool>),
) {
    let mut is_deaf = false;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
        if lossy.load(Ordering::SeqCst) {
            break;
        }
        // What a connection has lost it never hears of again.
        is_deaf |= silent.load(Ordering::SeqCst);
        if is_deaf {
            continue;
        }
        if to_client.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    asking.abort();
}
