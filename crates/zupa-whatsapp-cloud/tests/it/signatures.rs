//! Who may post.

use zupa_core::ErrorKind;
use zupa_whatsapp_cloud::{WhatsAppCloud, webhooks};

use crate::support::{NUMBER, SECRET, change, config, envelope, ids, post, sign, text, webhook};

#[test]
fn a_request_is_taken_if_an_app_secret_has_signed_its_bytes() {
    // As Meta writes it: everything beyond ASCII escaped, in lower case.
    let body = envelope(&[change(
        NUMBER,
        serde_json::json!({ "messages": [text("wamid.1", "ol\u{e1}")] }),
    )])
    .to_string()
    .replace('\u{e1}', "\\u00e1");
    let body = body.as_bytes();
    let spelt_anew = serde_json::from_slice::<serde_json::Value>(body)
        .unwrap()
        .to_string();
    assert_ne!(spelt_anew.as_bytes(), body);
    let mut altered = body.to_vec();
    altered[40] ^= 1;

    let right = sign(SECRET, body);
    let digits = right.trim_start_matches("sha256=");
    let upper = format!("sha256={}", digits.to_uppercase());
    let name = "x-hub-signature-256";
    let long = format!("sha256={}", "0".repeat(1 << 20));
    let prefix = format!("sha1={digits}");
    let cut = &right[..right.len() - 2];
    let one = |value: &str| vec![(name, value.as_bytes().to_vec())];
    let two = [one(&right), one(&right)].concat();

    let door = |secrets: &[&str]| {
        let mut config = config("wa", NUMBER);
        config.app_secrets = secrets
            .iter()
            .map(|&secret| secret.to_owned().into())
            .collect();
        webhook([config])
    };
    let (now, rotating, rotated) = (
        door(&[SECRET]),
        door(&["the-new-one", SECRET]),
        door(&["the-new-one"]),
    );
    let new = sign("the-new-one", body);
    for (what, door, headers, body, taken) in [
        ("right", &now, one(&right), body, true),
        ("altered byte", &now, one(&right), &altered[..], false),
        ("missing", &now, Vec::new(), body, false),
        ("wrong prefix", &now, one(&prefix), body, false),
        ("no prefix", &now, one(digits), body, false),
        ("upper case", &now, one(&upper), body, false),
        ("cut", &now, one(cut), body, false),
        ("a mebibyte", &now, one(&long), body, false),
        ("two headers", &now, two, body, false),
        ("wrong secret", &now, one(&new), body, false),
        (
            "spelt anew",
            &now,
            one(&right),
            spelt_anew.as_bytes(),
            false,
        ),
        ("old, during rotation", &rotating, one(&right), body, true),
        ("new, during rotation", &rotating, one(&new), body, true),
        ("old, after rotation", &rotated, one(&right), body, false),
        ("new, after rotation", &rotated, one(&new), body, true),
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_slice()))
            .collect();
        match door.open(&headers, body) {
            Ok(opened) => assert!(taken && ids(&opened) == ["wamid.1"], "{what}"),
            Err(error) => {
                assert!(!taken, "{what}");
                assert_eq!(error.kind(), ErrorKind::Unauthorized, "{what}");
            }
        }
    }
}

#[test]
fn without_an_app_secret_there_is_no_webhook() {
    let mut config = config("wa", NUMBER);
    config.app_secrets.clear();
    let number = WhatsAppCloud::new(config).unwrap();
    assert!(webhooks(&[number]).is_empty());
}

#[test]
fn a_change_goes_to_its_number_if_that_number_s_app_has_signed() {
    let mut foreign = config("foreign", "300");
    foreign.app_secrets = vec!["another-app".to_owned().into()];
    let webhook = webhook([config("one", "100"), config("two", "200"), foreign]);
    let said = |number: &str| {
        change(
            number,
            serde_json::json!({ "messages": [text(&format!("wamid.{number}"), "hi")] }),
        )
    };
    let body = envelope(&["200", "300", "400", "100"].map(said)).to_string();
    let opened = post(webhook.as_ref(), body.as_bytes()).unwrap();
    let channels: Vec<_> = opened
        .batch
        .inbounds
        .iter()
        .map(|inbound| inbound.address.channel.as_str())
        .collect();
    assert_eq!(channels, ["two", "one"]);
    assert_eq!(opened.skipped["unknown_number"], 2);
}
