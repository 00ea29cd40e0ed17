//! The table of errors, and what is put on the wire.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;
use zupa_core::{
    Address, Alias, ChannelId, Content, DeliveryId, Error, ErrorKind, Outcome, Outgoing, Retry,
    TenantId, TurnId,
};

use super::failure::Failure;
use super::request::{MAX_TEXT_CHARS, body};

pub(super) fn outgoing(alias: &str, content: Content) -> Outgoing {
    Outgoing {
        delivery: DeliveryId {
            turn: TurnId(Uuid::from_u128(7)),
            ordinal: 2,
        },
        to: Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("wa").unwrap(),
            alias: Alias::parse(alias).unwrap(),
        },
        content,
        as_template: false,
        attempt: 1,
        timeout: Duration::from_secs(1),
    }
}

fn error(status: u16, code: Option<i64>, attempt: u32) -> Error {
    let channel = ChannelId::parse("wa").unwrap();
    Failure::Refused { status, code }.into_error(&channel, attempt)
}

#[test]
fn every_code_means_what_the_table_says() {
    use ErrorKind::*;
    use Outcome::{NotApplied, Unknown};
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    let all: [(&[i64], ErrorKind, Retry, Outcome); 15] = [
        (&[4, 80_007, 130_429], RateLimited, Retry::Now, NotApplied),
        (&[131_016, 133_016], Unavailable, Retry::Now, NotApplied),
        (&[131_057], Unavailable, after(60), NotApplied),
        (&[1, 2, 131_000], Unavailable, Retry::Now, Unknown),
        (&[131_056], Overloaded, after(4), NotApplied),
        (&[131_049, 130_472], Invalid, Retry::Never, NotApplied),
        (&[131_047], WindowClosed, Retry::Never, NotApplied),
        (
            &[131_026, 131_050, 131_062, 131_063],
            Invalid,
            Retry::Never,
            NotApplied,
        ),
        (
            &[131_048, 131_064, 368, 131_031, 130_497],
            Unauthorized,
            Retry::Never,
            NotApplied,
        ),
        (&[131_045, 131_037], Unauthorized, Retry::Never, NotApplied),
        (&[131_042, 131_044], QuotaExceeded, Retry::Never, NotApplied),
        (
            &[0, 190, 3, 10, 200, 250, 299, 131_005],
            Unauthorized,
            Retry::Never,
            NotApplied,
        ),
        (
            &[
                100, 131_008, 131_009, 131_021, 131_030, 131_051, 131_052, 131_053,
            ],
            Invalid,
            Retry::Never,
            NotApplied,
        ),
        (
            &[132_000, 132_016, 132_068, 132_069, 137_000],
            Invalid,
            Retry::Never,
            NotApplied,
        ),
        (&[135_000], Invalid, Retry::Now, NotApplied),
    ];
    for (codes, kind, retry, outcome) in all {
        for code in codes {
            let error = error(400, Some(*code), 1);
            let found = (error.kind(), error.retry(), error.outcome());
            assert_eq!(found, (kind, retry, outcome), "{code}");
        }
    }
    assert_eq!(error(400, Some(135_000), 2).retry(), Retry::Never);
    let waits = [1, 2, 3, 9].map(|attempt| error(400, Some(131_056), attempt).retry());
    assert_eq!(waits, [after(4), after(16), after(64), after(1_024)]);
}

#[test]
fn without_a_known_code_the_status_decides() {
    use Outcome::{NotApplied, Unknown};
    for (status, code, outcome, transient) in [
        (500, None, Unknown, true),
        (502, None, Unknown, true),
        (503, None, Unknown, true),
        (408, None, Unknown, true),
        (500, Some(999_999), Unknown, true),
        (400, Some(999_999), NotApplied, false),
        (429, None, NotApplied, true),
        (302, None, NotApplied, false),
        (401, None, NotApplied, false),
        (404, None, NotApplied, false),
        // Meta's word counts, whatever the status.
        (500, Some(130_429), NotApplied, true),
    ] {
        let error = error(status, code, 1);
        let found = (error.outcome(), error.is_transient());
        assert_eq!(found, (outcome, transient), "{status} {code:?}");
    }
}

#[test]
fn a_text_goes_out_with_the_key_of_its_delivery() {
    let sent = body(&outgoing("15550001111", Content::text("hi")), None).unwrap();
    let key = format!("{}.2", Uuid::from_u128(7));
    assert_eq!(
        sent,
        json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "15550001111",
            "type": "text",
            "text": { "body": "hi", "preview_url": false },
            "biz_opaque_callback_data": key,
        })
    );
    let sent = body(&outgoing("US.ENT.1a2B", Content::text("hi")), None).unwrap();
    assert_eq!(sent["recipient"], "US.ENT.1a2B");
    assert!(sent.get("to").is_none());
    let group = "Y2FwaV9ncm91cDoxNzA1_-NTU1MDEzOTox=";
    let sent = body(&outgoing(group, Content::text("hi")), None).unwrap();
    assert_eq!(sent["to"], group);
    assert_eq!(sent["recipient_type"], "group");
}

#[test]
fn what_cannot_be_sent_is_refused_before_the_wire() {
    let longest = "\u{1F600}".repeat(MAX_TEXT_CHARS);
    assert!(body(&outgoing("1555", Content::text(&longest)), None).is_ok());
    for (alias, content, kind) in [
        (
            "1555",
            Content::text(format!("{longest}!")),
            ErrorKind::Invalid,
        ),
        ("1555", Content::text(" \n"), ErrorKind::Invalid),
        ("+1555", Content::text("hi"), ErrorKind::Invalid),
        ("us.1a", Content::text("hi"), ErrorKind::Invalid),
        ("US.", Content::text("hi"), ErrorKind::Invalid),
        ("US.1/2", Content::text("hi"), ErrorKind::Invalid),
        ("somebody", Content::text("hi"), ErrorKind::Invalid),
        (
            "Y2FwaV9ncm91cDox/NzA1NTU1MDEzOTox",
            Content::text("hi"),
            ErrorKind::Invalid,
        ),
        (
            "1555",
            Content::Unsupported {
                raw_kind: "order".into(),
            },
            ErrorKind::Unsupported,
        ),
    ] {
        let refused = body(&outgoing(alias, content), None).unwrap_err();
        assert_eq!(refused.kind(), kind, "{alias}");
        assert_eq!(refused.outcome(), Outcome::NotApplied);
        assert!(refused.is_terminal());
    }
}
