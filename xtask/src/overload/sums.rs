//! What many messages amount to.

use std::time::Duration;

use super::load::{Sent, Told};

/// How long answers took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait {
    pub p50: Duration,
    pub p99: Duration,
}

impl Wait {
    /// Of those that were followed.
    pub fn of(sent: &[Sent]) -> Self {
        Self::among(sent.iter().filter_map(|sent| sent.answer.flatten()))
    }

    fn among(waits: impl Iterator<Item = Duration>) -> Self {
        let mut waits: Vec<_> = waits.collect();
        waits.sort_unstable();
        let at = |share: f64| {
            let place = (waits.len() as f64 * share) as usize;
            let last = waits.len().saturating_sub(1);
            waits.get(place.min(last)).copied().unwrap_or_default()
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

pub fn median(values: impl Iterator<Item = Duration>) -> Duration {
    Wait::among(values).p50
}

/// One line for a report.
pub fn line(sent: &[Sent]) -> String {
    let told = |what: fn(&Told) -> bool| sent.iter().filter(|sent| what(&sent.told)).count();
    let accepted = told(|told| *told == Told::Accepted);
    let refused = told(|told| *told == Told::Refused);
    let acknowledged = Wait::among(sent.iter().map(|sent| sent.took));
    let answers = Wait::of(sent);
    format!(
        "{} sent, {accepted} accepted, {refused} refused; told p99 {}; answers p50 {} p99 {}",
        sent.len(),
        millis(acknowledged.p99),
        millis(answers.p50),
        millis(answers.p99),
    )
}

pub fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_there_is() {
        let ms = Duration::from_millis;
        let wait = Wait::among((1..=200).rev().map(ms));
        assert_eq!((wait.p50, wait.p99), (ms(101), ms(199)));
        let one = Wait::among([ms(7)].into_iter());
        assert_eq!((one.p50, one.p99), (ms(7), ms(7)));
        assert_eq!(Wait::among([].into_iter()).p99, Duration::ZERO);
        assert_eq!(median([ms(9), ms(1), ms(5)].into_iter()), ms(5));
    }
}
