//! Who acts, as they call themselves: there is one token without a name, so nobody
//! checks it.

/// Who acts, for the audit, as long as there is one token without a name.
pub(crate) const OPERATOR: &str = "operator";

/// Names that nobody can have: these act by themselves.
const RESERVED: [&str; 4] = ["agent", "nobody", "person", "runtime"];

/// Longest name, in characters.
const MAX_CHARS: usize = 255;

/// What is wrong with a name: field, code, and a sentence for people.
pub(crate) fn faults(by: Option<&str>) -> Vec<(&'static str, &'static str, String)> {
    let Some(by) = by else {
        return Vec::new();
    };
    let (code, detail) = if by.trim().is_empty() {
        ("empty", "leave it away, or give a name".to_owned())
    } else if by.chars().count() > MAX_CHARS {
        let detail = format!("a name has at most {MAX_CHARS} characters");
        ("too_long", detail)
    } else if by.chars().any(char::is_control) {
        let detail = "a name has no control characters".to_owned();
        ("control_character", detail)
    } else if RESERVED.contains(&by.trim().to_lowercase().as_str()) {
        let detail = "this name stands for who decides by itself".to_owned();
        ("reserved", detail)
    } else {
        return Vec::new();
    };
    vec![("by", code, detail)]
}
