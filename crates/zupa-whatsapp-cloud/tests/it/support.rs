//! Numbers, and requests as Meta posts them.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use zupa_core::{ChannelId, Content, Opened, Result, TenantId, Webhook};
use zupa_whatsapp_cloud::{WhatsAppCloud, WhatsAppCloudConfig, webhooks};

pub const NUMBER: &str = "100000000000001";
pub const SECRET: &str = "the-app-secret";
pub const VERIFY: &str = "the-verify-token";

pub fn config(channel: &str, number: &str) -> WhatsAppCloudConfig {
    let channel = ChannelId::parse(channel).unwrap();
    let token = "the-access-token".to_owned().into();
    let tenant = TenantId::default_tenant();
    WhatsAppCloudConfig {
        app_secrets: vec![SECRET.to_owned().into()],
        verify_token: Some(VERIFY.to_owned().into()),
        ..WhatsAppCloudConfig::new(channel, tenant, number, token)
    }
}

/// The webhook of the first of these numbers.
pub fn webhook(configs: impl IntoIterator<Item = WhatsAppCloudConfig>) -> Arc<dyn Webhook> {
    let numbers: Vec<_> = configs
        .into_iter()
        .map(|config| WhatsAppCloud::new(config).unwrap())
        .collect();
    webhooks(&numbers).remove(0)
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let signed = mac.chain_update(body).finalize().into_bytes();
    format!("sha256={}", hex::encode(signed))
}

pub fn post(webhook: &dyn Webhook, body: &[u8]) -> Result<Opened> {
    let signature = sign(SECRET, body);
    webhook.open(&[("x-hub-signature-256", signature.as_bytes())], body)
}

/// What a number makes of one change of the field `messages`.
pub fn open(value: Value) -> Opened {
    let body = envelope(&[change(NUMBER, value)]).to_string();
    post(webhook([config("wa", NUMBER)]).as_ref(), body.as_bytes()).unwrap()
}

pub fn envelope(changes: &[Value]) -> Value {
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": changes }] })
}

pub fn change(number: &str, mut value: Value) -> Value {
    value["messaging_product"] = "whatsapp".into();
    value["metadata"] = json!({ "display_phone_number": "15550000000", "phone_number_id": number });
    json!({ "field": "messages", "value": value })
}

/// A message of this type from one person, as `wamid.1`.
pub fn message(kind: &str, body: Value) -> Value {
    let mut message = json!({
        "id": "wamid.1", "from": "15550001111", "from_user_id": "US.1a2B",
        "timestamp": "1700000000", "type": kind,
    });
    if !body.is_null() {
        message[kind] = body;
    }
    message
}

pub fn text(id: &str, body: &str) -> Value {
    let mut message = message("text", json!({ "body": body }));
    message["id"] = id.into();
    message
}

/// The ids of messages in order; of what has none of its own, what it is.
pub fn ids(opened: &Opened) -> Vec<String> {
    let id = |inbound: &zupa_core::Inbound| match &inbound.content {
        Content::Undecodable { .. } => "undecodable".to_owned(),
        _ => inbound.platform_id.as_ref().unwrap().as_str().to_owned(),
    };
    opened.batch.inbounds.iter().map(id).collect()
}
