//! The port that sends, and that fetches what was received.

use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Content, Deduplicates, Hint, Media,
    Outgoing, Pace, PairPace, ReplyWindow, Result, SendReceipt, TenantId, Timestamp, Voice,
    WhenClosed,
};

use crate::config::WindowClosed;
use crate::door::WhatsAppCloud;
use crate::send::{CHOICES, MAX_CAPTION_CHARS, MAX_TEMPLATE_CHARS, MAX_TEXT_CHARS};

/// How long Meta lets anything but a template through after a person's last word.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Meta's limit for one person: a burst borrows from what follows.
const PAIR: PairPace = PairPace {
    every: Duration::from_secs(6),
    burst: 45,
    slack: Duration::from_secs(1),
};

impl WhatsAppCloud {
    /// The message as it leaves: in the number's template, where that is wanted.
    fn dressed(&self, message: Outgoing) -> Outgoing {
        match (&self.0.window_closed, message.as_template) {
            (WindowClosed::Template { name, language }, true) => {
                let text = message.content.as_prompt_text();
                let content = Content::Template {
                    name: name.clone(),
                    language: language.clone(),
                    parameters: vec![text.clone()],
                    text,
                };
                Outgoing { content, ..message }
            }
            _ => message,
        }
    }
}

#[async_trait]
impl Channel for WhatsAppCloud {
    fn id(&self) -> &ChannelId {
        &self.0.channel
    }

    fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// Meta knows no idempotency key: a send without an answer waits for a status that
    /// carries ours.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            on_unknown: self.0.on_unknown,
            pace: Some(Pace {
                pair: Some(PAIR),
                ..Pace::per_second(self.0.messages_per_second)
            }),
            reply_window: Some(ReplyWindow {
                open_for: WINDOW,
                closed: match self.0.window_closed {
                    WindowClosed::Review => WhenClosed::Review,
                    WindowClosed::Wait { at_most } => WhenClosed::Wait { at_most },
                    WindowClosed::Drop => WhenClosed::Drop,
                    WindowClosed::Template { .. } => WhenClosed::Template {
                        chars: MAX_TEMPLATE_CHARS,
                    },
                },
            }),
            text_chars: Some(MAX_TEXT_CHARS),
            caption_chars: Some(MAX_CAPTION_CHARS),
            choices: Some(CHOICES),
            templates: true,
            ..Capabilities::new(Acknowledges::OnSend, Deduplicates::Never)
        }
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let to = message.to.alias.clone();
        let sent = self.0.graph.send(self.dressed(message)).await;
        self.0.signs.sent(&to);
        sent
    }

    /// Nobody tells when Meta has posted all that it had to say, so hearing nothing of a
    /// message never means that it has not left.
    fn is_open(&self) -> bool {
        true
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    fn voice(&self) -> Voice {
        Voice::Sends
    }

    /// Meta keeps what was received for seven days.
    async fn media(&self, handle: &str, max_bytes: u64, timeout: Duration) -> Result<Media> {
        self.0.files.fetch(handle, max_bytes, timeout).await
    }

    /// Typing marks what the person wrote as read, too: Meta knows both together alone.
    fn hint(&self, to: &Address, hint: Hint) {
        let (Hint::Typing, true) = (hint, self.0.typing) else {
            return;
        };
        // Nobody drives a request outside a runtime.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if let Some((sign, room)) = self.0.signs.due(&to.alias) {
            let door = self.0.clone();
            runtime.spawn(async move {
                door.graph.show(&sign).await;
                drop(room);
            });
        }
    }
}
