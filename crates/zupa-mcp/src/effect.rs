//! What a tool of a server does to the world, as far as anybody can know.

use rmcp::model::ToolAnnotations;
use zupa_core::Effect;

/// Whether a server's word about its own tools counts. The protocol calls it a
/// hint that no client should rely on, so by default it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Annotations {
    /// Every tool is called at most once and only with approval.
    #[default]
    Ignored,
    /// `readOnlyHint` makes a tool pure, `idempotentHint` idempotent.
    Trusted,
}

/// What a tool is taken to do of which nobody says anything that counts.
pub(crate) const CAREFUL: Effect = Effect::AT_MOST_ONCE.approved();

/// Without an override of the configuration.
///
/// Servers know no idempotency key. `idempotentHint` says that a second call
/// with the same arguments changes nothing more, and the runtime repeats a call
/// with the same arguments only: so that is [`Effect::IDEMPOTENT`]. Such a call
/// may still destroy something the first time, so it needs approval unless the
/// server says `destructiveHint: false` as well.
pub(crate) fn of(annotations: Option<&ToolAnnotations>, trust: Annotations) -> Effect {
    let Some(hints) = annotations.filter(|_| trust == Annotations::Trusted) else {
        return CAREFUL;
    };
    if hints.read_only_hint == Some(true) {
        return Effect::PURE;
    }
    match (hints.is_idempotent(), hints.is_destructive()) {
        (true, false) => Effect::IDEMPOTENT,
        (true, true) => Effect::IDEMPOTENT.approved(),
        (false, _) => CAREFUL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(read_only: bool, destructive: bool, idempotent: bool) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(read_only)
            .destructive(destructive)
            .idempotent(idempotent)
    }

    #[test]
    fn hints_count_only_when_trusted() {
        for (given, trusted) in [
            (None, CAREFUL),
            (Some(ToolAnnotations::new()), CAREFUL),
            (Some(hints(true, true, false)), Effect::PURE),
            (
                Some(hints(false, true, true)),
                Effect::IDEMPOTENT.approved(),
            ),
            (Some(hints(false, false, true)), Effect::IDEMPOTENT),
            (Some(hints(false, false, false)), CAREFUL),
        ] {
            assert_eq!(of(given.as_ref(), Annotations::Trusted), trusted);
            assert_eq!(of(given.as_ref(), Annotations::Ignored), CAREFUL);
        }
    }
}
