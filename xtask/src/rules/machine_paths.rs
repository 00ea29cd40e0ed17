//! Machine paths: nothing tracked may point into one person's machine.

use super::Finding;
use super::tree::File;

/// Put together so that this file does not find itself.
const PREFIXES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

pub fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for prefix in PREFIXES {
            if line
                .match_indices(prefix)
                .any(|(at, _)| starts_a_path(line, at))
            {
                let message = format!("an absolute path of some machine (`{prefix}…`)");
                findings.push(Finding::fail("machine-paths", &file.path, number, message));
            }
        }
    }
    findings
}

/// `docs/home/x` and `https://host/home/x` are no paths of this machine.
fn starts_a_path(line: &str, at: usize) -> bool {
    match line[..at].chars().next_back() {
        Some(before) => !(before.is_alphanumeric() || "._-~*}])>".contains(before)),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(prefix: usize, before: &str) -> usize {
        let text = format!("first\n{before}{}someone/zupa\n", PREFIXES[prefix]);
        check(&File::new("README.md", &text)).len()
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        for prefix in 0..PREFIXES.len() {
            assert_eq!(count(prefix, ""), 1);
            assert_eq!(count(prefix, "cd "), 1);
            assert_eq!(count(prefix, "path = \""), 1);
            assert_eq!(count(prefix, "file://"), 1);
        }
    }

    #[test]
    fn a_part_of_a_longer_path_is_not() {
        for before in ["crates", "..", "https://example.com", "{base}"] {
            assert_eq!(count(0, before), 0, "{before}");
        }
    }
}
