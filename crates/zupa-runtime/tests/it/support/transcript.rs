//! Conversations as transcripts: what the person said, what the model saw of
//! it, what was sent.

use std::fmt::Write;

use zupa_core::{IntakeBatch, Prompt};

use super::world::{World, inbound};

const SAID: &str = "user: ";

/// Plays a transcript and compares it with what happened.
///
/// Lines `user: …` that follow each other are handed in as one batch, then
/// everything is waited for. The lines between them are
/// what is expected: `saw: …` for each call of the model, with its whole prompt
/// (`s`, `u` and `a` for who spoke), and `sent: …` for each committed reply.
pub async fn check(world: &World, transcript: &str) {
    let expected: Vec<&str> = transcript
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut happened = String::new();
    let (mut seen, mut sent) = (0, 0);
    for block in expected.chunk_by(|line, next| is_said(line) == is_said(next)) {
        let said = block.iter().filter_map(|line| line.strip_prefix(SAID));
        let inbounds: Vec<_> = said.map(|text| inbound("ana", text, text)).collect();
        if inbounds.is_empty() {
            continue;
        }
        let _ = writeln!(happened, "{}", block.join("\n"));
        let batch = IntakeBatch {
            inbounds,
            receipts: Vec::new(),
        };
        world.runtime().intake().deliver(batch).await.unwrap();
        world.quiet().await;
        let asked = world.model.asked();
        for call in &asked[seen..] {
            let _ = writeln!(happened, "saw: {}", prompt(&call.messages));
        }
        let replies = world.replies("ana").await;
        for reply in &replies[sent..] {
            let _ = writeln!(happened, "sent: {reply}");
        }
        (seen, sent) = (asked.len(), replies.len());
    }
    assert_eq!(happened.trim_end(), expected.join("\n"));
}

fn is_said(line: &str) -> bool {
    line.starts_with(SAID)
}

fn prompt(messages: &[zupa_core::Prompt]) -> String {
    let line = |line: &zupa_core::Prompt| {
        let text = line.text();
        match line {
            Prompt::System { .. } => format!("s[{text}]"),
            Prompt::User { .. } => format!("u[{text}]"),
            Prompt::Assistant { calls, .. } if calls.is_empty() => format!("a[{text}]"),
            Prompt::Assistant { calls, .. } => {
                let calls = calls
                    .iter()
                    .map(|call| format!("{}{}", call.name, call.arguments));
                format!("a[{text}]call{:?}", calls.collect::<Vec<_>>())
            }
            Prompt::Tool { .. } => format!("t[{text}]"),
        }
    };
    messages.iter().map(line).collect::<Vec<_>>().join(" ")
}
