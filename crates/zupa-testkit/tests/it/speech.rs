//! The contract of speech finds what it should: the doubles of this crate keep it but
//! for the bound and the empty text, which they leave to whoever asks; each planted
//! fault is found by the case that names its promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{
    Audio, Error, ErrorKind, Result, Retry, SynthesisRequest, Synthesizer, Transcriber,
    TranscriptionRequest,
};
use zupa_testkit::contract::speech::{BUSY_FOR, CASES, Harness, Provider, WORDS, run_all};
use zupa_testkit::{Ear, Mouth, Throat};

/// The cases that `Mouth` breaks by itself.
const UNBOUND: [&str; 2] = [
    "speaking::an_answer_has_as_many_bytes_as_wanted_and_not_one_more",
    "speaking::an_empty_text_is_refused_and_not_sent",
];

/// Doubles that behave as a good adapter would, but for one planted answer.
#[derive(Default)]
struct Doubles {
    planted: Option<(Provider, Throat)>,
    last: Mutex<Option<Last>>,
}

enum Last {
    Ear(Arc<Ear>),
    Mouth(Arc<Mouth>),
}

impl Doubles {
    fn planted(&self, provider: Provider) -> Option<Throat> {
        let (of, act) = self.planted.as_ref()?;
        (*of == provider).then(|| act.clone())
    }
}

/// What a good adapter says of such a provider.
fn good(provider: Provider) -> Throat {
    let down = |kind| Error::new(kind, "the provider gave nothing");
    match provider {
        Provider::Works => Throat::Work,
        Provider::Silent => Throat::Silence,
        Provider::Refuses => Throat::Fail(Error::invalid("the provider does not take this")),
        Provider::Down => Throat::Fail(down(ErrorKind::Unavailable).with_retry(Retry::Now)),
        Provider::Busy => {
            Throat::Fail(down(ErrorKind::RateLimited).with_retry(Retry::After(BUSY_FOR)))
        }
        Provider::Slow => Throat::Fail(down(ErrorKind::Timeout).with_retry(Retry::Now)),
    }
}

#[derive(Debug)]
struct Shared<T>(Arc<T>);

#[async_trait]
impl Transcriber for Shared<Ear> {
    fn name(&self) -> &str {
        self.0.name()
    }
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<String> {
        self.0.transcribe(request).await
    }
}

#[async_trait]
impl Synthesizer for Shared<Mouth> {
    fn name(&self) -> &str {
        self.0.name()
    }
    async fn synthesize(&self, request: SynthesisRequest) -> Result<Audio> {
        self.0.synthesize(request).await
    }
}

#[async_trait]
impl Harness for Doubles {
    async fn transcriber(&self, provider: Provider) -> Option<(Box<dyn Transcriber>, Audio)> {
        let ear = Arc::new(Ear::default());
        let act = self.planted(provider).unwrap_or_else(|| good(provider));
        ear.plan(vec![act; 3]);
        *self.last.lock().unwrap() = Some(Last::Ear(ear.clone()));
        let audio = Audio::new("audio/ogg", WORDS.as_bytes());
        Some((Box::new(Shared(ear)), audio))
    }

    async fn synthesizer(&self, provider: Provider) -> Option<Box<dyn Synthesizer>> {
        let mouth = Arc::new(Mouth::default());
        let act = self.planted(provider).unwrap_or_else(|| match provider {
            Provider::Silent => good(Provider::Down),
            provider => good(provider),
        });
        mouth.plan(vec![act; 3]);
        *self.last.lock().unwrap() = Some(Last::Mouth(mouth.clone()));
        Some(Box::new(Shared(mouth)))
    }

    fn calls(&self) -> Option<usize> {
        match self.last.lock().unwrap().as_ref()? {
            Last::Ear(ear) => Some(ear.heard().len()),
            Last::Mouth(mouth) => Some(mouth.said().len()),
        }
    }
}

async fn broken(planted: Option<(Provider, Throat)>) -> Vec<&'static str> {
    let doubles = Doubles {
        planted,
        ..Doubles::default()
    };
    let report = run_all(&doubles).await;
    assert_eq!(report.skipped, [""; 0]);
    assert_eq!(report.kept.len() + report.broken.len(), CASES.len());
    let mut broken = report.broken_cases();
    broken.retain(|case| !UNBOUND.contains(case));
    assert_eq!(
        report.broken.len() - broken.len(),
        UNBOUND.len(),
        "{report}"
    );
    broken
}

#[tokio::test(start_paused = true)]
async fn doubles_keep_all_but_the_bound_and_the_empty_text() {
    assert_eq!(broken(None).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn every_planted_fault_is_found_by_the_case_that_names_it() {
    let fail = |kind, retry| Throat::Fail(Error::new(kind, "planted").with_retry(retry));
    let quoting = Error::new(ErrorKind::Unavailable, format!("failed on {WORDS}"));
    let again = Retry::After(Duration::from_secs(1));
    let both = |case: &str| [format!("hearing::{case}"), format!("speaking::{case}")];
    let (no_fault, down, wait, in_time, quote) = (
        "is_refused_is_no_fault_of_the_provider",
        "a_provider_that_is_down_is_one",
        "the_wait_that_a_provider_asks_for_is_kept",
        "a_slow_provider_is_left_in_time",
        "errors_quote_no_words",
    );
    for (provider, act, cases) in [
        (
            Provider::Refuses,
            fail(ErrorKind::Unavailable, Retry::Now),
            [
                format!("hearing::a_recording_that_{no_fault}"),
                format!("speaking::a_text_that_{no_fault}"),
            ],
        ),
        (
            Provider::Down,
            fail(ErrorKind::Invalid, Retry::Never),
            both(down),
        ),
        (
            Provider::Busy,
            fail(ErrorKind::RateLimited, again),
            both(wait),
        ),
        (Provider::Slow, Throat::Hang, both(in_time)),
        (
            Provider::Slow,
            fail(ErrorKind::Unavailable, Retry::Now),
            both(in_time),
        ),
        (Provider::Down, Throat::Fail(quoting), both(quote)),
        (
            Provider::Silent,
            Throat::Endless(9),
            [
                "hearing::where_nobody_speaks_there_are_no_words".to_owned(),
                "speaking::a_file_without_sound_is_an_error".to_owned(),
            ],
        ),
        (
            Provider::Silent,
            Throat::Silence,
            [
                "speaking::a_file_without_sound_is_an_error".to_owned(),
                "speaking::errors_quote_no_words".to_owned(),
            ],
        ),
    ] {
        let case = format!("{provider:?} {act:?}");
        let broken = broken(Some((provider, act))).await;
        for expected in cases {
            assert!(broken.contains(&expected.as_str()), "{case}: {broken:?}");
        }
    }
}
