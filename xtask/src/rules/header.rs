//! Headers: each source file opens with `//!`, what it is and where it sits on
//! the path. The root of a crate may take its README for that.

use super::Finding;
use super::tree::File;

const OPENINGS: &[&str] = &["//!", "#![doc = include_str!("];

pub fn check(file: &File) -> Vec<Finding> {
    let tool = file.path.starts_with("xtask/src/") || file.path.starts_with("xtask/consumer/src/");
    let covered = file.is_crate_source() || (tool && file.is_rust());
    let opens_well = OPENINGS
        .iter()
        .any(|opening| file.text.starts_with(opening));
    if !covered || opens_well {
        return Vec::new();
    }
    vec![Finding::fail(
        "header",
        &file.path,
        1,
        "does not open with `//!`: say what this file is",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_file_without_a_header_is_found() {
        for path in [
            "crates/zupa-core/src/id.rs",
            "xtask/src/ci.rs",
            "xtask/consumer/src/lib.rs",
        ] {
            assert_eq!(
                check(&File::new(path, "use std::fmt;\n")).len(),
                1,
                "{path}"
            );
            assert_eq!(check(&File::new(path, "// plain\n")).len(), 1, "{path}");
            assert_eq!(check(&File::new(path, "//! What it is.\n")), [], "{path}");
        }
    }

    #[test]
    fn the_readme_may_be_the_header_of_a_crate() {
        let text = "#![doc = include_str!(\"../README.md\")]\n\nmod store;\n";
        assert_eq!(check(&File::new("crates/zupa-sqlite/src/lib.rs", text)), []);
    }

    #[test]
    fn tests_and_examples_are_free() {
        assert_eq!(
            check(&File::new(
                "crates/zupa/examples/hello.rs",
                "fn main() {}\n"
            )),
            []
        );
    }
}
