//! The table of how calls may come in pieces.

use super::*;

fn piece(index: impl Into<Option<u64>>, id: &str, name: &str, arguments: &str) -> Fragment {
    Fragment {
        index: index.into(),
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}

fn gather(pieces: &[Fragment]) -> Result<Vec<(String, String, String)>, Failure> {
    let mut calls = Calls::default();
    for piece in pieces {
        calls.take(piece.clone())?;
    }
    let calls = calls.finish()?.into_iter();
    Ok(calls
        .map(|call| (call.id, call.name, call.arguments))
        .collect())
}

#[track_caller]
fn check(name: &str, pieces: &[Fragment], expected: &[(&str, &str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(id, name, arguments)| {
            (
                (*id).to_owned(),
                (*name).to_owned(),
                (*arguments).to_owned(),
            )
        })
        .collect();
    assert_eq!(gather(pieces).unwrap(), expected, "{name}");
}

const BOTH: &[(&str, &str, &str)] = &[("x", "a", r#"{"n":1}"#), ("y", "b", r#"{"n":2}"#)];

#[test]
fn fragments_find_their_call() {
    let rows = [
        (
            "interleaved, by index",
            vec![
                piece(0, "x", "a", ""),
                piece(1, "y", "b", ""),
                piece(0, "", "", r#"{"n""#),
                piece(1, "", "", r#"{"n":"#),
                piece(0, "", "", ":1}"),
                piece(1, "", "", "2}"),
            ],
        ),
        (
            "id and name in every fragment",
            vec![
                piece(0, "x", "a", r#"{"n""#),
                piece(1, "y", "b", r#"{"n":2}"#),
                piece(0, "x", "a", ":1}"),
                piece(1, "y", "b", ""),
            ],
        ),
        (
            "interleaved by id, without an index",
            vec![
                piece(None, "x", "a", r#"{"n""#),
                piece(None, "y", "b", r#"{"n":"#),
                piece(None, "x", "a", ":1}"),
                piece(None, "y", "", "2}"),
            ],
        ),
        (
            "neither index nor id after the first",
            vec![
                piece(None, "x", "a", ""),
                piece(None, "", "", r#"{"n":1}"#),
                piece(None, "y", "b", r#"{"n":"#),
                piece(None, "", "", "2}"),
            ],
        ),
        (
            "all with the index 0",
            vec![
                piece(0, "x", "a", r#"{"n":"#),
                piece(0, "", "", "1}"),
                piece(0, "y", "b", r#"{"n":2}"#),
            ],
        ),
        (
            "a new id with every fragment",
            vec![
                piece(0, "x", "a", ""),
                piece(0, "other", "", r#"{"n":1}"#),
                piece(1, "y", "b", ""),
                piece(1, "another", "", r#"{"n":2}"#),
            ],
        ),
        (
            "indexes from 1 and backwards",
            vec![
                piece(2, "y", "b", r#"{"n":2}"#),
                piece(1, "x", "a", r#"{"n":1}"#),
            ],
        ),
        (
            "arguments before the name, the name before the id",
            vec![
                piece(0, "", "", r#"{"n":"#),
                piece(0, "", "a", "1"),
                piece(0, "x", "", "}"),
                piece(1, "y", "b", r#"{"n":2}"#),
            ],
        ),
        (
            "placeholders",
            vec![
                piece(None, "", "", ""),
                piece(0, "x", "a", r#"{"n":1}"#),
                piece(1, "y", "b", r#"{"n":2}"#),
                piece(2, "z", "", " "),
            ],
        ),
    ];
    for (name, pieces) in rows {
        check(name, &pieces, BOTH);
    }
}

#[test]
fn the_same_tool_may_be_called_twice() {
    let twice = &[("call_0", "a", r#"{"n":1}"#), ("call_1", "a", r#"{"n":2}"#)];
    for index in [None, Some(0)] {
        let whole = [
            piece(index, "", "a", r#"{"n":1}"#),
            piece(index, "", "a", r#"{"n":2}"#),
        ];
        check("whole", &whole, twice);
        let in_pieces = [
            piece(index, "", "a", r#"{"n""#),
            piece(index, "", "a", ":1}"),
            piece(index, "", "a", r#"{"n":"#),
            piece(index, "", "", "2}"),
        ];
        check("in pieces", &in_pieces, twice);
    }
}

#[test]
fn every_call_has_an_id_of_its_own() {
    let rows = [
        ("none", ["", "", ""], ["call_0", "call_1", "call_2"]),
        ("some", ["x", "", "y"], ["x", "call_1", "y"]),
        ("the same", ["x", "x", "x"], ["x", "call_1", "call_2"]),
        (
            "one of ours",
            ["call_1", "", ""],
            ["call_1", "call_1_", "call_2"],
        ),
    ];
    for (name, sent, expected) in rows {
        let pieces = [0, 1, 2].map(|at| piece(at as u64, sent[at], "a", r#"{"n":1}"#));
        check(name, &pieces, &expected.map(|id| (id, "a", r#"{"n":1}"#)));
    }
}

#[test]
fn arguments_stay_as_they_were_written() {
    for (written, given) in [
        (r#"{"b": 1,"a":2}"#, r#"{"b": 1,"a":2}"#),
        (r#"{"n":"#, r#"{"n":"#),
        ("tomorrow at noon", "tomorrow at noon"),
        ("", "{}"),
        (" ", "{}"),
    ] {
        check(
            written,
            &[piece(0, "x", "a", written)],
            &[("x", "a", given)],
        );
    }
}

#[test]
fn a_call_of_nothing_is_nonsense() {
    let failure = gather(&[piece(0, "x", "", r#"{"n":1}"#)]).unwrap_err();
    assert!(matches!(failure, Failure::Undecodable));
}

#[test]
fn there_is_an_end_to_calls_and_to_their_size() {
    let calls = |count: u64| -> Vec<_> { (0..count).map(|at| piece(at, "", "a", "")).collect() };
    assert_eq!(gather(&calls(64)).unwrap().len(), 64);
    assert!(matches!(
        gather(&calls(65)),
        Err(Failure::TooManyCalls("64 calls"))
    ));
    let long = "x".repeat(MAX_BYTES / 2);
    let pieces = [piece(0, "", "a", &long), piece(0, "", "", &long)];
    assert!(matches!(
        gather(&pieces),
        Err(Failure::TooManyCalls("1 MiB of arguments"))
    ));
}
