//! `multipart/form-data`, as much of it as an upload needs.

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) bytes: &'a [u8],
}

/// The parts of a body, or nothing when it is no such form.
pub(super) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let boundary = content_type
        .strip_prefix("multipart/form-data")?
        .split(';')
        .find_map(|part| part.trim().strip_prefix("boundary="))?
        .trim_matches('"');
    let (first, next) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut rest = body.get(find(body, first.as_bytes())? + first.len()..)?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, next.as_bytes())?;
        parts.push(read(&part[..end])?);
        rest = &part[end + next.len()..];
    }
    rest.starts_with(b"--").then_some(parts)
}

fn read(part: &[u8]) -> Option<Part<'_>> {
    let blank = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..blank]).ok()?;
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let name = value("content-disposition")?
        .split(';')
        .find_map(|part| part.trim().strip_prefix("name="))?;
    Some(Part {
        name: name.trim_matches('"'),
        content_type: value("content-type"),
        bytes: &part[blank + 4..],
    })
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|at| at == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"--x\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nimage/png\r\n\
        --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
        content-type: image/png\r\n\r\n\x00\r\n--y\xff\r\n--x--\r\n";

    #[test]
    fn a_form_is_taken_apart_and_bytes_are_left_alone() {
        let parts = parts("multipart/form-data; boundary=x", BODY).unwrap();
        assert_eq!((parts[0].name, parts[0].bytes), ("type", &b"image/png"[..]));
        assert_eq!(parts[1].content_type, Some("image/png"));
        assert_eq!(parts[1].bytes, b"\x00\r\n--y\xff");
    }

    #[test]
    fn what_is_cut_off_is_no_form() {
        assert!(parts("multipart/form-data; boundary=x", &BODY[..90]).is_none());
        assert!(parts("multipart/form-data", BODY).is_none());
        assert!(parts("application/json", BODY).is_none());
    }
}
