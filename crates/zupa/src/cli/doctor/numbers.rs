//! The numbers of WhatsApp: their secrets, and what the Graph API says of them.

use std::time::Duration;

use zupa::config::{Channel, ChannelKind, Config};
use zupa_core::ErrorKind;

use super::finding::Finding;
use crate::cli::assemble;

const CHECK: &str = "number";
/// For one question.
const ANSWER: Duration = Duration::from_secs(5);

/// Looks at every number; each is asked for at the Graph API.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, channel) in config.channels.iter().enumerate() {
        if channel.kind == ChannelKind::WhatsAppCloud {
            findings.push(number(config, index, channel).await);
            findings.extend(handshake(channel));
        }
    }
    findings
}

async fn number(config: &Config, index: usize, channel: &Channel) -> Finding {
    let id = &channel.id;
    let number = match assemble::number(config, index, channel).await {
        Ok(number) => number,
        Err(failure) => return Finding::failed(CHECK, &failure),
    };
    let Err(error) = number.look(ANSWER).await else {
        let what = format!("{id}: the Graph API knows it and takes its token");
        return Finding::ok(CHECK, what);
    };
    let fix = match error.kind() {
        ErrorKind::Unauthorized => {
            "a token of a system user with whatsapp_business_messaging, that has not expired"
        }
        ErrorKind::Invalid => "the phone number id (not the number), of the token's business",
        _ => "look at graph_url and at the network, and try again",
    };
    Finding::fail(
        CHECK,
        format!("{id}: it cannot send"),
        error.to_string(),
        fix,
    )
}

/// Without app secrets there is no webhook, which the configuration's own check says.
fn handshake(channel: &Channel) -> Option<Finding> {
    let is_asked = !channel.app_secrets.is_empty() && channel.verify_token.is_none();
    is_asked.then(|| {
        Finding::warn(
            CHECK,
            format!("{}: it has no verify_token", channel.id),
            "Meta asks before it posts to an address for the first time, and is refused",
            "verify_token = \"env:NAME\", with any long random text of yours",
        )
    })
}
