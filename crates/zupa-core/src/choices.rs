//! Questions with answers to choose from, and how much of them a channel can show.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// A question and what may be chosen. Customer text, as all of a content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// The question.
    pub text: String,
    /// What may be chosen, in order.
    pub choices: Vec<Choice>,
    /// What opens the list, where there are too many for buttons; none: `Menu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<String>,
    /// A line above the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A line below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Comes back in [`crate::Content::InteractiveReply`].
    pub id: String,
    /// What the person sees, and says by choosing it.
    pub title: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Choice {
    /// A choice that needs no more words.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            description: None,
        }
    }
}

impl Choices {
    /// A question without a header or a footer.
    pub fn new(text: impl Into<String>, choices: Vec<Choice>) -> Self {
        Self {
            text: text.into(),
            choices,
            menu: None,
            header: None,
            footer: None,
        }
    }

    /// The question as text, with a number before each choice. Where a channel has nothing
    /// to choose by, this is what it shows.
    pub fn as_text(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        parts.extend(self.header.as_deref());
        parts.push(&self.text);
        let rows: Vec<String> = (1..)
            .zip(&self.choices)
            .map(|(number, choice)| match &choice.description {
                Some(more) => format!("{number}. {}: {more}", choice.title),
                None => format!("{number}. {}", choice.title),
            })
            .collect();
        let rows = rows.join("\n");
        parts.push(&rows);
        parts.extend(self.footer.as_deref());
        parts.retain(|part| !part.trim().is_empty());
        parts.join("\n\n")
    }
}

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Choices({})", self.choices.len())
    }
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Choice(***)")
    }
}

/// How much a channel can show to choose from. All lengths are in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChoiceRoom {
    /// Of the question.
    pub text: usize,
    /// Of the line above it, and of that below.
    pub line: usize,
    /// Most buttons.
    pub buttons: usize,
    /// Of a button's title, of which no two are the same.
    pub button_title: usize,
    /// Of a button's id.
    pub button_id: usize,
    /// Most rows of a list.
    pub rows: usize,
    /// Of a row's title.
    pub row_title: usize,
    /// Of a row's description.
    pub row_description: usize,
    /// Of a row's id.
    pub row_id: usize,
    /// Of what opens the list.
    pub menu: usize,
}

/// How choices are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Below the question.
    Buttons,
    /// In a list that the person opens.
    List,
}

impl ChoiceRoom {
    /// How it is shown, however long the question is; none: it cannot be, as where something
    /// is blank that has to be words.
    pub fn shape(&self, asked: &Choices) -> Option<Shape> {
        let lines = asked.header.iter().chain(&asked.footer);
        let is_sound = !asked.text.trim().is_empty()
            && !asked.choices.is_empty()
            && are_different(asked.choices.iter().map(|choice| &choice.id))
            && asked.choices.iter().all(|choice| {
                let texts = [&choice.id, &choice.title].into_iter();
                texts
                    .chain(&choice.description)
                    .all(|text| !text.trim().is_empty())
            })
            && lines.into_iter().all(|line| fits(line, self.line));
        if !is_sound {
            return None;
        }
        let is_button = |choice: &Choice| {
            fits(&choice.title, self.button_title)
                && fits(&choice.id, self.button_id)
                && choice.description.is_none()
        };
        let is_row = |choice: &Choice| {
            let more = choice.description.iter();
            fits(&choice.title, self.row_title)
                && fits(&choice.id, self.row_id)
                && more
                    .into_iter()
                    .all(|more| fits(more, self.row_description))
        };
        let choices = &asked.choices;
        if choices.len() <= self.buttons
            && choices.iter().all(is_button)
            && are_different(choices.iter().map(|choice| &choice.title))
        {
            Some(Shape::Buttons)
        } else if choices.len() <= self.rows
            && choices.iter().all(is_row)
            && asked.menu.iter().all(|menu| fits(menu, self.menu))
        {
            Some(Shape::List)
        } else {
            None
        }
    }
}

fn fits(text: &str, limit: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= limit
}

fn are_different<'t>(texts: impl Iterator<Item = &'t String>) -> bool {
    let mut seen = HashSet::new();
    let mut texts = texts;
    texts.all(|text| seen.insert(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: ChoiceRoom = ChoiceRoom {
        text: 1_024,
        line: 60,
        buttons: 3,
        button_title: 20,
        button_id: 256,
        rows: 10,
        row_title: 24,
        row_description: 72,
        row_id: 200,
        menu: 20,
    };

    /// So many of something that takes more than a byte, and one that takes two characters.
    fn long(characters: usize) -> String {
        format!("{}e\u{301}", "\u{1F600}".repeat(characters - 2))
    }

    fn asked(count: usize) -> Choices {
        let choice = |number| Choice::new(format!("id{number}"), format!("title {number}"));
        Choices::new("which?", (0..count).map(choice).collect())
    }

    #[track_caller]
    fn check(shape: Option<Shape>, change: impl FnOnce(&mut Choices)) {
        let mut asked = asked(3);
        change(&mut asked);
        assert_eq!(ROOM.shape(&asked), shape);
    }

    #[test]
    fn what_is_blank_is_not_shown() {
        let blank = || " \n".to_owned();
        check(None, |asked| asked.text = String::new());
        check(None, |asked| asked.text = blank());
        check(None, |asked| asked.header = Some(blank()));
        check(None, |asked| asked.footer = Some(blank()));
        check(None, |asked| asked.choices[1].title = blank());
        check(None, |asked| {
            asked.choices[1].description = Some("more".into());
            asked.menu = Some(blank());
        });
    }

    #[test]
    fn four_are_a_list_and_eleven_are_too_many() {
        use Shape::{Buttons, List};
        for (count, shape) in [
            (0, None),
            (1, Some(Buttons)),
            (3, Some(Buttons)),
            (4, Some(List)),
            (10, Some(List)),
            (11, None),
        ] {
            assert_eq!(ROOM.shape(&asked(count)), shape, "{count}");
        }
    }

    #[test]
    fn every_limit_is_kept_to_the_character() {
        use Shape::{Buttons, List};
        check(Some(Buttons), |asked| asked.choices[1].title = long(20));
        check(Some(List), |asked| asked.choices[1].title = long(21));
        check(Some(List), |asked| asked.choices[1].title = long(24));
        check(None, |asked| asked.choices[1].title = long(25));
        check(Some(Buttons), |asked| asked.choices[1].id = long(256));
        check(None, |asked| asked.choices[1].id = long(257));
        check(None, |asked| {
            asked.choices[1].id = long(201);
            asked.choices[1].description = Some("more".into());
        });
        check(Some(List), |asked| {
            asked.choices[1].description = Some(long(72))
        });
        check(None, |asked| asked.choices[1].description = Some(long(73)));
        check(Some(Buttons), |asked| asked.header = Some(long(60)));
        check(None, |asked| asked.header = Some(long(61)));
        check(None, |asked| asked.footer = Some(long(61)));
        let more = |asked: &mut Choices| asked.choices[0].description = Some("more".into());
        check(Some(List), |asked| {
            more(asked);
            asked.menu = Some(long(20));
        });
        check(None, |asked| {
            more(asked);
            asked.menu = Some(long(21));
        });
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_shown_as_choices() {
        check(Some(Shape::List), |asked| {
            asked.choices[1].title = "title 0".into()
        });
        check(None, |asked| asked.choices[1].id = "id0".into());
        check(None, |asked| asked.choices[1].title = " ".into());
        check(None, |asked| asked.choices[1].id = String::new());
    }

    #[test]
    fn as_text_each_has_a_number() {
        let mut asked = asked(2);
        assert_eq!(asked.as_text(), "which?\n\n1. title 0\n2. title 1");
        asked.choices[0].description = Some("the first".into());
        (asked.header, asked.footer) = (Some("Hello".into()), Some("Bye".into()));
        assert_eq!(
            asked.as_text(),
            "Hello\n\nwhich?\n\n1. title 0: the first\n2. title 1\n\nBye"
        );
        assert!(!format!("{asked:?}{:?}", asked.choices[0]).contains("title"));
    }
}
