//! What the page shows: all chats with their lines and ticks, and what was counted.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::switches;
use crate::person::{Person, Said, Seen};
use crate::shared::Shared;
use crate::world::World;

/// All of it.
pub(super) fn state(shared: &Shared, revision: u64) -> Value {
    let unposted = shared.unposted();
    let world = shared.world();
    let chats = world.lines.iter().flat_map(|line| {
        let number = line.number.phone_number_id.as_str();
        world
            .people
            .values()
            .map(|person| chat(&world, number, person))
    });
    let posted = &world.record.posted;
    json!({
        "revision": revision,
        "chats": chats.collect::<Vec<_>>(),
        "switches": switches(&world.faults),
        "counts": {
            "waiting": unposted,
            "posted": posted.acknowledged,
            "twice": posted.duplicates,
            "again": posted.refused.values().sum::<u64>(),
            "sends": world.record.attempts.len(),
            "beyond": world.record.violations.len(),
        },
        "webhook": webhook(&world),
    })
}

fn webhook(world: &World) -> Option<&str> {
    world.lines.first()?.number.webhook.as_deref()
}

fn chat(world: &World, number: &str, person: &Person) -> Value {
    let said = person.said.iter().filter(|it| it.phone_number_id == number);
    let seen = person.seen.iter().filter(|it| it.phone_number_id == number);
    let mut lines: Vec<(u64, Value)> = said.map(|said| (said.at, written(said))).collect();
    lines.extend(seen.map(|seen| (seen.at, shown(seen))));
    lines.sort_by_key(|(at, _)| *at);
    let typing = person.typing.get(number);
    let named = |phone: &String| {
        let member = world.people.get(phone);
        json!({ "phone": phone, "name": member.map_or(phone, |it| &it.identity.name) })
    };
    let members = person.members.iter().flatten().map(named);
    json!({
        "number": number,
        "phone": person.identity.phone,
        "name": person.identity.name,
        "typing": typing.is_some_and(|until| Instant::now() < *until),
        "members": members.collect::<Vec<_>>(),
        "lines": lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>(),
    })
}

/// A line of the person's own.
fn written(said: &Said) -> Value {
    let at = |pointer: &str| said.message.pointer(pointer).and_then(Value::as_str);
    let text = at("/text/body")
        .or_else(|| at("/interactive/button_reply/title"))
        .or_else(|| at("/interactive/list_reply/title"))
        .or_else(|| at("/type"));
    let ticks = match (said.read, said.acknowledged) {
        (true, _) => "read",
        (false, 0) => "waiting",
        (false, _) => "delivered",
    };
    let speaker = at("/group_id").and(at("/from"));
    json!({
        "from": "person", "id": said.wamid, "at": said.at, "text": text, "ticks": ticks,
        "speaker": speaker,
    })
}

/// A line of the business's.
fn shown(seen: &Seen) -> Value {
    let text = match seen.text.is_empty() {
        true => format!("[{}]", seen.kind),
        false => seen.text.clone(),
    };
    json!({
        "from": "business", "id": seen.wamid, "at": seen.at, "text": text,
        "ticks": seen.level.word(), "choices": choices(&seen.body),
    })
}

/// Buttons and rows, as id, title and description.
fn choices(body: &Value) -> Vec<Value> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
    let action = |part: &str| body.pointer(&format!("/interactive/action/{part}"));
    let buttons = list(action("buttons")).unwrap_or_default().into_iter();
    let buttons = buttons.map(|button| button["reply"].clone());
    let sections = list(action("sections")).unwrap_or_default().into_iter();
    let rows = sections.flat_map(|section| list(section.get("rows")).unwrap_or_default());
    buttons.chain(rows).collect()
}
