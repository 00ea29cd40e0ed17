//! An answer in one piece, though a stream was asked for.
//!
//! Small servers and gateways do that, above all for answers with calls. It is
//! read whole, within the wait for the first byte, and passed on as a stream of
//! one event, so that nothing behind it needs to know.

use reqwest::Response;
use serde_json::Value;

use crate::error::Failure;
use crate::fault::Fault;

/// What such answers are.
pub(crate) const MEDIA_TYPE: &str = "application/json";
/// Several times what text and arguments of one answer need.
const MAX_BYTES: usize = 4 << 20;

/// Reads the body and writes it as events.
pub(crate) async fn read(mut response: Response) -> Result<String, Failure> {
    let mut body = Vec::new();
    // Cancelling is safe: the connection is dropped with the response.
    while let Some(piece) = response.chunk().await.map_err(Failure::broken)? {
        if body.len() + piece.len() > MAX_BYTES {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    if let Ok(answer) = serde_json::from_slice::<Value>(&body)
        && answer["choices"][0]["message"].is_object()
    {
        // Written anew, it is one line.
        return Ok(format!("data: {answer}\n\ndata: [DONE]\n\n"));
    }
    Err(Fault::of_body(&body).with_success(MEDIA_TYPE.to_owned()))
}
