//! Where turns leave a conversation, and what is told of it.

use super::*;

fn after(turns: &[(Came, Left)]) -> Talk {
    under(&Rules::default(), turns)
}

fn under(rules: &Rules, turns: &[(Came, Left)]) -> Talk {
    let mut talk = Talk::begin(rules, Timestamp(0));
    for (at, (came, left)) in (1..).zip(turns) {
        talk.ends(rules, *came, *left, Timestamp(at));
    }
    talk
}

fn ends(talk: &mut Talk, (came, left): (Came, Left), at: i64) -> Option<Entry> {
    talk.ends(&Rules::default(), came, left, Timestamp(at))
}

fn silence(talk: &mut Talk, at: i64) -> Option<Entry> {
    talk.silence(&Rules::default(), Timestamp(at))
}

const WELL: (Came, Left) = (Came::AsItEnded, Left::Answered);
const BADLY: (Came, Left) = (Came::ToFallback, Left::Answered);
const DEAD: (Came, Left) = (Came::ToNothing, Left::GaveUp);

#[test]
fn a_turn_leads_to_where_it_can_rest() {
    let asks = (Came::AsItEnded, Left::Waits(WaitKind::Reply));
    assert_eq!(after(&[]).state(), In::Idle);
    assert_eq!(after(&[WELL]).state(), In::AwaitingInput);
    assert_eq!(after(&[WELL, asks]).state(), In::AwaitingConfirmation);
    assert_eq!(after(&[BADLY]).state(), In::Fallback);
    assert_eq!(after(&[DEAD]).state(), In::Fallback);
    assert_eq!(
        after(&[WELL, (Came::Anew, Left::Answered)]).state(),
        In::Idle
    );
    let command = (Came::ToNothing, Left::Answered);
    assert_eq!(after(&[asks, command]).state(), In::AwaitingConfirmation);
}

#[test]
fn an_answer_settles_what_was_asked() {
    let asks = (Came::AsItEnded, Left::Waits(WaitKind::Reply));
    for (yes, rests) in [(true, In::Completed), (false, In::AwaitingInput)] {
        let mut talk = after(&[asks]);
        talk.answered(yes);
        ends(&mut talk, WELL, 9);
        assert_eq!(talk.state(), rests);
    }
}

#[test]
fn the_fourth_failure_in_a_row_calls_a_human() {
    let rules = Rules::default();
    assert!(!after(&[BADLY, DEAD]).calls_human_next(&rules));
    let third = after(&[BADLY, DEAD, BADLY]);
    assert!(third.calls_human_next(&rules) && third.state() == In::Fallback);
    let fourth = after(&[BADLY, DEAD, BADLY, DEAD]);
    assert!(fourth.wants_human());
    let well_between = after(&[BADLY, BADLY, WELL, BADLY, BADLY]);
    assert_eq!(well_between.failures(), 2);
}

#[test]
fn how_many_failures_are_borne_and_what_follows_is_the_agents() {
    let rules = |fallback_limit, give_up| {
        Rules::of(&Config {
            fallback_limit,
            give_up,
            ..Config::default()
        })
    };
    let once = rules(1, GiveUp::NeedsHuman);
    assert_eq!(under(&once, &[BADLY]).state(), In::Fallback);
    assert!(under(&once, &[BADLY]).calls_human_next(&once));
    assert!(under(&once, &[BADLY, DEAD]).wants_human());
    let never = rules(2, GiveUp::Error);
    assert!(!under(&never, &[BADLY, DEAD]).calls_human_next(&never));
    let given_up = under(&never, &[BADLY, DEAD, BADLY]);
    assert!(given_up.is_given_up() && !given_up.wants_human());
}

#[test]
fn what_was_given_up_shows_it_until_the_next_message_and_begins_anew() {
    let rules = Rules::of(&Config {
        give_up: GiveUp::Error,
        ..Config::default()
    });
    let mut talk = under(&rules, &[BADLY; 4]);
    assert_eq!(talk.silence(&rules, Timestamp(5)), None);
    assert_eq!(talk.state(), In::Error);
    let mut dead = talk.clone();
    dead.ends(&rules, DEAD.0, DEAD.1, Timestamp(6));
    assert_eq!(dead.state(), In::Error);
    let (_, why) = talk.starts(&rules, Timestamp(6)).unwrap();
    assert_eq!(why, "start: error to awaiting_input");
    assert_eq!(talk.starts(&rules, Timestamp(7)), None);
    assert_eq!(talk.failures(), 0);
}

#[test]
fn who_waits_for_a_human_waits_until_it_is_given_back() {
    let human = (Came::ToHuman, Left::Answered);
    let waits = after(&[human, WELL, BADLY, DEAD]);
    assert!(waits.wants_human());
    let back = after(&[human, WELL, (Came::Back, Left::Silent)]);
    assert_eq!(back.state(), In::AwaitingInput);
}

#[test]
fn the_newest_passages_are_kept_and_a_row_without_any_is_read() {
    let rounds = [WELL, BADLY].repeat(20);
    let talk = after(&rounds);
    let times: Vec<_> = talk.passages().iter().map(|passage| passage.at).collect();
    let newest = (25..=40).map(Timestamp);
    assert_eq!(times, newest.collect::<Vec<_>>());
    let stored = serde_json::to_value(&talk).unwrap();
    assert_eq!(
        serde_json::from_value::<Talk>(stored.clone()).unwrap(),
        talk
    );
    assert!(stored.to_string().len() < 2_000);
    let mut old = stored;
    old.as_object_mut().unwrap().remove("passages");
    let old: Talk = serde_json::from_value(old).unwrap();
    assert_eq!((old.state(), old.passages().len()), (In::Fallback, 0));
}

#[test]
fn a_turn_that_stays_where_it_was_tells_nothing() {
    let mut talk = after(&[WELL]);
    assert_eq!(ends(&mut talk, WELL, 9), None);
    assert_eq!(talk.passages().len(), 1);
    let told = ends(&mut talk, BADLY, 10);
    let said = "fallback: awaiting_input to fallback".to_owned();
    assert_eq!(told, Some(("talk.moved", said)));
    assert_eq!(ends(&mut talk, BADLY, 11), None);
    let told = silence(&mut talk, 12).unwrap();
    assert_eq!(told.1, "timeout: fallback to idle");
    assert_eq!(silence(&mut talk, 13), None);
}

#[test]
fn what_the_machine_refuses_is_told_and_changes_nothing() {
    let mut talk = after(&[WELL, BADLY]);
    let before = talk.clone();
    let back = (Came::Back, Left::Silent);
    let (action, why) = ends(&mut talk, back, 9).unwrap();
    assert_eq!(action, "talk.refused");
    assert_eq!(why, "state Fallback has no transition for HandBack");
    assert_eq!(talk, before);
}
