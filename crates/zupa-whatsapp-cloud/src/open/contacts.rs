//! Who is who in one change: numbers and ids of the same people, side by side.

use serde_json::value::RawValue;
use zupa_core::Alias;

use super::fields::{item, text};

/// The contacts of a change, as far as they tell both.
pub(super) struct Contacts(Vec<(Alias, Alias)>);

impl Contacts {
    /// Reads what can be read; nobody is lost with the rest.
    pub(super) fn read(list: Option<&RawValue>) -> Self {
        let list = list.and_then(super::items).unwrap_or_default();
        let both = |contact: &RawValue| {
            let contact = item(contact).head;
            let alias = |pointer| Alias::parse(text(&contact, pointer)?).ok();
            Some((alias("/wa_id")?, alias("/user_id")?))
        };
        Self(list.into_iter().filter_map(both).collect())
    }

    /// The number of whom an id names.
    pub(super) fn phone_of(&self, id: &Alias) -> Option<Alias> {
        let mut people = self.0.iter();
        let (phone, _) = people.find(|(_, known)| known == id)?;
        Some(phone.clone())
    }

    /// The id of whom a number reaches.
    pub(super) fn id_of(&self, phone: &Alias) -> Option<Alias> {
        let mut people = self.0.iter();
        let (_, id) = people.find(|(known, _)| known == phone)?;
        Some(id.clone())
    }
}
