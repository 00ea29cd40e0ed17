//! Calls of tools, put together from their fragments.
//!
//! OpenAI sends id and name with the first fragment of a call and an index with
//! each. Others give every call the index 0 (Ollama, Gemini), or none, a new id
//! to every fragment (older vLLM), the name again and again, the same id to
//! several calls or an empty one, or whole calls at once. What tells calls
//! apart is therefore, in this order: the index, a name that begins anew, the id.

use std::collections::HashSet;

use serde::de::IgnoredAny;
use zupa_core::ToolCall;

use crate::error::Failure;

/// Calls of one answer. More is a model that runs in circles.
const MAX_CALLS: usize = 64;
/// Ids, names and arguments of one answer, together.
const MAX_BYTES: usize = 1 << 20;

/// A piece of a call as it came. What was not sent is empty.
#[derive(Default, Clone)]
pub(crate) struct Fragment {
    pub(crate) index: Option<u64>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// The calls of an answer so far, in the order in which they began.
#[derive(Default)]
pub(crate) struct Calls {
    begun: Vec<Fragment>,
    bytes: usize,
}

impl Calls {
    /// Takes the next fragment.
    pub(crate) fn take(&mut self, fragment: Fragment) -> Result<(), Failure> {
        self.bytes += fragment.id.len() + fragment.name.len() + fragment.arguments.len();
        if self.bytes > MAX_BYTES {
            return Err(Failure::TooManyCalls("1 MiB of arguments"));
        }
        if let Some(call) = self.current(&fragment) {
            call.go_on(fragment);
            return Ok(());
        }
        if self.begun.len() == MAX_CALLS {
            return Err(Failure::TooManyCalls("64 calls"));
        }
        self.begun.push(fragment);
        Ok(())
    }

    /// Ends them: whole calls in the order of their indexes, each with an id
    /// that no other one has.
    pub(crate) fn finish(self) -> Result<Vec<ToolCall>, Failure> {
        let mut begun: Vec<_> = self.begun.into_iter().enumerate().collect();
        begun.sort_by_key(|(place, call)| call.index.unwrap_or(*place as u64));
        let mut ids = HashSet::new();
        let mut calls = Vec::new();
        // A placeholder that was never filled is no call.
        for (_, call) in begun.into_iter().filter(|(_, call)| !call.is_blank()) {
            if call.name.is_empty() {
                return Err(Failure::Undecodable);
            }
            let id = unlike(&ids, call.id, calls.len());
            ids.insert(id.clone());
            calls.push(ToolCall {
                id,
                name: call.name,
                arguments: match call.arguments.trim().is_empty() {
                    // How some servers spell a call without arguments.
                    true => "{}".to_owned(),
                    false => call.arguments,
                },
            });
        }
        Ok(calls)
    }

    /// The call that the fragment goes on with; none if it begins another.
    fn current(&mut self, fragment: &Fragment) -> Option<&mut Fragment> {
        let of_id = |call: &Fragment| !fragment.id.is_empty() && call.id == fragment.id;
        let at = match fragment.index {
            Some(_) => self.begun.iter().rposition(|it| it.index == fragment.index),
            None => (self.begun.iter().rposition(of_id)).or(self.begun.len().checked_sub(1)),
        };
        let call = self.begun.get_mut(at?)?;
        (!fragment.begins_after(call)).then_some(call)
    }
}

impl Fragment {
    /// Whether this is the beginning of another call than the one that it would
    /// belong to by its index.
    fn begins_after(&self, call: &Self) -> bool {
        if self.name.is_empty() || call.name.is_empty() {
            return false;
        }
        let both_have_ids = !self.id.is_empty() && !call.id.is_empty();
        if both_have_ids && self.id != call.id || self.name != call.name {
            return true;
        }
        // The same tool again, or just the name: arguments that are whole have no
        // continuation, least of all one that opens an object.
        self.arguments.trim_start().starts_with('{') && is_whole(&call.arguments)
    }

    fn go_on(&mut self, fragment: Self) {
        if self.id.is_empty() {
            self.id = fragment.id;
        }
        if self.name.is_empty() {
            self.name = fragment.name;
        }
        self.arguments.push_str(&fragment.arguments);
    }

    fn is_blank(&self) -> bool {
        self.name.is_empty() && self.arguments.trim().is_empty()
    }
}

fn is_whole(arguments: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(arguments).is_ok()
}

/// The id, or one made from the place of the call: the same at every reading.
fn unlike(taken: &HashSet<String>, id: String, place: usize) -> String {
    if !id.is_empty() && !taken.contains(&id) {
        return id;
    }
    let mut made = format!("call_{place}");
    while taken.contains(&made) {
        made.push('_');
    }
    made
}

#[cfg(test)]
mod tests;
