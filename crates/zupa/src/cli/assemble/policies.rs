//! From `[policy.*]` to policies.

use std::time::Duration;

use zupa::config;
use zupa_runtime::resilience::{Backoff, BreakerRules, CallPolicy, Jitter, Policies, TurnRetries};

pub(super) fn policies(wanted: &config::Policies) -> Policies {
    let (model, channel, turn) = (&wanted.model, &wanted.channel, &wanted.turn);
    Policies {
        model: CallPolicy {
            timeout: millis(model.timeout_ms),
            total_timeout: model.total_timeout_ms.map(millis),
            retries: model.retries,
            backoff: backoff(model.base_ms, model.cap_ms, model.jitter),
            budget: model.budget,
            breaker: breaker(&model.breaker),
        },
        tool: retried(&wanted.tool),
        tools: wanted
            .tools
            .iter()
            .map(|(name, tool)| (name.clone(), retried(tool)))
            .collect(),
        transcriber: retried(&wanted.transcriber),
        synthesizer: retried(&wanted.synthesizer),
        channel: CallPolicy {
            backoff: backoff(channel.base_ms, channel.cap_ms, channel.jitter),
            breaker: breaker(&channel.breaker),
            ..CallPolicy::once(millis(channel.timeout_ms))
        },
        store: CallPolicy::once(millis(wanted.store.timeout_ms)),
        turn: TurnRetries {
            retries: turn.retries,
            backoff: backoff(turn.base_ms, turn.cap_ms, turn.jitter),
        },
    }
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn retried(wanted: &config::RetriedPolicy) -> CallPolicy {
    CallPolicy {
        timeout: millis(wanted.timeout_ms),
        total_timeout: wanted.total_timeout_ms.map(millis),
        retries: wanted.retries,
        backoff: backoff(wanted.base_ms, wanted.cap_ms, wanted.jitter),
        budget: wanted.budget,
        breaker: breaker(&wanted.breaker),
    }
}

fn backoff(base_ms: u64, cap_ms: u64, jitter: config::Jitter) -> Backoff {
    Backoff {
        base: millis(base_ms),
        cap: millis(cap_ms),
        jitter: match jitter {
            config::Jitter::Full(_) => Jitter::Full,
            config::Jitter::Ratio(ratio) => Jitter::Ratio(ratio),
        },
    }
}

fn breaker(wanted: &config::Breaker) -> Option<BreakerRules> {
    wanted.enabled.then(|| BreakerRules {
        failure_percent: wanted.failure_percent,
        minimum_calls: wanted.minimum_calls,
        window: millis(wanted.window_ms),
        reset: millis(wanted.reset_ms),
        probes: wanted.probes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_configuration_the_policies_are_the_runtimes_own() {
        let wanted = policies(&config::Policies::default());
        assert_eq!(wanted, Policies::default());
    }
}
