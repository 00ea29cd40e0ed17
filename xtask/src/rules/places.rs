//! Named places: who may read a clock, the environment or randomness.
//!
//! clippy.toml forbids the calls everywhere; a place that implements a port
//! opts out by attribute. This rule keeps the opt-outs to the list below, so
//! that a new one is a decision and not a quick way past a lint.

use super::Finding;
use super::tree::File;

/// The lint that guards the ports.
const LINT: &str = "disallowed_methods";

/// A file, or a folder when it ends in `/`, and why it may.
const NAMED_PLACES: &[(&str, &str)] = &[
    (
        "crates/zupa-runtime/src/system.rs",
        "the system's Clock and Ids",
    ),
    (
        "crates/zupa/src/cli/environment.rs",
        "the binary: variables, and randomness for the token",
    ),
    ("crates/zupa/src/bench/", "the benchmark measures wall time"),
    (
        "crates/zupa-whatsapp-sim/src/clock.rs",
        "the simulator is the outside world, and tells the time",
    ),
];

pub fn check(file: &File) -> Vec<Finding> {
    if !file.is_crate_source() || is_named(&file.path) {
        return Vec::new();
    }
    file.lines()
        .filter(|(_, line)| opts_out(line))
        .map(|(line, _)| {
            let message = "reads a clock, the environment or randomness outside the named places: \
                           take it through a port, or name the place in xtask/src/rules/places.rs";
            Finding::fail("places", &file.path, line, message)
        })
        .collect()
}

fn is_named(path: &str) -> bool {
    NAMED_PLACES
        .iter()
        .any(|(place, _)| match place.strip_suffix('/') {
            Some(folder) => path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/')),
            None => path == *place,
        })
}

/// The lint's name outside a comment; an attribute may span lines, so the
/// name alone counts.
fn opts_out(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    code.contains(LINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPT_OUT: &str =
        "//! X.\n#[expect(clippy::disallowed_methods, reason = \"quick\")]\nfn now() {}\n";

    #[test]
    fn an_opt_out_elsewhere_is_found() {
        let findings = check(&File::new("crates/zupa-core/src/clock.rs", OPT_OUT));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }

    #[test]
    fn a_crate_wide_opt_out_is_found() {
        let text = "//! X.\n#![allow(\n    clippy::disallowed_methods,\n)]\n";
        assert_eq!(
            check(&File::new("crates/zupa-http/src/lib.rs", text)).len(),
            1
        );
    }

    #[test]
    fn named_places_and_tests_may() {
        for path in [
            "crates/zupa-runtime/src/system.rs",
            "crates/zupa/src/bench/floor.rs",
            "crates/zupa/tests/it/main.rs",
        ] {
            assert_eq!(check(&File::new(path, OPT_OUT)), [], "{path}");
        }
    }

    #[test]
    fn a_folder_does_not_name_its_neighbours() {
        assert_eq!(
            check(&File::new("crates/zupa/src/bench_extra.rs", OPT_OUT)).len(),
            1
        );
    }

    #[test]
    fn speaking_of_the_lint_is_no_opt_out() {
        let text = "//! X.\n// disallowed_methods watches this.\n";
        assert_eq!(check(&File::new("crates/zupa-core/src/clock.rs", text)), []);
    }
}
