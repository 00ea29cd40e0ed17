//! What is said, as a door can carry it: one message becomes those that fit. Pure, so that a
//! turn that runs again says the same.
//!
//! *Arrives*: what a node or a tool has said.
//! *Leaves*: messages of which none breaks a limit that the door has named; what cannot be
//! made to fit stays as it is, for the door to refuse.

mod split;

use zupa_core::{Capabilities, Choices, Content, Outbound};

use split::split;

/// The outbounds as the door carries them, in order, each part in its lane.
pub(crate) fn fit(outbound: Vec<Outbound>, door: Option<Capabilities>) -> Vec<Outbound> {
    let Some(door) = door else {
        return outbound;
    };
    outbound
        .into_iter()
        .flat_map(|said| {
            let (lane, aside) = (said.lane, said.aside);
            contents(said.content, door)
                .into_iter()
                .map(move |content| Outbound {
                    content,
                    lane,
                    aside,
                })
        })
        .collect()
}

fn contents(content: Content, door: Capabilities) -> Vec<Content> {
    match content {
        Content::Text { text } => texts(text, door),
        Content::Choices(asked) => choices(asked, door),
        Content::Template { .. } if !door.templates => texts(content.as_prompt_text(), door),
        Content::Media { .. } => media(content, door),
        other => vec![other],
    }
}

fn texts(text: String, door: Capabilities) -> Vec<Content> {
    let pieces = match door.text_chars {
        Some(limit) => split(&text, limit.max(1)),
        None => Vec::new(),
    };
    match pieces.is_empty() {
        // White space alone: the door's to refuse.
        true => vec![Content::Text { text }],
        false => pieces.into_iter().map(Content::text).collect(),
    }
}

/// As choices if the door has room for them, else as text with numbers: also where there is no
/// question, which no platform shows choices without.
fn choices(mut asked: Choices, door: Capabilities) -> Vec<Content> {
    let lines = [&mut asked.menu, &mut asked.header, &mut asked.footer];
    let more = asked
        .choices
        .iter_mut()
        .map(|choice| &mut choice.description);
    for words in lines.into_iter().chain(more) {
        words.take_if(|words| words.trim().is_empty());
    }
    let Some(room) = door.choices.filter(|room| room.shape(&asked).is_some()) else {
        return texts(asked.as_text(), door);
    };
    // What does not fit into the question goes before it.
    let mut pieces = split(&asked.text, room.text.max(1));
    let text = pieces.pop().unwrap_or_default();
    let mut contents: Vec<_> = pieces.into_iter().map(Content::text).collect();
    contents.push(Content::Choices(Choices { text, ..asked }));
    contents
}

/// With the words under it; behind it, where there is no room for them.
fn media(mut content: Content, door: Capabilities) -> Vec<Content> {
    let Some(limit) = door.caption_chars else {
        return vec![content];
    };
    let Content::Media { mime, caption, .. } = &mut content else {
        return vec![content];
    };
    let limit = if takes_words(mime) { limit } else { 0 };
    caption.take_if(|words| words.trim().is_empty());
    let too_long = |words: &mut String| words.chars().count() > limit;
    let Some(words) = caption.take_if(too_long) else {
        return vec![content];
    };
    let words = texts(words, door);
    std::iter::once(content).chain(words).collect()
}

/// What is heard has no words under it.
fn takes_words(mime: &str) -> bool {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    !essence.starts_with("audio/") && essence != "image/webp"
}

#[cfg(test)]
mod tests {
    use zupa_core::{Acknowledges, Choice, ChoiceRoom, Deduplicates, Lane, Shape};

    use super::*;

    const ROOM: ChoiceRoom = ChoiceRoom {
        text: 12,
        line: 5,
        buttons: 3,
        button_title: 20,
        button_id: 256,
        rows: 10,
        row_title: 24,
        row_description: 72,
        row_id: 200,
        menu: 20,
    };

    fn phone() -> Capabilities {
        Capabilities {
            text_chars: Some(40),
            caption_chars: Some(10),
            choices: Some(ROOM),
            templates: true,
            ..Capabilities::new(Acknowledges::OnSend, Deduplicates::Never)
        }
    }

    fn web() -> Capabilities {
        Capabilities::new(Acknowledges::AtCommit, Deduplicates::ByKey)
    }

    /// What leaves, kind and words, and that its place in the queues is kept.
    #[track_caller]
    fn check(content: Content, door: Capabilities, expected: &[(&str, &str)]) {
        let said = Outbound {
            content,
            lane: Lane::Proactive,
            aside: true,
        };
        let parts = fit(vec![said], Some(door));
        let parts: Vec<_> = parts
            .iter()
            .map(|part| {
                assert_eq!((part.lane, part.aside), (Lane::Proactive, true));
                (part.content.kind(), part.content.as_prompt_text())
            })
            .collect();
        let parts: Vec<_> = parts
            .iter()
            .map(|(kind, text)| (*kind, text.as_str()))
            .collect();
        assert_eq!(parts, expected);
    }

    fn asked(text: &str, count: usize) -> Content {
        let choice = |number| Choice::new(format!("id{number}"), format!("t{number}"));
        Content::Choices(Choices::new(text, (0..count).map(choice).collect()))
    }

    #[test]
    fn a_long_text_is_cut_where_the_door_has_a_limit() {
        let text = "twenty characters, y\n\nand twenty more of it";
        let parts = [
            ("text", "twenty characters, y"),
            ("text", "and twenty more of it"),
        ];
        check(Content::text(text), phone(), &parts);
        check(Content::text(text), web(), &[("text", text)]);
        let blank = " ".repeat(41);
        check(Content::text(&blank), phone(), &[("text", &blank)]);
    }

    #[test]
    fn choices_are_shown_where_there_is_room_and_numbered_elsewhere() {
        check(
            asked("tea?", 2),
            phone(),
            &[("choices", "tea?\n\n1. t0\n2. t1")],
        );
        check(asked("tea?", 2), web(), &[("text", "tea?\n\n1. t0\n2. t1")]);
        check(
            asked("a question, and tea?", 1),
            phone(),
            &[("text", "a question,"), ("choices", "and tea?\n\n1. t0")],
        );
        let rows = "1. t0\n2. t1\n3. t2\n4. t3\n5. t4\n6. t5";
        let rest = "7. t6\n8. t7\n9. t8\n10. t9\n11. t10";
        let parts = [("text", rows), ("text", rest)];
        check(asked("", 11), phone(), &parts);
    }

    #[test]
    fn blank_words_leave_out_no_choice() {
        let rows = [("text", "1. t0\n2. t1")];
        for blank in ["", " \n", &" ".repeat(13)] {
            check(asked(blank, 2), phone(), &rows);
            check(asked(blank, 2), web(), &rows);
        }
        let Content::Choices(mut asked) = asked("tea?", 2) else {
            unreachable!("it asks");
        };
        let blank = || Some(" ".to_owned());
        (asked.header, asked.footer, asked.menu) = (blank(), blank(), blank());
        asked.choices[0].description = blank();
        let parts = fit(vec![Outbound::choices(asked)], Some(phone()));
        let Content::Choices(left) = &parts[0].content else {
            panic!("there is room for it");
        };
        assert_eq!(parts.len(), 1);
        assert_eq!(ROOM.shape(left), Some(Shape::Buttons));
    }

    #[test]
    fn words_that_do_not_fit_under_a_file_follow_it() {
        let file = |mime: &str, caption: &str| Content::Media {
            mime: mime.into(),
            handle: "h".into(),
            caption: Some(caption.into()),
            filename: None,
            bytes: None,
            sha256: None,
        };
        check(
            file("image/png", "0123456789"),
            phone(),
            &[("media", "[image/png] 0123456789")],
        );
        check(
            file("image/png", "0123456789!"),
            phone(),
            &[("media", "[image/png]"), ("text", "0123456789!")],
        );
        check(
            file("audio/ogg", "a"),
            phone(),
            &[("media", "[audio/ogg]"), ("text", "a")],
        );
        let spelt = "Audio/OGG; codecs=opus";
        check(
            file(spelt, "a"),
            phone(),
            &[("media", "[Audio/OGG; codecs=opus]"), ("text", "a")],
        );
        check(file("image/png", " "), phone(), &[("media", "[image/png]")]);
        check(file("audio/ogg", "a"), web(), &[("media", "[audio/ogg] a")]);
    }

    #[test]
    fn a_template_is_its_words_where_there_are_none() {
        let template = Content::Template {
            name: "news".into(),
            language: "en".into(),
            parameters: Vec::new(),
            text: "soup".into(),
        };
        check(template.clone(), phone(), &[("template", "soup")]);
        check(template, web(), &[("text", "soup")]);
    }
}
