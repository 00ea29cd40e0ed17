//! Speech from a configuration to what a phone shows: the whole path over a memory
//! store, and servers that answer well, never, or are not there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use zupa::config::{Config, Sources, load};
use zupa_core::{
    Address, Alias, ChannelId, Content, Deduplicates, Inbound, Media, PlatformId, TenantId,
};
use zupa_runtime::Runtime;
use zupa_testkit::{MemoryStore, RecordingChannel};

use crate::cli::assemble;

const ASKED: &str = "text: I could not understand your voice message. Please write it to me.";
const SCRIPT: &str = "[[rule]]\npattern = ''\nanswer = 're: {message}'\n";
const SCRIPTED: &str =
    "[transcriber]\nprovider = 'scripted'\n[synthesizer]\nprovider = 'scripted'\n";

/// One process, made of a configuration, with a phone that carries voice.
struct World {
    runtime: Runtime,
    phone: Arc<RecordingChannel>,
    _folder: tempfile::TempDir,
}

async fn start(text: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.toml");
    std::fs::write(&script, SCRIPT).unwrap();
    let text = format!("{text}\n[model]\nprovider = 'scripted'\nscript = {script:?}\n");
    let config: Config = load(Sources::new().file("zupa.toml", text)).unwrap();
    let agent = assemble::agent(&config).unwrap();
    let agent = assemble::speech(agent, &config).await.ok().unwrap();
    let model = assemble::model(&config, false).await.ok().unwrap().model;
    let (id, tenant) = (
        ChannelId::parse("phone").unwrap(),
        TenantId::default_tenant(),
    );
    let phone = RecordingChannel::new(id, tenant, Deduplicates::ByKey).with_voice();
    let phone = Arc::new(phone);
    let runtime = Runtime::builder(Arc::new(MemoryStore::new()), model, agent)
        .settings(assemble::settings(&config))
        .channel(phone.clone())
        .start()
        .await
        .unwrap();
    World {
        runtime,
        phone,
        _folder: folder,
    }
}

impl World {
    /// Hands a message in and waits for the answer: how it was sent, and what.
    async fn answer(&self, content: Content) -> String {
        let before = self.phone.calls().len();
        let inbound = Inbound {
            platform_id: Some(PlatformId::parse(format!("m{before}")).unwrap()),
            ..Inbound::new(
                Address {
                    tenant: TenantId::default_tenant(),
                    channel: ChannelId::parse("phone").unwrap(),
                    alias: Alias::parse("ana").unwrap(),
                },
                content,
            )
        };
        self.runtime.intake().deliver(inbound.into()).await.unwrap();
        self.phone.called(before + 1).await;
        match &self.phone.visible()[before].content {
            Content::Voice { audio, transcript } => {
                format!("{} ({} bytes): {transcript}", audio.mime, audio.bytes.len())
            }
            content => format!("text: {}", content.as_prompt_text()),
        }
    }

    async fn voice(&self, bytes: &[u8]) -> String {
        let mime = "audio/ogg; codecs=opus".to_owned();
        let media = Media {
            mime: mime.clone(),
            bytes: bytes.to_vec(),
        };
        self.phone.hold("voice", Ok(media));
        self.answer(Content::Media {
            mime,
            handle: "voice".into(),
            caption: None,
            filename: None,
            bytes: None,
            sha256: None,
        })
        .await
    }
}

#[tokio::test]
async fn offline_a_voice_message_is_heard_and_the_answer_is_spoken() {
    let world = start(SCRIPTED).await;
    let spoken = "audio/x-scripted; charset=utf-8 (13 bytes): re: two soups";
    assert_eq!(world.voice(b"two soups").await, spoken);
    assert_eq!(world.answer(Content::text("hi")).await, "text: re: hi");
    // A real recording is not understood by it.
    assert_eq!(world.voice(b"OggS\xff\xfe").await, ASKED);
}

#[tokio::test]
async fn the_modality_decides_what_is_spoken() {
    for (modality, to_text, to_voice) in [
        ("text", "text", "text"),
        ("voice", "audio", "audio"),
        ("mirror", "text", "audio"),
        ("dynamic", "audio", "audio"),
    ] {
        let world = start(&format!("{SCRIPTED}\n[agent]\nmodality = '{modality}'\n")).await;
        let text = world.answer(Content::text("hi")).await;
        let voice = world.voice(b"hello").await;
        assert!(text.starts_with(to_text), "{modality}: {text}");
        assert!(voice.starts_with(to_voice), "{modality}: {voice}");
    }
}

#[tokio::test]
async fn the_providers_are_asked_as_the_configuration_says() {
    let ear = Server::start("application/json", r#"{"text":"two soups"}"#).await;
    let mouth = Server::start("audio/mpeg", "ID3…").await;
    let world = start(&format!(
        "[transcriber]\nprovider = 'openai'\nbase_url = '{}'\nname = 'ear-1'\n\
         api_key = 'ear-key'\nlanguage = 'pt'\n\
         [synthesizer]\nprovider = 'openai'\nbase_url = '{}'\nname = 'mouth-1'\n\
         api_key = 'mouth-key'\nvoice = 'nova'\nformat = 'mp3'\n",
        ear.base_url, mouth.base_url
    ))
    .await;
    let spoken = "audio/mpeg (6 bytes): re: two soups";
    assert_eq!(world.voice(b"OggS\xff").await, spoken);
    let heard = ear.seen();
    for part in [
        "Bearer ear-key",
        "\r\near-1\r\n",
        "name=\"language\"\r\n\r\npt",
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
    let said = mouth.seen();
    for part in ["Bearer mouth-key", "mouth-1", "nova", "\"mp3\""] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn a_failing_transcription_asks_for_text() {
    let gone = nowhere().await;
    let world = start(&format!(
        "[transcriber]\nprovider = 'openai'\nbase_url = '{gone}'\n\
         [synthesizer]\nprovider = 'scripted'\n[agent]\nmodality = 'voice'\n"
    ))
    .await;
    assert_eq!(world.voice(b"two soups").await, ASKED);
}

#[tokio::test]
async fn a_failing_synthesis_sends_text() {
    let gone = nowhere().await;
    let world = start(&format!(
        "[transcriber]\nprovider = 'scripted'\n\
         [synthesizer]\nprovider = 'openai'\nbase_url = '{gone}'\n"
    ))
    .await;
    assert_eq!(world.voice(b"two soups").await, "text: re: two soups");
}

#[tokio::test]
async fn each_direction_waits_as_long_as_its_policy_says() {
    let (ear, mouth) = (Server::silent().await, Server::silent().await);
    for (waits, other) in [
        ("transcriber", "synthesizer"),
        ("synthesizer", "transcriber"),
    ] {
        let world = start(&format!(
            "[transcriber]\nprovider = 'openai'\nbase_url = '{}'\n\
             [synthesizer]\nprovider = 'openai'\nbase_url = '{}'\n\
             [policy.{waits}]\ntimeout_ms = 100\n[policy.{other}]\ntimeout_ms = 3600000\n\
             [agent]\nmodality = 'voice'\n",
            ear.base_url, mouth.base_url
        ))
        .await;
        let before = Instant::now();
        match waits {
            "transcriber" => assert_eq!(world.voice(b"two soups").await, ASKED),
            _ => assert_eq!(world.answer(Content::text("hi")).await, "text: re: hi"),
        }
        assert!(before.elapsed() < Duration::from_secs(10), "{waits}");
    }
}

/// An address at which nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

/// Answers every request alike, or never, and remembers what came.
struct Server {
    base_url: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    async fn start(content_type: &str, body: &str) -> Self {
        let length = body.len();
        Self::answering(Some(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )))
        .await
    }

    async fn silent() -> Self {
        Self::answering(None).await
    }

    async fn answering(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, notes) = (answer.clone(), notes.clone());
                tokio::spawn(async move {
                    let request = whole(&mut socket).await;
                    notes.lock().unwrap().extend(request);
                    match answer {
                        Some(answer) => socket.write_all(answer.as_bytes()).await.unwrap(),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { base_url, seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

/// A request with its body.
async fn whole(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let (Some(length), Some(head)) = (length, head)
            && bytes.len() >= head + 4 + length
        {
            return bytes;
        }
        if socket.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return bytes;
        }
    }
}
