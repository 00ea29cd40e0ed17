//! `POST /{version}/{phone_number_id}/messages`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::refusal::{Refusal, wrong};
use super::{Answer, check};
use crate::clock::unix_micros;
use crate::dice::dice;
use crate::fate::{Fate, statuses};
use crate::person::{Level, Seen, readable};
use crate::record::{Attempt, End, Limit, Violation};
use crate::shared::Shared;
use crate::webhook::{Event, Kind};
use crate::world::{Line, World};

/// How long a phone shows that somebody is typing.
const TYPING: Duration = Duration::from_secs(25);

/// What becomes of one request.
struct Outcome {
    answer: Answer,
    /// Before the answer.
    wait: Duration,
    statuses: Vec<Event>,
}

pub(super) async fn answer(shared: &Arc<Shared>, line: usize, body: &[u8]) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Answer::refused(&Refusal::new(100, "the body is no JSON"));
    };
    let outcome = {
        let mut world = shared.world();
        match body.get("status").and_then(Value::as_str) {
            Some(_) => world.mark_read(line, &body),
            None => world.take(line, &body),
        }
    };
    shared.change();
    let mut after = Duration::ZERO;
    for status in outcome.statuses {
        shared.post(line, status, after);
        after += shared.posting.between_statuses;
    }
    if !outcome.wait.is_zero() {
        sleep(outcome.wait).await;
    }
    outcome.answer
}

fn kind(body: &Value) -> &str {
    body.get("type").and_then(Value::as_str).unwrap_or("text")
}

impl World {
    fn take(&mut self, line: usize, body: &Value) -> Outcome {
        let spelled = |field: &str| body.get(field).and_then(Value::as_str);
        let to = spelled("to").or(spelled("recipient")).unwrap_or_default();
        let mut attempt = Attempt {
            phone_number_id: self.lines[line].number.phone_number_id.clone(),
            to: to.to_owned(),
            key: spelled("biz_opaque_callback_data").map(str::to_owned),
            text: readable(kind(body), body),
            at: unix_micros(),
            end: End::Dropped,
            answered: true,
            tells: false,
        };
        let outcome = match self.decide(line, body, &mut attempt) {
            Ok(outcome) => outcome,
            Err(refusal) => {
                attempt.end = End::Refused { code: refusal.code };
                Outcome {
                    answer: Answer::refused(&refusal),
                    wait: Duration::ZERO,
                    statuses: Vec::new(),
                }
            }
        };
        self.record.attempts.push(attempt);
        outcome
    }

    /// Everything that Meta refuses by its own rules comes before what goes wrong.
    fn decide(
        &mut self,
        line: usize,
        body: &Value,
        attempt: &mut Attempt,
    ) -> Result<Outcome, Refusal> {
        check::message(body)?;
        let phone = self.recipient(body)?;
        self.refers(&phone, body)?;
        self.keeps_limits(line, &phone, body, attempt)?;

        let nth = self.lines[line].sends.entry(phone.clone()).or_default();
        *nth += 1;
        let number = attempt.phone_number_id.as_str();
        let mut dice = dice(self.seed, ("send", number, &phone, *nth));
        let drawn = Fate::draw(&self.faults, &mut dice);
        let told = statuses(&self.faults, &mut dice);
        let fate = self.fates.pop_front().unwrap_or(drawn);

        attempt.answered = matches!(fate, Fate::Take | Fate::TakeLate(_));
        if let Fate::Refuse(code) = fate {
            attempt.answered = true;
            return Err(Refusal::new(code, "scripted"));
        }
        let mut outcome = Outcome {
            answer: match fate {
                Fate::Fail(status) | Fate::TakeAndFail(status) => Answer::Empty(status),
                _ => Answer::HangUp,
            },
            wait: Duration::ZERO,
            statuses: Vec::new(),
        };
        if !fate.takes() {
            return Ok(outcome);
        }
        let wamid = self.count(line, &phone);
        // What is said to have failed was seen by nobody.
        if !told.contains(&Level::Failed) {
            self.show(&phone, &wamid, body, attempt);
        }
        attempt.tells = !told.is_empty();
        let key = attempt.key.as_deref();
        let status = |level: Level| Event {
            level: Some(level),
            ..Event::new(
                self.status(&phone, &wamid, level.word(), key),
                Kind::Status,
                &phone,
                &wamid,
            )
        };
        outcome.statuses = told.into_iter().map(status).collect();
        if let Fate::TakeLate(late) = fate {
            outcome.wait = late;
        }
        if attempt.answered {
            outcome.answer = Answer::Json(
                200,
                json!({
                    "messaging_product": "whatsapp",
                    "contacts": [{ "input": attempt.to, "wa_id": phone }],
                    "messages": [{ "id": wamid }],
                }),
            );
        }
        attempt.end = End::Taken { wamid };
        Ok(outcome)
    }

    /// The phone number of whoever it goes to, or the id of a group; `to` wins over
    /// `recipient`.
    fn recipient(&self, body: &Value) -> Result<String, Refusal> {
        let spelled = |field: &str| body.get(field).and_then(Value::as_str);
        if spelled("recipient_type") == Some("group") {
            let group = spelled("to").filter(|id| self.is_group(id));
            let unknown = || Refusal::new(131_026, "there is no group with this id");
            return group.map(str::to_owned).ok_or_else(unknown);
        }
        if let Some(to) = spelled("to") {
            let digits = to.strip_prefix('+').unwrap_or(to);
            let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
            return match is_number {
                true => Ok(digits.to_owned()),
                false => Err(wrong("to is no phone number")),
            };
        }
        let id = spelled("recipient");
        let id = id.ok_or_else(|| super::refusal::missing("to or recipient"))?;
        let phone = self.phone_of(id).map(str::to_owned);
        phone.ok_or_else(|| Refusal::new(131_026, "nobody has this id"))
    }

    /// Media and messages that it speaks of must exist.
    fn refers(&self, phone: &str, body: &Value) -> Result<(), Refusal> {
        for kind in ["image", "audio", "video", "document", "sticker"] {
            let id = body.get(kind).and_then(|part| part.get("id")?.as_str());
            if id.is_some_and(|id| !self.media.knows(id)) {
                return Err(Refusal::new(131_009, "there is no media with this id"));
            }
        }
        let about = body.pointer("/reaction/message_id");
        let about = about.or(body.pointer("/context/message_id"));
        let Some(about) = about.and_then(Value::as_str) else {
            return Ok(());
        };
        let known = self.people.get(phone).is_some_and(|person| {
            let said = person.said.iter().any(|said| said.wamid == about);
            said || person.seen.iter().any(|seen| seen.wamid == about)
        });
        match known {
            true => Ok(()),
            false => Err(wrong("there is no message with this id in the chat")),
        }
    }

    /// Rates and the window. What is beyond one is noted and refused.
    fn keeps_limits(
        &mut self,
        line: usize,
        phone: &str,
        body: &Value,
        attempt: &Attempt,
    ) -> Result<(), Refusal> {
        let (limits, now) = (self.limits, Instant::now());
        let is_template = body.get("type").and_then(Value::as_str) == Some("template");
        let wrote = self.people.get(phone);
        let wrote = wrote.and_then(|person| person.wrote.get(&attempt.phone_number_id));
        let is_open = wrote.is_some_and(|at| now - *at < limits.window);
        let Line { rate, pairs, .. } = &mut self.lines[line];
        let pair = pairs.entry(phone.to_owned()).or_default();
        let broken = if !rate.allows(now, limits.per_second) {
            Some((Limit::PerSecond, 130_429))
        } else if !pair.allows(now, limits.pair_burst, limits.pair_pause) {
            Some((Limit::Pair, 131_056))
        } else if !is_template && !is_open {
            Some((Limit::Window, 131_047))
        } else {
            None
        };
        let Some((limit, code)) = broken else {
            return Ok(());
        };
        self.record.violations.push(Violation {
            phone_number_id: attempt.phone_number_id.clone(),
            to: attempt.to.clone(),
            limit,
            at: attempt.at,
        });
        Err(Refusal::new(code, "beyond a limit that is enforced"))
    }

    /// Takes a message, within the rates; its id.
    fn count(&mut self, line: usize, phone: &str) -> String {
        let (now, pause) = (Instant::now(), self.limits.pair_pause);
        let line = &mut self.lines[line];
        line.rate.count(now);
        let pair = line.pairs.entry(phone.to_owned()).or_default();
        pair.count(now, pause);
        self.new_wamid()
    }

    /// The person sees it.
    fn show(&mut self, phone: &str, wamid: &str, body: &Value, attempt: &Attempt) {
        let person = self.person(phone);
        person.typing.remove(&attempt.phone_number_id);
        person.seen.push(Seen {
            wamid: wamid.to_owned(),
            phone_number_id: attempt.phone_number_id.clone(),
            key: attempt.key.clone(),
            kind: kind(body).to_owned(),
            text: attempt.text.clone(),
            body: body.clone(),
            at: attempt.at,
            level: Level::Sent,
        });
    }

    /// Marks a message of somebody as read, and all before it; may show typing.
    fn mark_read(&mut self, line: usize, body: &Value) -> Outcome {
        let number = self.lines[line].number.phone_number_id.clone();
        let done = |answer| Outcome {
            answer,
            wait: Duration::ZERO,
            statuses: Vec::new(),
        };
        let wamid = body.get("message_id").and_then(Value::as_str);
        let is_read = body.get("status").and_then(Value::as_str) == Some("read");
        let typing = body.pointer("/typing_indicator/type");
        let typing_is_good = typing.is_none_or(|kind| kind == "text");
        let mut chats = self.people.values_mut().filter_map(|person| {
            let at = person.said.iter().position(|said| {
                Some(said.wamid.as_str()) == wamid && said.phone_number_id == number
            })?;
            Some((person, at))
        });
        let Some((person, at)) = chats.next().filter(|_| is_read && typing_is_good) else {
            return done(Answer::refused(&wrong(
                "message_id, status or typing_indicator",
            )));
        };
        let own = person.said[..=at].iter_mut();
        own.filter(|said| said.phone_number_id == number)
            .for_each(|said| said.read = true);
        let wamid = person.said[at].wamid.clone();
        if typing.is_some() {
            let until = Instant::now() + TYPING;
            person.typing.insert(number, until);
            self.record.typing.push(wamid.clone());
        }
        self.record.marked_read.push(wamid);
        done(Answer::Json(200, json!({ "success": true })))
    }
}
