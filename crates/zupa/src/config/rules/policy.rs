//! Rules for policies: what of a port's times fits together.

use super::super::problem::Flaw;
use super::Rules;

impl Rules<'_> {
    /// Waits grow from the base to the cap.
    pub(super) fn backoffs(&mut self) {
        let policy = &self.config.policy;
        for (port, base, cap) in [
            ("model", policy.model.base_ms, policy.model.cap_ms),
            ("tool", policy.tool.base_ms, policy.tool.cap_ms),
            (
                "transcriber",
                policy.transcriber.base_ms,
                policy.transcriber.cap_ms,
            ),
            (
                "synthesizer",
                policy.synthesizer.base_ms,
                policy.synthesizer.cap_ms,
            ),
            ("channel", policy.channel.base_ms, policy.channel.cap_ms),
        ] {
            let keys = ["base_ms", "cap_ms"].map(|key| format!("policy.{port}.{key}"));
            if base > cap {
                let flaw = Flaw::new(
                    format!("base_ms, {base}, is more than cap_ms, {cap}"),
                    "the wait before a retry grows from base_ms to cap_ms",
                    "lower base_ms or raise cap_ms",
                );
                self.report_pair(&keys, flaw);
            }
        }
    }

    /// A try fits into the time of all of them.
    pub(super) fn total_timeouts(&mut self) {
        let policy = &self.config.policy;
        for (port, one, all) in [
            (
                "model",
                policy.model.timeout_ms,
                policy.model.total_timeout_ms,
            ),
            ("tool", policy.tool.timeout_ms, policy.tool.total_timeout_ms),
            (
                "transcriber",
                policy.transcriber.timeout_ms,
                policy.transcriber.total_timeout_ms,
            ),
            (
                "synthesizer",
                policy.synthesizer.timeout_ms,
                policy.synthesizer.total_timeout_ms,
            ),
        ] {
            let keys = ["timeout_ms", "total_timeout_ms"].map(|key| format!("policy.{port}.{key}"));
            if let Some(all) = all.filter(|all| one > *all) {
                let flaw = Flaw::new(
                    format!("timeout_ms, {one}, is more than total_timeout_ms, {all}"),
                    "no try could take as long as it may",
                    "lower timeout_ms or raise total_timeout_ms",
                );
                self.report_pair(&keys, flaw);
            }
        }
    }

    fn report_pair(&mut self, keys: &[String; 2], flaw: Flaw) {
        let keys = keys.each_ref().map(String::as_str);
        if self.sound(&keys) {
            self.report(self.later_set(keys), flaw);
        }
    }
}
