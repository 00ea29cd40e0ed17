//! A door that a platform posts to: each line of a body is a message, signed by the word
//! `signed` in a header of its own.

use zupa_core::{
    Address, Alias, ChannelId, Content, Error, ErrorKind, Inbound, Opened, Result, TenantId,
    Webhook,
};

#[derive(Debug)]
pub struct FakeWebhook(pub ChannelId);

impl Webhook for FakeWebhook {
    fn channel(&self) -> &ChannelId {
        &self.0
    }

    fn max_bytes(&self) -> usize {
        64
    }

    fn greet(&self, query: &[(String, String)]) -> Result<String> {
        match query {
            [(name, word)] if name == "word" => Ok(word.clone()),
            _ => Err(Error::new(ErrorKind::Unauthorized, "no word")),
        }
    }

    fn open(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Opened> {
        if !headers.contains(&("x-signature", b"signed")) {
            return Err(Error::new(ErrorKind::Unauthorized, "not signed"));
        }
        let mut opened = Opened::default();
        for line in body.split(|byte| *byte == b'\n') {
            let Ok(text) = std::str::from_utf8(line) else {
                opened.skip("unreadable");
                continue;
            };
            let address = Address {
                tenant: TenantId::default_tenant(),
                channel: self.0.clone(),
                alias: Alias::parse("somebody")?,
            };
            let inbound = Inbound::new(address, Content::text(text));
            opened.batch.inbounds.push(inbound);
        }
        Ok(opened)
    }
}
