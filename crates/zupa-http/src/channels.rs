//! Channels as operators see them: how each stands, and the code that links a phone. Shared
//! by the routes and the command line, so that both show the same.

mod codes;

use std::fmt;

use qrcode::{Color, QrCode};
use serde::{Deserialize, Serialize};
use zupa_core::Standing;
use zupa_core::standing::{Pairing, Status};

pub(crate) use codes::Codes;

/// One channel, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its id in the configuration.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// `web-chat`, `whatsapp-cloud` or `wwebjs-bridge`.
    pub kind: String,
    /// `starting`, `authenticated`, `ready`, `degraded` or `blocked`.
    pub state: String,
    /// Why it is not ready, where that is known: a word of the program.
    pub reason: Option<String>,
    /// Since when, as RFC 3339.
    pub since: String,
    /// What a person has to give the phone, `qr` or `code`, while it waits for that. The code
    /// itself is asked for by itself.
    pub pairing: Option<String>,
    /// How often what is behind it was started.
    pub starts: u64,
}

impl Channel {
    pub(crate) fn of(standing: &Standing) -> Self {
        let Status {
            state,
            since,
            pairing,
            starts,
        } = standing.now();
        Self {
            id: standing.channel.to_string(),
            tenant: standing.tenant.to_string(),
            kind: standing.kind.to_owned(),
            state: state.as_str().to_owned(),
            reason: state.reason().map(str::to_owned),
            since: since.to_string(),
            pairing: pairing.map(|pairing| pairing.way().to_owned()),
            starts,
        }
    }
}

/// What links a phone. Whoever has it can read and write as the account, so it is shown to
/// operators alone, and neither kept nor logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// `qr` or `code`.
    pub way: String,
    /// The content of the QR code, or the characters to type.
    pub text: String,
    /// The squares of the QR code, row by row, without a margin: `1` is dark. None for
    /// characters, and for a content that is too long to be drawn.
    pub rows: Option<Vec<String>>,
}

impl Code {
    /// As it is shown.
    pub fn of(pairing: &Pairing) -> Self {
        let (text, rows) = match pairing {
            Pairing::Qr(text) => (text, rows(text)),
            Pairing::Code(text) => (text, None),
        };
        Self {
            way: pairing.way().to_owned(),
            text: text.clone(),
            rows,
        }
    }
}

fn rows(text: &str) -> Option<Vec<String>> {
    let code = QrCode::new(text).ok()?;
    let square = |color: &Color| match color {
        Color::Dark => '1',
        Color::Light => '0',
    };
    let squares = code.to_colors();
    let rows = squares.chunks(code.width());
    Some(rows.map(|row| row.iter().map(square).collect()).collect())
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_and_not_printed() {
        let code = Code::of(&Pairing::Qr("2@a,b,c".to_owned()));
        let rows = code.rows.clone().unwrap();
        assert_eq!(rows.len(), 21);
        assert!(rows.iter().all(|row| row.len() == 21));
        // The corner by which a camera finds it.
        assert_eq!(&rows[0][..8], "11111110");
        assert_eq!(&rows[1][..8], "10000010");
        assert!(!format!("{code:?}").contains("2@a"));
        let typed = Code::of(&Pairing::Code("ABCD1234".to_owned()));
        assert_eq!((&*typed.text, typed.rows), ("ABCD1234", None));
    }
}
