//! Who may do what by chat: administrators and operators, by the address that a message
//! was spoken from.

use std::sync::Arc;

use zupa_core::{Address, Alias, Channel, Claimed, Error, Result, operator};

use super::command_gate::Role;

/// Who may do what by chat.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    /// Administrators at the only door, until it is known.
    pub admins: Vec<Alias>,
    pub admins_at: Vec<Address>,
    /// By name; one may write from several addresses.
    pub operators_at: Vec<(String, Address)>,
}

/// Whoever has spoken, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Speaker<'a> {
    pub role: Role,
    /// The operator that they are.
    pub operator: Option<&'a str>,
}

impl Roles {
    /// Finds the door of administrators that are named by their alias alone.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] if there are several.
    pub fn place(&mut self, doors: &[Arc<dyn Channel>]) -> Result<()> {
        let Some(door) = doors.first() else {
            return Ok(());
        };
        let elsewhere = doors.iter().any(|other| other.id() != door.id());
        if elsewhere && !self.admins.is_empty() {
            return Err(Error::invalid(
                "an administrator is named by an alias alone, and there are several doors: \
                 name the door with Agent::admin_at",
            ));
        }
        let at = |alias| Address {
            tenant: door.tenant().clone(),
            channel: door.id().clone(),
            alias,
        };
        self.admins_at.extend(self.admins.drain(..).map(at));
        Ok(())
    }

    /// Checks the names of operators, and that no address is bound to two.
    pub fn check(&self) -> Result<()> {
        for (place, (name, address)) in self.operators_at.iter().enumerate() {
            if let Some(why) = operator::fault_of_bound(name) {
                return Err(
                    Error::invalid("an operator has no name that can be taken").with("why", why)
                );
            }
            let mut before = self.operators_at.iter().take(place);
            if before.any(|(other, at)| at == address && other != name) {
                return Err(
                    Error::invalid("an address is bound to two operators").with("operator", name)
                );
            }
        }
        Ok(())
    }

    /// Who has spoken. In a group the speaker counts, never the group; where nobody knows
    /// who it was, it was nobody.
    pub fn of(&self, conversation: &Address, message: &Claimed) -> Speaker<'_> {
        let from = match &message.speaker {
            Some(speaker) => Some(Address {
                alias: speaker.clone(),
                ..conversation.clone()
            }),
            None if is_group(&conversation.alias) => None,
            None => Some(conversation.clone()),
        };
        let is_admin = from
            .as_ref()
            .is_some_and(|from| self.admins_at.contains(from));
        let mut operators = self.operators_at.iter();
        let bound = operators.find(|(_, address)| Some(address) == from.as_ref());
        Speaker {
            role: if is_admin { Role::Admin } else { Role::Person },
            operator: bound.map(|(name, _)| name.as_str()),
        }
    }
}

/// As WhatsApp spells the id of a group.
fn is_group(alias: &Alias) -> bool {
    alias.as_str().ends_with("@g.us")
}

#[cfg(test)]
mod tests {
    use zupa_core::{ChannelId, Coming, Content, EventId, Number, TenantId, Timestamp};

    use super::*;

    fn at(alias: &str) -> Address {
        Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("wa").unwrap(),
            alias: Alias::parse(alias).unwrap(),
        }
    }

    fn spoken_by(speaker: Option<&str>) -> Claimed {
        Claimed {
            event: EventId(uuid::Uuid::nil()),
            number: Number(1),
            accepted_at: Timestamp(0),
            content: Content::text("/approve"),
            speaker: speaker.map(|alias| Alias::parse(alias).unwrap()),
            coming: Coming::New,
        }
    }

    #[test]
    fn in_a_group_the_speaker_counts_and_an_unknown_one_is_nobody() {
        let group = "123@g.us";
        let roles = Roles {
            admins: Vec::new(),
            admins_at: vec![at("boss"), at(group), at("team")],
            operators_at: vec![("bea".into(), at("boss")), ("all".into(), at(group))],
        };
        let nobody = Speaker {
            role: Role::Person,
            operator: None,
        };
        let boss = Speaker {
            role: Role::Admin,
            operator: Some("bea"),
        };
        let of = |place, speaker| roles.of(&at(place), &spoken_by(speaker));
        assert_eq!(of("boss", None), boss);
        assert_eq!(of(group, Some("boss")), boss);
        assert_eq!(of(group, Some("ana")), nobody);
        assert_eq!(of(group, None), nobody);
        assert_eq!(
            of("team", Some("ana")),
            nobody,
            "a group of administrators is none"
        );
    }

    #[test]
    fn an_address_is_bound_to_one_operator_who_has_a_name() {
        let check = |operators: &[(&str, &str)]| {
            let bound = operators
                .iter()
                .map(|(name, alias)| ((*name).into(), at(alias)));
            let operators_at = bound.collect();
            Roles {
                operators_at,
                ..Roles::default()
            }
            .check()
        };
        assert!(check(&[("bea", "1"), ("bea", "2"), ("carl", "3"), ("bea", "1")]).is_ok());
        for wrong in [
            &[("bea", "1"), ("carl", "1")][..],
            &[("person", "1")],
            &[(" ", "1")],
            &[("operator", "1")],
            &[("bea ", "1")],
        ] {
            let error = check(wrong).unwrap_err();
            assert_eq!(error.kind(), zupa_core::ErrorKind::Invalid);
        }
    }
}
