//! The proxy: a listener, and a task for each connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::flow::Flow;
use crate::toxic::{Direction, End, Toxic, Toxics};

/// A TCP proxy whose faults are changed while it runs. Dropped, it is gone, and so
/// are its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    lines: Lines,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// How much went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were taken.
    pub connections: u64,
    /// Bytes that reached the server.
    pub requests: u64,
    /// Bytes that reached the client.
    pub answers: u64,
}

/// What all connections share.
#[derive(Debug, Clone)]
struct Lines {
    upstream: Arc<str>,
    seed: u64,
    requests: Way,
    answers: Way,
    connections: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Way {
    toxics: Arc<watch::Sender<Toxics>>,
    bytes: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens on a free port of this machine for connections to `upstream`
    /// (`host:port`), without a fault.
    ///
    /// *Errors*: those of listening.
    pub async fn start(upstream: impl Into<String>) -> io::Result<Self> {
        Self::seeded(upstream, 0).await
    }

    /// The same, with a seed for what is drawn.
    ///
    /// *Errors*: those of listening.
    pub async fn seeded(upstream: impl Into<String>, seed: u64) -> io::Result<Self> {
        let way = || Way {
            toxics: Arc::new(watch::Sender::new(Toxics::default())),
            bytes: Arc::default(),
        };
        let lines = Lines {
            upstream: upstream.into().into(),
            seed,
            requests: way(),
            answers: way(),
            connections: Arc::default(),
        };
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let proxy = Self {
            address: listener.local_addr()?,
            lines,
            listening: Mutex::new(None),
        };
        proxy.take(Some(listener));
        Ok(proxy)
    }

    /// Where it listens; the same after [`Self::up`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the faults of one direction, for connections that are open, too.
    pub fn set(&self, direction: Direction, toxics: impl IntoIterator<Item = Toxic>) {
        let way = match direction {
            Direction::Requests => &self.lines.requests,
            Direction::Answers => &self.lines.answers,
        };
        way.toxics
            .send_replace(Toxics(toxics.into_iter().collect()));
    }

    /// Takes the faults of both directions away.
    pub fn heal(&self) {
        self.set(Direction::Requests, []);
        self.set(Direction::Answers, []);
    }

    /// Resets every connection and refuses new ones.
    pub async fn down(&self) {
        if let Some(listening) = self.take(None) {
            listening.abort();
            // The port is closed when the task is gone.
            let _ = listening.await;
        }
    }

    /// Listens again at the same address.
    ///
    /// *Errors*: those of listening: somebody else may have taken the port.
    pub async fn up(&self) -> io::Result<()> {
        self.down().await;
        self.take(Some(listen(self.address)?));
        Ok(())
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: count(&self.lines.connections),
            requests: count(&self.lines.requests.bytes),
            answers: count(&self.lines.answers.bytes),
        }
    }

    /// Puts a listener in the place of the one that was there.
    fn take(&self, listener: Option<TcpListener>) -> Option<JoinHandle<()>> {
        let task = listener.map(|listener| tokio::spawn(self.lines.clone().listen(listener)));
        let mut listening = self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *listening, task)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listening) = self.take(None) {
            listening.abort();
        }
    }
}

/// What was just closed here may still be remembered by the kernel.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1_024)
}

impl Lines {
    /// Takes connections until it is aborted, and they with it.
    async fn listen(self, listener: TcpListener) {
        let mut open = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            open.spawn(self.clone().connect(client, number));
            while open.try_join_next().is_some() {}
        }
    }

    async fn connect(self, client: TcpStream, number: u64) -> io::Result<()> {
        let server = match TcpStream::connect(&*self.upstream).await {
            Ok(server) => server,
            Err(error) => {
                client.set_zero_linger()?;
                return Err(error);
            }
        };
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut link = Link {
            client,
            server,
            in_order: false,
        };
        link.in_order = self.pass(&mut link, number).await? == End::HalfClose;
        Ok(())
    }

    /// Moves bytes both ways until both have ended, or one in a reset.
    async fn pass(&self, link: &mut Link, number: u64) -> io::Result<End> {
        let flow = |way: &Way, turn: u64| Flow {
            toxics: way.toxics.subscribe(),
            bytes: way.bytes.clone(),
            seed: self.seed.wrapping_add(2 * number + turn),
        };
        let (from_client, to_client) = link.client.split();
        let (from_server, to_server) = link.server.split();
        let requests = flow(&self.requests, 0).run(from_client, to_server);
        let answers = flow(&self.answers, 1).run(from_server, to_client);
        tokio::pin!(requests, answers);
        // Who is dropped here with bytes in hand is dropped by a reset.
        tokio::select! {
            ended = &mut requests => match ended? {
                End::HalfClose => answers.await,
                End::Reset => Ok(End::Reset),
            },
            ended = &mut answers => match ended? {
                End::HalfClose => requests.await,
                End::Reset => Ok(End::Reset),
            },
        }
    }
}

/// Both ends of a connection. Whatever ends it but an orderly end resets both.
struct Link {
    client: TcpStream,
    server: TcpStream,
    in_order: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.in_order {
            // A socket that is gone already needs no reset.
            let _ = self.client.set_zero_linger();
            let _ = self.server.set_zero_linger();
        }
    }
}
