//! Where a run takes place: its folder, the places of its replicas, and what
//! they stand on: a file, or a server and sometimes a network of their own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::Rng;

use super::database::Database;
use super::network::Network;
use super::options::{Channel, Options};
use super::place::Place;
use super::words::dice;

#[derive(Debug, Clone)]
pub struct Stage {
    pub dir: PathBuf,
    pub places: Vec<Place>,
    /// Where the fake model listens.
    pub model: IpAddr,
    /// Where people write.
    pub channel: Channel,
}

/// What has to be taken down after the run: dropping it does.
#[derive(Debug, Default)]
pub struct Ground {
    pub database: Option<Database>,
    pub network: Option<Network>,
}

impl Stage {
    /// A fresh folder `target/crash/<seed>`, a store, and a free port for each replica.
    pub fn set(binary: &Path, options: &Options) -> anyhow::Result<(Self, Ground)> {
        let dir = root().join("target/crash").join(options.seed.to_string());
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        // A copy: a build in the meantime must not change what is under test.
        let under_test = dir.join("zupa");
        fs::copy(binary, &under_test)
            .with_context(|| format!("cannot copy {}", binary.display()))?;

        let replicas = options.replicas();
        let network = match options.partitions {
            Some(1..) => Some(Network::lay(replicas)?),
            _ => None,
        };
        let near = network.as_ref().map(Network::store_side);
        let database = match options.on_postgres() {
            true => Some(Database::start(near)?),
            false => None,
        };
        let place = |replica| {
            let dir = dir.join(format!("r{replica}"));
            let store = match &database {
                Some(database) => database.url(near),
                None => format!("sqlite://{}", dir.join("zupa.db").display()),
            };
            let inside = network.as_ref().map(|network| network.inside(replica));
            let address = inside
                .as_ref()
                .map_or(Ipv4Addr::LOCALHOST, |inside| inside.door);
            anyhow::Ok(Place {
                replica,
                binary: under_test.clone(),
                door: SocketAddr::from((address, free_port(options.seed, replica)?)),
                store,
                namespace: inside.map(|inside| inside.namespace),
                dir,
            })
        };
        let places = (0..replicas).map(place).collect::<Result<_, _>>()?;
        let model = network
            .as_ref()
            .map_or(Ipv4Addr::LOCALHOST, Network::door_side)
            .into();
        let stage = Self {
            dir,
            places,
            model,
            channel: options.channel,
        };
        Ok((stage, Ground { database, network }))
    }

    pub fn doors(&self) -> Vec<SocketAddr> {
        self.places.iter().map(|place| place.door).collect()
    }

    pub fn oracle_log(&self) -> PathBuf {
        self.dir.join("oracle.log")
    }

    pub fn strike(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }
}

impl Place {
    /// The file of the store, where it is one.
    pub fn database(&self) -> Option<&Path> {
        self.store.strip_prefix("sqlite://").map(Path::new)
    }
}

/// The workspace: the parent of this crate.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Below the ephemeral range: while the server is down, a client that connects
/// to an ephemeral port of its own machine may end up connected to itself.
fn free_port(seed: u64, replica: usize) -> anyhow::Result<u16> {
    let mut dice = dice(seed, ("port", std::process::id(), replica));
    let mut last = None;
    for _ in 0..100 {
        let port = dice.random_range(18_000..30_000);
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no port was tried")?).context("cannot find a free port")
}
