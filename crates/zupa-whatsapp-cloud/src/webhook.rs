//! What Meta posts, and to whom it goes.
//!
//! An app has one address for all of its numbers, so a request may speak of several: each
//! change goes to the door of its number, if an app secret of that door has signed the
//! request. A number that is nobody's, or another app's, is counted and acknowledged.

use std::collections::HashMap;
use std::sync::Arc;

use zupa_core::{ChannelId, Error, ErrorKind, Opened, Result, Webhook};

use crate::door::{Door, WhatsAppCloud};
use crate::open::open;
use crate::signature::Signature;

/// As much as Meta posts at once.
const MAX_BYTES: usize = 3 << 20;

/// What these numbers are posted to: one for each that has an app secret.
pub fn webhooks(numbers: &[WhatsAppCloud]) -> Vec<Arc<dyn Webhook>> {
    let doors: Arc<[Arc<Door>]> = numbers.iter().map(|number| number.0.clone()).collect();
    doors
        .iter()
        .filter(|door| !door.app_secrets.is_empty())
        .map(|door| {
            Arc::new(CloudWebhook {
                door: door.clone(),
                doors: doors.clone(),
            }) as Arc<dyn Webhook>
        })
        .collect()
}

#[derive(Debug)]
struct CloudWebhook {
    door: Arc<Door>,
    doors: Arc<[Arc<Door>]>,
}

impl Webhook for CloudWebhook {
    fn channel(&self) -> &ChannelId {
        &self.door.channel
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn greet(&self, query: &[(String, String)]) -> Result<String> {
        let one = |name: &str| {
            let mut values = query.iter().filter(|(key, _)| key == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Some(value.as_str()),
                _ => None,
            }
        };
        let subscribes = one("hub.mode") == Some("subscribe");
        let knows = match (&self.door.verify_token, one("hub.verify_token")) {
            (Some(token), Some(offered)) => token.is(offered),
            _ => false,
        };
        match one("hub.challenge") {
            Some(challenge) if subscribes && knows => Ok(challenge.to_owned()),
            _ => Err(self.refusal("the handshake does not know the verify token")),
        }
    }

    fn open(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Opened> {
        let signature = Signature::read(headers)
            .filter(|signature| self.door.app_secrets.have_signed(body, signature))
            .ok_or_else(|| self.refusal("the body is not signed by the app"))?;
        // Once for each number: a body names one as often as it likes, and proving is as
        // long as the body.
        let mut proved = HashMap::from([(&self.door.channel, true)]);
        let door_of = |number: &str| {
            let mut doors = self.doors.iter();
            let door = doors.find(|door| door.phone_number_id == number)?;
            let has_signed = || door.app_secrets.have_signed(body, &signature);
            let is_theirs = *proved.entry(&door.channel).or_insert_with(has_signed);
            is_theirs.then_some(door.as_ref())
        };
        Ok(open(&self.door, door_of, body))
    }
}

impl CloudWebhook {
    fn refusal(&self, why: &'static str) -> Error {
        Error::new(ErrorKind::Unauthorized, why).with("channel", &self.door.channel)
    }
}
