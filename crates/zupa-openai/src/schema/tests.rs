//! The table of what strict mode takes.

use super::*;

#[track_caller]
fn narrows(schema: Value, expected: Value) {
    assert_eq!(strict(&schema), Some(expected), "{schema}");
}

#[test]
fn a_derived_struct_becomes_strict() {
    let derived = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Order",
        "type": "object",
        "properties": {
            "count": { "type": "integer", "format": "uint32", "minimum": 0 },
            "due": { "type": "string", "format": "date-time" },
            "note": { "type": ["string", "null"], "default": null },
            "size": { "description": "How big.", "$ref": "#/$defs/Size" },
            "color": { "anyOf": [{ "$ref": "#/$defs/Size" }, { "type": "null" }] }
        },
        "required": ["count", "due", "size"],
        "$defs": {
            "Size": { "oneOf": [
                { "type": "string", "enum": ["small"] },
                { "type": "string", "const": "big", "description": "Too big." }
            ] }
        }
    });
    let expected = json!({
        "title": "Order",
        "type": "object",
        "properties": {
            "count": { "type": "integer", "minimum": 0 },
            "due": { "type": "string", "format": "date-time" },
            "note": { "type": ["string", "null"] },
            "size": { "description": "How big.", "anyOf": [{ "$ref": "#/$defs/Size" }] },
            "color": { "anyOf": [{ "$ref": "#/$defs/Size" }, { "type": "null" }] }
        },
        "required": ["color", "count", "due", "note", "size"],
        "additionalProperties": false,
        "$defs": {
            "Size": { "anyOf": [
                { "type": "string", "enum": ["small"] },
                { "type": "string", "const": "big", "description": "Too big." }
            ] }
        }
    });
    let mut narrowed = strict(&derived).unwrap();
    // The order of names is the map's, which features of serde_json change.
    let mut names: Vec<String> = serde_json::from_value(narrowed["required"].take()).unwrap();
    names.sort();
    narrowed["required"] = json!(names);
    assert_eq!(narrowed, expected);
}

#[test]
fn every_object_is_closed_however_deep() {
    let open =
        |inner: Value| json!({ "type": "object", "properties": { "a": inner }, "required": ["a"] });
    let closed = |inner: Value| {
        let mut object = open(inner);
        object["additionalProperties"] = json!(false);
        object
    };
    let list = |items: Value| json!({ "type": "array", "items": items });
    let text = json!({ "type": "string" });
    narrows(open(list(open(text.clone()))), closed(list(closed(text))));
    let empty = json!({ "type": "object", "additionalProperties": false });
    let mut with_properties = empty.clone();
    with_properties["properties"] = json!({});
    with_properties["required"] = json!([]);
    narrows(empty, with_properties);
}

#[test]
fn what_would_lose_something_is_not_strict() {
    let with = |schema: Value| json!({ "type": "object", "properties": { "a": schema }, "required": ["a"] });
    let mut deep = json!({ "type": "string" });
    for _ in 0..11 {
        deep = with(deep);
    }
    for schema in [
        json!(null),
        json!(true),
        json!({}),
        json!({ "type": "string" }),
        json!({ "$ref": "#/$defs/A", "$defs": { "A": { "type": "string" } } }),
        json!({ "anyOf": [with(json!({ "type": "string" }))] }),
        // Optional, and null is no way to leave it out.
        json!({ "type": "object", "properties": { "a": { "type": "string" } } }),
        // Open on purpose.
        json!({ "type": "object" }),
        json!({ "type": "object", "properties": {}, "additionalProperties": true }),
        json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        with(json!({})),
        with(json!(true)),
        with(json!({ "enum": [1, "a"] })),
        with(json!({ "type": "array" })),
        with(json!({ "properties": { "b": { "type": "string" } } })),
        with(json!({ "type": "string", "minLength": 1 })),
        with(json!({ "allOf": [{ "type": "string" }] })),
        with(json!({ "$ref": "#/$defs/A", "minimum": 1 })),
        with(json!({ "anyOf": [{ "type": "string" }], "oneOf": [{ "type": "null" }] })),
        deep,
    ] {
        assert_eq!(strict(&schema), None);
    }
}

#[test]
fn names_of_types_become_names_of_forms() {
    for (text, expected) in [
        ("Order", "Order"),
        ("Vec<Order>", "Vec_Order_"),
        ("ordem de ação", "ordem_de_a__o"),
        ("", "reply"),
        (&"x".repeat(80), &"x".repeat(64)),
    ] {
        assert_eq!(name(text), expected);
    }
}

#[test]
fn a_tool_without_arguments_has_properties_all_the_same() {
    let schema = json!({ "$schema": "draft", "type": "object" });
    let expected = json!({ "type": "object", "properties": {} });
    assert_eq!(*of_arguments(&schema), expected);
    let whole = json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] });
    assert!(matches!(of_arguments(&whole), Cow::Borrowed(_)));
    assert_eq!(*of_arguments(&json!(null)), json!(null));
}
