//! The table of what may fail.

use super::*;
use crate::fault::Fault;
use ErrorKind::*;
use Outcome::{Applied, NotApplied, Unknown};
use Retry::{After, Never, Now};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[track_caller]
fn check(failure: Failure, kind: ErrorKind, retry: Retry, outcome: Outcome) {
    let error = into_error(failure, "m");
    assert_eq!(
        (error.kind(), error.retry(), error.outcome()),
        (kind, retry, outcome),
        "{error}"
    );
    assert_eq!(error.context()[0], ("model", "m".to_owned()));
}

fn answer(status: u16, kind: &str, code: &str, retry_after: Option<Duration>) -> Failure {
    let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fault = Fault {
        kind: word(kind),
        code: word(code),
    };
    Failure::Answer(HttpFailure {
        status,
        retry_after,
        fault,
    })
}

#[test]
fn answers_are_judged_by_status_type_and_code() {
    for (status, word, kind, retry, outcome) in [
        (400, "", Invalid, Never, NotApplied),
        (
            400,
            "context_length_exceeded",
            ContextLength,
            Never,
            NotApplied,
        ),
        (400, "content_filter", ContentFilter, Never, NotApplied),
        (401, "", Unauthorized, Never, NotApplied),
        (402, "", QuotaExceeded, Never, NotApplied),
        (403, "", Unauthorized, Never, NotApplied),
        (404, "model_not_found", Unsupported, Never, NotApplied),
        (408, "", Timeout, Now, Unknown),
        (409, "", Conflict, Now, NotApplied),
        (413, "", ContextLength, Never, NotApplied),
        (422, "", Invalid, Never, NotApplied),
        (429, "", RateLimited, After(SECOND), NotApplied),
        (429, "insufficient_quota", QuotaExceeded, Never, NotApplied),
        (500, "", Unavailable, Now, Unknown),
        (500, "content_filter", Unavailable, Now, Unknown),
        (502, "", Unavailable, Now, Unknown),
        (503, "", Unavailable, Now, NotApplied),
        (529, "", Unavailable, Now, Unknown),
        (302, "", Protocol, Never, NotApplied),
    ] {
        check(answer(status, word, "", None), kind, retry, outcome);
        check(answer(status, "", word, None), kind, retry, outcome);
    }
}

/// No status of an error is left to chance.
#[test]
fn every_status_of_an_error_has_its_class() {
    for status in 400..600 {
        let (kind, retry, outcome) = match status {
            401 | 403 => (Unauthorized, Never, NotApplied),
            402 => (QuotaExceeded, Never, NotApplied),
            404 | 405 | 410 => (Unsupported, Never, NotApplied),
            408 => (Timeout, Now, Unknown),
            409 => (Conflict, Now, NotApplied),
            413 => (ContextLength, Never, NotApplied),
            429 => (RateLimited, After(SECOND), NotApplied),
            503 => (Unavailable, Now, NotApplied),
            400..500 => (Invalid, Never, NotApplied),
            _ => (Unavailable, Now, Unknown),
        };
        check(answer(status, "", "", None), kind, retry, outcome);
        let error = into_error(answer(status, "", "", None), "m");
        let is_input = matches!(error.kind(), Invalid | ContextLength | Conflict);
        assert_eq!(error.is_about_provider(), !is_input, "{status}");
    }
}

#[test]
fn a_servers_delay_is_kept_where_trying_again_helps() {
    check(
        answer(429, "", "", Some(MINUTE)),
        RateLimited,
        After(MINUTE),
        NotApplied,
    );
    check(
        answer(503, "", "", Some(MINUTE)),
        Unavailable,
        After(MINUTE),
        NotApplied,
    );
    check(
        answer(500, "", "", Some(MINUTE)),
        Unavailable,
        After(MINUTE),
        Unknown,
    );
    check(
        answer(429, "insufficient_quota", "", Some(MINUTE)),
        QuotaExceeded,
        Never,
        NotApplied,
    );
    check(
        answer(401, "", "", Some(MINUTE)),
        Unauthorized,
        Never,
        NotApplied,
    );
}

#[test]
fn what_happens_without_an_answer_may_be_tried_again() {
    check(Failure::CutOff, Unavailable, Now, Unknown);
    check(Failure::Undecodable, Protocol, Now, Unknown);
    check(
        Failure::NotEvents("text/html".to_owned()),
        Protocol,
        Now,
        Unknown,
    );
    for silence in [
        Silence::FirstByte(SECOND),
        Silence::Idle(SECOND),
        Silence::Total(SECOND),
    ] {
        check(Failure::Silence(silence), Timeout, Now, Unknown);
    }
    check(Failure::Request, Internal, Never, NotApplied);
}

/// One person's words may lead to it, so it keeps nobody else from the model.
#[test]
fn an_answer_beyond_all_measure_is_about_its_input() {
    for failure in [Failure::TooLong, Failure::TooManyCalls("64 calls")] {
        assert!(!into_error(failure.clone(), "m").is_about_provider());
        check(failure, Invalid, Never, Applied);
    }
}
