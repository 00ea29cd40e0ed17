//! A network for replicas that are to be cut off: each in a namespace of its own,
//! with one link to the harness and the fake model, and another to the store.
//!
//! ```text
//!   harness, model ── bridge ── door ┐
//!                                    ├ namespace of a replica
//!   Postgres ──────── bridge ── store┘
//! ```

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context as _, bail};

/// How a replica is cut off from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The far end of the link is down: whatever is sent vanishes.
    Silent,
    /// The near end is down: there is no way, and the replica is told so.
    Refused,
    /// Requests arrive, answers vanish.
    AnswersLost,
}

impl Cut {
    pub const ALL: [Self; 3] = [Self::Silent, Self::Refused, Self::AnswersLost];
}

/// Dropping it takes everything away.
#[derive(Debug)]
pub struct Network {
    /// Tells runs side by side apart. Below 5000, so that 10.64.0.0/10 has room.
    run: u32,
    replicas: usize,
}

/// What one replica has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    pub namespace: String,
    /// Where the harness reaches it.
    pub door: Ipv4Addr,
    store: Ipv4Addr,
}

/// Why no namespace can be made here; `None` when they can.
pub fn missing() -> Option<String> {
    if !could_be_made() {
        return Some("network namespaces need root, and `ip`".to_owned());
    }
    let name = format!("zupa-probe-{}", std::process::id());
    let made = ip(&["netns", "add", &name]).and_then(|()| ip(&["netns", "del", &name]));
    made.err()
        .map(|error| format!("network namespaces cannot be made: {error:#}"))
}

/// Whether somebody with these rights and tools may expect to make them.
pub fn could_be_made() -> bool {
    rustix::process::geteuid().is_root() && Command::new("ip").arg("-V").output().is_ok()
}

impl Network {
    /// Lays all links, and takes down what it laid if one cannot be.
    pub fn lay(replicas: usize) -> anyhow::Result<Self> {
        let network = Self {
            run: std::process::id() % 5000,
            replicas,
        };
        for (side, address) in [('d', network.door_side()), ('s', network.store_side())] {
            let bridge = network.bridge(side);
            ip(&["link", "add", &bridge, "type", "bridge"])?;
            ip(&["addr", "add", &format!("{address}/24"), "dev", &bridge])?;
            ip(&["link", "set", &bridge, "up"])?;
        }
        for replica in 0..replicas {
            network.house(replica)?;
        }
        Ok(network)
    }

    fn house(&self, replica: usize) -> anyhow::Result<()> {
        let inside = self.inside(replica);
        let namespace = inside.namespace.as_str();
        ip(&["netns", "add", namespace])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        for (side, name, address) in [('d', "door", inside.door), ('s', "store", inside.store)] {
            let outer = self.outer(side, replica);
            ip(&[
                "link", "add", &outer, "type", "veth", "peer", "name", name, "netns", namespace,
            ])?;
            ip(&["link", "set", &outer, "master", &self.bridge(side), "up"])?;
            let address = format!("{address}/24");
            ip(&["-n", namespace, "addr", "add", &address, "dev", name])?;
            ip(&["-n", namespace, "link", "set", name, "up"])?;
        }
        Ok(())
    }

    /// The address of the harness and the fake model.
    pub fn door_side(&self) -> Ipv4Addr {
        self.address('d', 1)
    }

    /// The address of the store.
    pub fn store_side(&self) -> Ipv4Addr {
        self.address('s', 1)
    }

    pub fn inside(&self, replica: usize) -> Inside {
        let host = u8::try_from(replica + 10).unwrap_or(u8::MAX);
        Inside {
            namespace: format!("zupa-{}-{replica}", self.run),
            door: self.address('d', host),
            store: self.address('s', host),
        }
    }

    pub fn cut(&self, replica: usize, how: Cut) -> anyhow::Result<()> {
        let inside = self.inside(replica);
        match how {
            Cut::Silent => ip(&["link", "set", &self.outer('s', replica), "down"]),
            Cut::Refused => ip(&["-n", &inside.namespace, "link", "set", "store", "down"]),
            // The store's machine believes the replica to be where nobody is.
            Cut::AnswersLost => ip(&[
                "neigh",
                "replace",
                &inside.store.to_string(),
                "lladdr",
                "02:00:00:00:00:01",
                "dev",
                &self.bridge('s'),
                "nud",
                "permanent",
            ]),
        }
    }

    pub fn heal(&self, replica: usize, how: Cut) -> anyhow::Result<()> {
        let inside = self.inside(replica);
        match how {
            Cut::Silent => ip(&["link", "set", &self.outer('s', replica), "up"]),
            Cut::Refused => ip(&["-n", &inside.namespace, "link", "set", "store", "up"]),
            Cut::AnswersLost => ip(&[
                "neigh",
                "del",
                &inside.store.to_string(),
                "dev",
                &self.bridge('s'),
            ]),
        }
    }

    /// Ends the replica's connections to the store; false where that cannot be done.
    pub fn end_connections(&self, replica: usize, port: u16) -> bool {
        let namespace = self.inside(replica).namespace;
        let to = self.store_side().to_string();
        let port = port.to_string();
        let ended = Command::new("ip")
            .args(["netns", "exec", &namespace, "ss", "-K"])
            .args(["dst", &to, "dport", "=", &port])
            .output();
        ended.is_ok_and(|ended| ended.status.success())
    }

    fn address(&self, side: char, host: u8) -> Ipv4Addr {
        let [.., second, third] = (self.run * 2 + u32::from(side == 's')).to_be_bytes();
        Ipv4Addr::new(10, 64 + second, third, host)
    }

    fn bridge(&self, side: char) -> String {
        format!("zu{}{side}", self.run)
    }

    fn outer(&self, side: char, replica: usize) -> String {
        format!("zu{}{side}{replica}", self.run)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for replica in 0..self.replicas {
            // Its links go with it; what was never laid cannot be taken away.
            let _ = ip(&["netns", "del", &self.inside(replica).namespace]);
        }
        for side in ['d', 's'] {
            let _ = ip(&["link", "del", &self.bridge(side)]);
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let spelled = arguments.join(" ");
    let done = Command::new("ip")
        .args(arguments)
        .output()
        .context("cannot run ip")?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        bail!("ip {spelled}: {}", why.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_two_sides_are_different_networks() {
        // Not laid, so there is nothing to take away.
        let network = Network {
            run: 4999,
            replicas: 0,
        };
        let (door, store) = (network.door_side(), network.store_side());
        assert_ne!(door.octets()[..3], store.octets()[..3]);
        let inside = network.inside(1);
        assert_eq!(inside.door.octets()[..3], door.octets()[..3]);
        assert_eq!(inside.store.octets()[..3], store.octets()[..3]);
        assert!(network.outer('s', 12).len() < 16);
    }

    /// A first packet may be lost and sent again after a second.
    fn reaches(inside: &Inside, address: Ipv4Addr, port: u16, seconds: &str) -> bool {
        let connect = format!("exec 3<>/dev/tcp/{address}/{port}");
        let done = Command::new("ip")
            .args(["netns", "exec", &inside.namespace])
            .args(["timeout", seconds, "bash", "-c", &connect])
            .output();
        done.is_ok_and(|done| done.status.success())
    }

    #[test]
    fn a_cut_parts_one_replica_from_the_store_alone() -> anyhow::Result<()> {
        if let Some(missing) = missing() {
            eprintln!("skipped: {missing}");
            return Ok(());
        }
        let network = Network::lay(2)?;
        let store = TcpListener::bind((network.store_side(), 0))?;
        let door = TcpListener::bind((network.door_side(), 0))?;
        let (at_store, at_door) = (store.local_addr()?.port(), door.local_addr()?.port());
        let to_store = |replica, seconds| {
            let inside = network.inside(replica);
            reaches(&inside, network.store_side(), at_store, seconds)
        };
        for how in Cut::ALL {
            assert!(to_store(0, "10"), "before {how:?}");
            network.cut(0, how)?;
            assert!(!to_store(0, "1"), "{how:?}");
            assert!(to_store(1, "10"), "{how:?}");
            let inside = network.inside(0);
            assert!(reaches(&inside, network.door_side(), at_door, "10"));
            network.heal(0, how)?;
            assert!(to_store(0, "10"), "after {how:?}");
        }
        Ok(())
    }
}
