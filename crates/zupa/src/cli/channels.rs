//! `zupa channels`: how the channels of the process that serves stand. They are in its
//! memory alone, so there has to be one.

use serde::Deserialize;
use serde_json::json;
use zupa_http::channels::{Channel, Code};

use super::arguments::{ChannelName, ChannelsCommand, Global};
use super::failure::{Code as Exit, Failure};
use super::pairing;
use super::{check, operator, print, store, token};

#[derive(Deserialize)]
struct All {
    channels: Vec<Channel>,
}

/// Runs `zupa channels …`.
pub async fn channels(global: &Global, command: &ChannelsCommand) -> Result<Exit, Failure> {
    let config = check::load(global, &[])?;
    let server = token::read(&store::marks(&config)).map_err(|failure| {
        failure.try_this("start one: how a channel stands is in the memory of a process")
    })?;
    let all: Option<All> = operator::get(&server, "/api/v1/channels").await?;
    let all = all.map(|all| all.channels).unwrap_or_default();
    match command {
        ChannelsCommand::Ls(output) => {
            if output.json {
                print::json(&json!({ "version": 1, "channels": all }))?;
                return Ok(Exit::Ok);
            }
            for channel in &all {
                print::line(format_args!("{}", line(channel)));
            }
            if all.is_empty() {
                eprintln!("there are no channels");
            }
            Ok(Exit::Ok)
        }
        ChannelsCommand::Show(wanted) => show(&server, all, wanted).await,
    }
}

async fn show(
    server: &(std::net::SocketAddr, String),
    all: Vec<Channel>,
    wanted: &ChannelName,
) -> Result<Exit, Failure> {
    let mut all = all.into_iter();
    let Some(channel) = all.find(|channel| channel.id == wanted.id) else {
        let unknown = format!("there is no channel named {}", wanted.id);
        return Err(Failure::new(Exit::NotFound, unknown).try_this("zupa channels ls"));
    };
    let code: Option<Code> = match channel.pairing {
        // None: it was linked meanwhile.
        Some(_) => {
            operator::get(server, &format!("/api/v1/channels/{}/pairing", channel.id)).await?
        }
        None => None,
    };
    if wanted.output.json {
        print::json(&json!({ "version": 1, "channel": channel, "pairing": code }))?;
        return Ok(Exit::Ok);
    }
    print::line(format_args!("{}", line(&channel)));
    if let Some(code) = &code {
        print::line(format_args!("{}", pairing::words(&channel.id, code)));
    }
    Ok(Exit::Ok)
}

fn line(channel: &Channel) -> String {
    let Channel {
        id,
        kind,
        state,
        reason,
        since,
        pairing,
        ..
    } = channel;
    let why = match (reason, pairing) {
        (Some(reason), _) => format!(" ({reason})"),
        (None, Some(_)) => " (waits to be linked: zupa channels show)".to_owned(),
        (None, None) => String::new(),
    };
    format!("{id}  {kind}  {state}{why}  since {since}")
}
