//! Large values of stores, packed for a text column: zstd, then base64.
//!
//! What is packed says so by its first letters, [`MARK`], with which no JSON begins, so
//! that rows of before are read as they are. A text that begins so by itself is packed
//! whatever its length. A small text costs a look at its length and its first letters.
//!
//! Base64 takes back a quarter of what zstd saves. It buys one column for both forms, in
//! tables that hold text strictly and in answers of functions that are JSON; what SQL has
//! to look into (contents, facts, subjects of waits) is never packed.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zstd::zstd_safe::get_frame_content_size;

use crate::error::{Error, ErrorKind, Result};

/// Texts from this many bytes on are packed. That is a page of SQLite, below which a row
/// saves little; and what a plain turn writes is smaller, so that the path does not pay.
pub const FROM_BYTES: usize = 4_096;

/// The longest value that is packed, and so the most that is ever unpacked: whatever a
/// stored value says of itself, no more memory is taken for it.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What packed values begin with.
pub const MARK: &str = "zstd:";

/// On JSON of 64 KiB level 3 saves a twelfth more and takes half as long again.
const LEVEL: i32 = 1;

/// Packs a text if it is large and gets shorter by it.
///
/// *Errors*: [`ErrorKind::Invalid`] for a text that begins with [`MARK`] and is longer than
/// [`MOST_BYTES`].
pub fn pack(text: &str) -> Result<Cow<'_, str>> {
    let is_marked = text.starts_with(MARK);
    if !is_marked && !(FROM_BYTES..=MOST_BYTES).contains(&text.len()) {
        return Ok(Cow::Borrowed(text));
    }
    let packed = packed(text.as_bytes())?;
    Ok(match is_marked || packed.len() < text.len() {
        true => Cow::Owned(packed),
        false => Cow::Borrowed(text),
    })
}

/// Packs bytes that are mostly text; what is none is always packed.
///
/// *Errors*: [`ErrorKind::Invalid`] for more than [`MOST_BYTES`] that are no text.
pub fn pack_bytes(bytes: &[u8]) -> Result<Cow<'_, str>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => pack(text),
        Err(_) => packed(bytes).map(Cow::Owned),
    }
}

/// Gives back what [`pack`] was given.
///
/// *Errors*: [`ErrorKind::Corrupt`] for what it has not made, and for what says that it
/// holds more than [`MOST_BYTES`], or holds more than it says.
pub fn unpack(text: String) -> Result<String> {
    match text.strip_prefix(MARK) {
        None => Ok(text),
        Some(rest) => String::from_utf8(unpacked(rest)?).map_err(corrupt),
    }
}

/// Gives back what [`pack_bytes`] was given.
///
/// *Errors*: as [`unpack`].
pub fn unpack_bytes(text: String) -> Result<Vec<u8>> {
    match text.strip_prefix(MARK) {
        None => Ok(text.into_bytes()),
        Some(rest) => unpacked(rest),
    }
}

/// How long a value is unpacked, by its first 32 bytes; none if it is not packed.
pub fn unpacked_bytes(beginning: &str) -> Option<u64> {
    let rest = beginning.strip_prefix(MARK)?;
    // Whole groups of four letters; zstd's header has 18 bytes at most.
    let header = rest.get(..24).unwrap_or(rest);
    let header = STANDARD_NO_PAD.decode(header).ok()?;
    get_frame_content_size(&header).ok()?
}

fn packed(bytes: &[u8]) -> Result<String> {
    if bytes.len() > MOST_BYTES {
        let most = "a value is too long to be stored";
        return Err(Error::invalid(most).with("bytes", bytes.len()));
    }
    let frame = zstd::bulk::compress(bytes, LEVEL)
        .map_err(|source| Error::internal("zstd cannot pack").with_source(source))?;
    let mut packed = String::from(MARK);
    STANDARD_NO_PAD.encode_string(frame, &mut packed);
    Ok(packed)
}

fn unpacked(base64: &str) -> Result<Vec<u8>> {
    let frame = STANDARD_NO_PAD.decode(base64).map_err(corrupt)?;
    let length = get_frame_content_size(&frame).ok().flatten();
    let length = length
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length <= MOST_BYTES)
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, "a packed value has no length of ours"))?;
    zstd::bulk::decompress(&frame, length).map_err(corrupt)
}

fn corrupt(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Corrupt, "a packed value cannot be unpacked").with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        let packed = pack(text).unwrap().into_owned();
        assert_eq!(unpack(packed.clone()).unwrap(), text);
        packed
    }

    #[test]
    fn small_texts_are_left_alone() {
        for text in ["", "{}", &"a".repeat(FROM_BYTES - 1)] {
            assert!(matches!(pack(text).unwrap(), Cow::Borrowed(_)));
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn large_ones_get_shorter_and_come_back() {
        let json = r#"{"kind":"text","text":"two pizzas, please"}"#.repeat(1_524);
        assert!(json.len() > 65_000);
        let packed = round(&json);
        assert!(packed.starts_with(MARK));
        assert!(packed.len() * 10 < json.len(), "{} bytes", packed.len());
        assert_eq!(unpacked_bytes(&packed[..32]), Some(json.len() as u64));
        assert_eq!(unpacked_bytes(&json[..32]), None);
    }

    #[test]
    fn what_does_not_get_shorter_is_left_alone() {
        // Digits of a digest chain: noise, spelled in 16 letters, does; base64 does not.
        let mut noise = String::new();
        let mut digest = crate::Digest::of(b"seed");
        while noise.len() < 2 * FROM_BYTES {
            digest = crate::Digest::of(&digest.0);
            noise.push_str(&STANDARD_NO_PAD.encode(digest.0));
        }
        assert_eq!(round(&noise), noise);
    }

    #[test]
    fn a_text_that_looks_packed_comes_back_as_it_was() {
        for text in ["zstd:", "zstd:AAAA", "zstd:KLUv/SAA"] {
            assert_ne!(round(text), text);
        }
        let twice = round(&round(&"zstd:".repeat(2_000)));
        assert!(twice.starts_with(MARK));
    }

    #[test]
    fn bytes_that_are_no_text_come_back_to_the_bit() {
        let big: Vec<u8> = (0..70_000_u32)
            .map(|n| n.to_le_bytes()[n as usize % 4])
            .collect();
        for bytes in [&b"\xff\x00\xfe"[..], b"{\"a\": \"\xc3\x28\"}", b"{}", &big] {
            let packed = pack_bytes(bytes).unwrap().into_owned();
            assert_eq!(unpack_bytes(packed).unwrap(), bytes);
        }
    }

    #[test]
    fn a_bomb_takes_no_memory() {
        let frame = |bytes: &[u8]| format!("{MARK}{}", STANDARD_NO_PAD.encode(bytes));
        let kind = |text: String| unpack(text).unwrap_err().kind();
        let bomb = zstd::bulk::compress(&vec![0; MOST_BYTES + 1], LEVEL).unwrap();
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        assert_eq!(kind(frame(&bomb)), ErrorKind::Corrupt);
        // A header that says less than there is: eight bytes of length at its place.
        let mut liar = zstd::bulk::compress(&[7; 70_000], LEVEL).unwrap();
        let at = liar
            .windows(4)
            .position(|four| four == 70_000_u32.to_le_bytes());
        liar[at.unwrap()..][..4].copy_from_slice(&65_536_u32.to_le_bytes());
        assert_eq!(kind(frame(&liar)), ErrorKind::Corrupt);
        for broken in ["zstd:", "zstd:=", "zstd:AAAA", "zstd:KLUv"] {
            assert_eq!(kind(broken.to_owned()), ErrorKind::Corrupt, "{broken}");
        }
        let mut cut = zstd::bulk::compress(&[7; 70_000], LEVEL).unwrap();
        cut.pop();
        assert_eq!(kind(frame(&cut)), ErrorKind::Corrupt);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]

        #[test]
        fn every_text_and_all_bytes_come_back(
            piece in ".{0,40}", times in 0..400_usize, bytes in proptest::collection::vec(0..=u8::MAX, 0..6_000)
        ) {
            round(&piece.repeat(times));
            let packed = pack_bytes(&bytes).unwrap().into_owned();
            proptest::prop_assert_eq!(unpack_bytes(packed).unwrap(), bytes);
        }
    }
}
