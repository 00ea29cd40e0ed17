//! What one run of a turn may spend on the model: tokens, and money.

use std::sync::{Mutex, MutexGuard, PoisonError};

use zupa_core::{Completion, Price, Prompt, ToolSpec, Usage};

use crate::settings::Settings;

/// What a token is taken for where the provider does not count, in bytes: fewer than most
/// texts need.
const BYTES_OF_A_TOKEN: u64 = 2;
/// Money is counted in millionths of a micro-unit, so that nothing is rounded.
const PARTS_OF_A_MICRO: u128 = 1_000_000;

/// The purse of one run. Recorded calls draw from it as new ones do, so a crash does not
/// fill it again.
#[derive(Debug)]
pub(crate) struct Purse {
    price: Price,
    /// 0: no limit.
    most_tokens: u64,
    /// 0: no limit.
    most_micros: u64,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    tokens: u64,
    parts: u128,
}

impl Purse {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            price: settings.price,
            most_tokens: settings.turn_tokens,
            most_micros: settings.turn_cost_micros,
            spent: Mutex::default(),
        }
    }

    /// Draws what a call cost.
    pub(crate) fn spend(&self, usage: Usage) {
        let mut spent = self.lock();
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        spent.tokens = spent.tokens.saturating_add(tokens);
        spent.parts = spent.parts.saturating_add(self.price.parts(usage));
    }

    /// True once nothing is left: of the tokens, or of the money.
    pub(crate) fn is_empty(&self) -> bool {
        let spent = self.lock();
        let most_parts = u128::from(self.most_micros) * PARTS_OF_A_MICRO;
        (self.most_tokens > 0 && spent.tokens >= self.most_tokens)
            || (self.most_micros > 0 && spent.parts >= most_parts)
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call is taken to have cost where the provider does not say.
pub(crate) fn estimate(prompt: &[Prompt], tools: &[ToolSpec], said: &Completion) -> Usage {
    let asked = prompt.iter().map(|line| match line {
        Prompt::Assistant { text, calls } => {
            let calls = calls
                .iter()
                .map(|call| call.name.len() + call.arguments.len());
            text.len() + calls.sum::<usize>()
        }
        other => other.text().len(),
    });
    let told = tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len());
    let answered = said
        .calls
        .iter()
        .map(|call| call.name.len() + call.arguments.len());
    Usage {
        input_tokens: tokens(asked.sum::<usize>() + told.sum::<usize>()),
        output_tokens: tokens(said.text.len() + answered.sum::<usize>()),
    }
}

fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_OF_A_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purse(most_micros: u64) -> Purse {
        Purse::of(&Settings {
            price: Price {
                input_micros_per_million: 150_000,
                output_micros_per_million: 600_000,
            },
            turn_tokens: 0,
            turn_cost_micros: most_micros,
            ..Settings::default()
        })
    }

    fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage {
            input_tokens,
            output_tokens,
        }
    }

    #[test]
    fn money_is_counted_without_rounding_and_by_its_two_prices() {
        // 3 tokens cost 0.45 micros, ten times that 4.5.
        let purse = purse(5);
        for _ in 0..10 {
            purse.spend(usage(3, 0));
        }
        assert!(!purse.is_empty());
        purse.spend(usage(0, 1));
        assert!(purse.is_empty(), "5.1 of 5 are spent");
    }

    #[test]
    fn without_a_limit_nothing_empties_it_and_nothing_overflows() {
        let purse = purse(0);
        purse.spend(usage(u64::MAX, u64::MAX));
        purse.spend(usage(u64::MAX, u64::MAX));
        assert!(!purse.is_empty());
    }
}
