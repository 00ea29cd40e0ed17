//! Where a file may be fetched from. An address comes from outside and whoever asks it
//! shows the access token, so it must be Meta's, over TLS, at a public address of the
//! network; or the Graph API's own, which an operator has named.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where Meta keeps files; hosts below these count.
const META: [&str; 3] = ["fbsbx.com", "fbcdn.net", "whatsapp.net"];

/// Who asks for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The client of the Graph API: the file is where the Graph API is.
    Graph,
    /// The client that connects to public addresses alone.
    Meta,
}

impl Place {
    /// None for an address that must not be asked.
    pub(super) fn of(url: &Url, graph: &Url) -> Option<Self> {
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        if url.origin() == graph.origin() {
            return Some(Self::Graph);
        }
        let is_below = |host: &str, parent: &str| {
            let rest = host.strip_suffix(parent);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // A host in digits ends with no name of Meta's. A port of TLS's own is none.
        let host = url.host_str()?;
        let is_meta = META.iter().any(|parent| is_below(host, parent));
        (url.scheme() == "https" && url.port().is_none() && is_meta).then_some(Self::Meta)
    }
}

/// How a name becomes addresses.
pub(super) type Lookup = fn(String) -> Resolving;

/// Asks the system.
pub(super) fn system(name: String) -> Resolving {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
    })
}

/// Leaves the public ones of a name's addresses. What it answers is what is connected to,
/// so a name that changes its mind between two questions gains nothing.
pub(super) struct PublicOnly(pub(super) Lookup);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let public: Vec<SocketAddr> = found.await?.filter(|at| is_public(at.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::other("the name has no public address").into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// By IANA's registry of special-purpose addresses.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match a {
        0 | 10 | 127 | 224.. => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b, c) == (88, 99),
        198 => b == 18 || b == 19 || (b, c) == (51, 100),
        203 => (b, c) == (0, 113),
        _ => false,
    };
    !is_special
}

/// Global unicast, without what stands for an IPv4 address or for documents. A network
/// that has IPv6 alone reaches IPv4 through 64:ff9b::/96.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, high, low] = ip.segments();
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [[w, x], [y, z]] = [high.to_be_bytes(), low.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(w, x, y, z));
    }
    let is_global_unicast = a & 0xe000 == 0x2000;
    let is_special = match a {
        // Protocol assignments (Teredo among them), and documents.
        0x2001 => b < 0x200 || b == 0xdb8,
        // 6to4.
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    is_global_unicast && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Option<Place> {
        let graph = Url::parse("https://graph.facebook.com/v23.0").unwrap();
        Place::of(&Url::parse(url).unwrap(), &graph)
    }

    #[test]
    fn metas_hosts_are_asked_and_no_other() {
        for url in [
            "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1",
            "https://scontent.xx.fbcdn.net/a",
            "https://MMG.whatsapp.net:443/a",
        ] {
            assert_eq!(place(url), Some(Place::Meta), "{url}");
        }
        let own = "https://graph.facebook.com/v23.0/file";
        assert_eq!(place(own), Some(Place::Graph));
        for url in [
            "http://lookaside.fbsbx.com/a",
            "https://lookaside.fbsbx.com:8443/a",
            "https://lookaside.fbsbx.com./a",
            "https://user@lookaside.fbsbx.com/a",
            "https://user:word@graph.facebook.com/a",
            "https://evilfbsbx.com/a",
            "https://lookaside.fbsbx.com.evil.example/a",
            "https://lookaside.fbsbx.com@evil.example/a",
            "https://evil.example/lookaside.fbsbx.com",
            "https://evil.example/#lookaside.fbsbx.com",
            "https://evil.example?lookaside.fbsbx.com",
            "http://graph.facebook.com/a",
            "https://graph.facebook.com:444/a",
            "https://www.facebook.com/a",
            "ftp://lookaside.fbsbx.com/a",
            "file:///etc/passwd",
            "data:text/plain,fbsbx.com",
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f000001/a",
            "https://0177.0.0.1/a",
            "https://127.1/a",
            "https://[::1]/a",
            "https://[::ffff:169.254.169.254]/a",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/a",
            "https://metadata.google.internal/a",
        ] {
            assert_eq!(place(url), None, "{url}");
        }
    }

    #[test]
    fn an_address_is_public_or_it_is_not_connected_to() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "157.240.1.1",
            "172.32.0.1",
            "192.1.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2a03:2880::1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
