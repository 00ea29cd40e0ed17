//! The way to received files: `GET {graph_url}/{media id}` names an address, and the
//! address has the bytes.

mod failure;
mod place;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response, Url};
use serde::Deserialize;
use zupa_core::{ChannelId, Digest, Media, Result};

use self::failure::Failure;
use self::place::{Lookup, Place, PublicOnly};
use crate::config::WhatsAppCloudConfig;
use crate::http;

/// More than any answer of the Graph API about a file.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// The longest id of a file. Meta's are numbers of some twenty digits.
const MAX_ID_BYTES: usize = 128;

/// The files that a number has received.
pub(crate) struct Files {
    channel: ChannelId,
    graph: Url,
    number: String,
    /// Asks the Graph API.
    client: Client,
    /// Asks Meta's other hosts. None where the Graph API itself is asked without TLS.
    outside: Option<Client>,
}

/// What the Graph API says of a file. Its address lives for five minutes.
#[derive(Deserialize)]
struct Found {
    url: String,
    #[serde(default)]
    mime_type: String,
    sha256: Option<String>,
    file_size: Option<u64>,
}

impl Files {
    pub(crate) fn new(config: &WhatsAppCloudConfig, graph: &Url) -> Result<Self> {
        Self::with_lookup(config, graph, place::system)
    }

    fn with_lookup(config: &WhatsAppCloudConfig, graph: &Url, lookup: Lookup) -> Result<Self> {
        let client = http::of_graph(config, graph)?;
        let outside = match graph.scheme() {
            "http" => None,
            _ => {
                let builder = http::builder(config)?.dns_resolver(Arc::new(PublicOnly(lookup)));
                Some(http::build(builder)?)
            }
        };
        Ok(Self {
            channel: config.channel.clone(),
            graph: graph.clone(),
            number: config.phone_number_id.clone(),
            client,
            outside,
        })
    }

    /// As [`zupa_core::Channel::media`].
    pub(crate) async fn fetch(&self, id: &str, most: u64, timeout: Duration) -> Result<Media> {
        let fetched = tokio::time::timeout(timeout, self.find_and_read(id, most));
        fetched
            .await
            .unwrap_or(Err(Failure::Late))
            .map_err(|failure| failure.into_error(&self.channel))
    }

    async fn find_and_read(&self, id: &str, most: u64) -> Result<Media, Failure> {
        let found = self.find(id).await?;
        match self.read(found, most).await {
            // The address has ended. A new one is asked for once: Meta counts what fails.
            Err(Failure::Gone | Failure::Unauthorized { .. }) => {
                self.read(self.find(id).await?, most).await
            }
            read => read,
        }
    }

    async fn find(&self, id: &str) -> Result<Found, Failure> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=MAX_ID_BYTES).contains(&id.len()) || !id.bytes().all(letters) {
            return Err(Failure::Gone);
        }
        let mut url = self.graph.clone();
        // An address that is no base has been refused with the configuration.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(id);
        }
        url.query_pairs_mut()
            .append_pair("phone_number_id", &self.number);
        let answer = self.client.get(url).send().await?;
        let status = answer.status().as_u16();
        let bytes = bytes(answer, 0, MAX_ANSWER_BYTES).await?;
        if status != 200 {
            return Err(Failure::refused(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|_| Failure::Nonsense)
    }

    async fn read(&self, found: Found, most: u64) -> Result<Media, Failure> {
        let url = Url::parse(&found.url).map_err(|_| Failure::Place)?;
        let client = match Place::of(&url, &self.graph) {
            Some(Place::Graph) => &self.client,
            Some(Place::Meta) => self.outside.as_ref().ok_or(Failure::Place)?,
            None => return Err(Failure::Place),
        };
        let size = found.file_size.unwrap_or(0);
        if size > most {
            return Err(Failure::TooLarge { most });
        }
        let answer = client.get(url).send().await?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(Failure::refused(status, &[]));
        }
        let bytes = bytes(answer, size, most).await?;
        let digest = Digest::of(&bytes).to_hex();
        let is_theirs = |sha256: &String| sha256.eq_ignore_ascii_case(&digest);
        if !found.sha256.as_ref().is_none_or(is_theirs) {
            return Err(Failure::Altered);
        }
        Ok(Media {
            mime: found.mime_type,
            bytes,
        })
    }
}

/// Reads no further than `most`; `size` is what the other side has announced.
async fn bytes(mut answer: Response, size: u64, most: u64) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::TooLarge { most };
    if answer.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| too_large())?);
    while let Some(piece) = answer.chunk().await? {
        if (bytes.len() + piece.len()) as u64 > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.channel)
    }
}
