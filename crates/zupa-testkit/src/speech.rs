//! `Ear` and `Mouth`: a transcriber and a synthesizer that do as they are told, and
//! remember what they were given. Here the bytes of audio are its words.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use zupa_core::{
    Audio, Error, Result, SynthesisRequest, Synthesizer, Transcriber, TranscriptionRequest,
};

/// What an ear or a mouth does with a call, unless it simply does its work.
#[derive(Debug, Clone)]
pub enum Throat {
    /// Works.
    Work,
    /// Fails.
    Fail(Error),
    /// Never answers.
    Hang,
    /// Answers with nothing.
    Silence,
    /// Answers with so many bytes.
    Endless(usize),
}

/// What nobody understands.
pub const MUMBLE: &str = "mumble";

/// Writes down the bytes of what it hears: in these tests, audio is its words.
#[derive(Debug, Default)]
pub struct Ear {
    calls: Mutex<Vec<String>>,
    plan: Mutex<VecDeque<Throat>>,
}

impl Ear {
    /// Does this with the next calls.
    pub fn plan(&self, acts: impl IntoIterator<Item = Throat>) {
        lock(&self.plan).extend(acts);
    }

    /// What it was given, in order.
    pub fn heard(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }
}

#[async_trait]
impl Transcriber for Ear {
    fn name(&self) -> &str {
        "ear"
    }

    async fn transcribe(&self, request: TranscriptionRequest) -> Result<String> {
        let words = String::from_utf8_lossy(&request.audio.bytes).into_owned();
        lock(&self.calls).push(words.clone());
        match next(&self.plan) {
            Throat::Work if words == MUMBLE => Ok(String::new()),
            Throat::Work => Ok(words),
            Throat::Fail(error) => Err(error),
            Throat::Hang => std::future::pending().await,
            Throat::Silence => Ok(" \n".into()),
            Throat::Endless(bytes) => Ok("a".repeat(bytes)),
        }
    }
}

/// Says a text as its bytes.
#[derive(Debug, Default)]
pub struct Mouth {
    calls: Mutex<Vec<String>>,
    bounds: Mutex<Vec<usize>>,
    plan: Mutex<VecDeque<Throat>>,
}

impl Mouth {
    /// Does this with the next calls.
    pub fn plan(&self, acts: impl IntoIterator<Item = Throat>) {
        lock(&self.plan).extend(acts);
    }

    /// What it was given, in order.
    pub fn said(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    /// The most bytes that it was allowed, by call.
    pub fn bounds(&self) -> Vec<usize> {
        lock(&self.bounds).clone()
    }
}

#[async_trait]
impl Synthesizer for Mouth {
    fn name(&self) -> &str {
        "mouth"
    }

    async fn synthesize(&self, request: SynthesisRequest) -> Result<Audio> {
        lock(&self.calls).push(request.text.clone());
        lock(&self.bounds).push(request.max_bytes);
        let bytes = match next(&self.plan) {
            Throat::Work => request.text.into_bytes(),
            Throat::Fail(error) => return Err(error),
            Throat::Hang => std::future::pending().await,
            Throat::Silence => Vec::new(),
            Throat::Endless(bytes) => vec![0; bytes],
        };
        Ok(Audio::new("audio/ogg", bytes))
    }
}

fn next(plan: &Mutex<VecDeque<Throat>>) -> Throat {
    lock(plan).pop_front().unwrap_or(Throat::Work)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
