//! SQL: statements are literals, which sqlx takes as they are. `AssertSqlSafe`
//! switches that off, so it lives in one module where a reviewer reads every
//! statement that is put together at run time.

use super::Finding;
use super::tree::File;

const ASSERTION: &str = "AssertSqlSafe";

/// The planted bugs of a store are edits of its functions.
const NAMED_MODULES: &[&str] = &["crates/zupa-postgres/src/faults.rs"];

pub fn check(file: &File) -> Vec<Finding> {
    if !file.is_crate_source() || NAMED_MODULES.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let message = format!(
        "`{ASSERTION}` outside {}: a statement here must be a literal",
        NAMED_MODULES.join(", ")
    );
    file.lines()
        .filter(|(_, line)| line.split("//").next().unwrap_or(line).contains(ASSERTION))
        .map(|(line, _)| Finding::fail("sql", &file.path, line, message.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECT: &str =
        "//! X.\nfn q(t: &str) { query(AssertSqlSafe(format!(\"SELECT * FROM {t}\"))); }\n";
    const INDIRECT: &str =
        "//! X.\nlet text = format!(\"DELETE FROM {t}\");\nquery(AssertSqlSafe(text));\n";

    #[test]
    fn a_formatted_statement_is_found_however_it_gets_there() {
        for (text, line) in [(DIRECT, 2), (INDIRECT, 3)] {
            let findings = check(&File::new("crates/zupa-sqlite/src/store/claim.rs", text));
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].line, line);
        }
    }

    #[test]
    fn the_named_module_tests_and_comments_may() {
        assert_eq!(
            check(&File::new("crates/zupa-postgres/src/faults.rs", DIRECT)),
            []
        );
        assert_eq!(
            check(&File::new("crates/zupa-sqlite/tests/it/main.rs", DIRECT)),
            []
        );
        assert_eq!(
            check(&File::new(
                "crates/zupa-sqlite/src/lib.rs",
                "//! No AssertSqlSafe here.\n"
            )),
            []
        );
    }
}
