//! Length: a source file is one idea. Past 400 lines look for the seam, past
//! 700 there is one.

use super::Finding;
use super::tree::File;

const WARN_LINES: usize = 400;
const FAIL_LINES: usize = 700;

pub fn check(file: &File) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let lines = file.text.lines().count();
    if lines > FAIL_LINES {
        let message = format!("{lines} lines, at most {FAIL_LINES} are allowed: split it by idea");
        return vec![Finding::fail("length", &file.path, 0, message)];
    }
    if lines > WARN_LINES {
        let message = format!("{lines} lines: look for the seam (fails past {FAIL_LINES})");
        return vec![Finding::warn("length", &file.path, 0, message)];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn levels(lines: usize) -> Vec<Level> {
        let file = File::new("crates/a/src/lib.rs", &"//\n".repeat(lines));
        check(&file).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_long_file_warns_and_a_longer_one_fails() {
        assert_eq!(levels(400), []);
        assert_eq!(levels(401), [Level::Warn]);
        assert_eq!(levels(700), [Level::Warn]);
        assert_eq!(levels(701), [Level::Fail]);
    }

    #[test]
    fn only_rust_is_measured() {
        assert_eq!(check(&File::new("Cargo.lock", &"\n".repeat(5000))), []);
    }
}
