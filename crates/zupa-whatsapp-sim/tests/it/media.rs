//! Media both ways.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zupa_whatsapp_sim::{Limits, Options};

use crate::business::{code, request, request_as, send, start};

const ANA: &str = "15550001111";
const BYTES: &[u8] = b"\x89PNG\r\n--x\r\n";

#[tokio::test]
async fn a_picture_of_a_person_is_found_by_id_and_fetched() {
    let (simulator, business) = start(Options::default()).await;
    let caption = Some("look");
    simulator
        .phone(ANA)
        .sends_media("image", "image/png", BYTES.to_vec(), caption);
    let message = business.told(1).await.remove(0);
    assert_eq!(message["image"]["caption"], "look");
    let id = message["image"]["id"].as_str().unwrap();
    let (_, found) = request(&simulator, "GET", id, "", Vec::new())
        .await
        .unwrap();
    let found: Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(found["file_size"], BYTES.len());
    assert_eq!(found["sha256"], hex::encode(Sha256::digest(BYTES)));
    assert_eq!(found["sha256"], message["image"]["sha256"]);
    let address = found["url"].as_str().unwrap();
    let (status, bytes) = request(&simulator, "GET", address, "", Vec::new())
        .await
        .unwrap();
    assert_eq!((status, &bytes[..]), (200, BYTES));
    let (status, _) = request_as("guessed", "GET", address, "", Vec::new())
        .await
        .unwrap();
    assert_eq!(status, 401);
}

#[tokio::test]
async fn an_address_expires_and_a_new_one_is_good() {
    let limits = Limits {
        media_address: Duration::ZERO,
        ..Limits::default()
    };
    let (simulator, business) = start(Options {
        limits,
        ..Options::default()
    })
    .await;
    simulator
        .phone(ANA)
        .sends_media("audio", "audio/ogg", BYTES.to_vec(), None);
    let id = business.told(1).await[0]["audio"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let (_, found) = request(&simulator, "GET", &id, "", Vec::new())
            .await
            .unwrap();
        let found: Value = serde_json::from_slice(&found).unwrap();
        addresses.push(found["url"].as_str().unwrap().to_owned());
    }
    assert_ne!(addresses[0], addresses[1]);
    let (status, _) = request(&simulator, "GET", &addresses[0], "", Vec::new())
        .await
        .unwrap();
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_uploaded_can_be_sent() {
    let (simulator, _business) = start(Options::default()).await;
    simulator.phone(ANA).writes("hello");
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\n\
        whatsapp\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
        Content-Type: image/png\r\n\r\n"
        .to_vec();
    form.extend(BYTES);
    form.extend(b"\r\n--b--\r\n");
    let kind = "multipart/form-data; boundary=b";
    let path = "100000000000001/media";
    let (status, body) = request(&simulator, "POST", path, kind, form).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200, "{body}");
    let image =
        json!({ "to": ANA, "type": "image", "image": { "id": body["id"], "caption": "c" } });
    assert_eq!(code(&send(&simulator, image).await), 0);
    let seen = simulator.phone(ANA).seen();
    assert_eq!(
        (seen[0].kind.as_str(), seen[0].text.as_str()),
        ("image", "c")
    );
}
