//! One goal, how far we are, and the table of all.

use serde_json::{Value, json};

use super::super::table;

/// One goal and how far we are.
pub(crate) struct Goal {
    name: String,
    zupa: f64,
    floor: Option<f64>,
    /// Larger is better, and the limits are lower ones.
    more: bool,
    at_least: f64,
    aim: f64,
    digits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Aim,
    Ok,
    Missed,
}

impl Goal {
    pub(crate) fn most(
        name: impl Into<String>,
        zupa: f64,
        floor: Option<f64>,
        limits: [f64; 2],
    ) -> Self {
        Self {
            name: name.into(),
            zupa,
            floor,
            more: false,
            at_least: limits[0],
            aim: limits[1],
            digits: 1,
        }
    }

    pub(crate) fn least(name: impl Into<String>, zupa: f64, floor: f64, parts: [f64; 2]) -> Self {
        Self {
            more: true,
            at_least: parts[0] * floor,
            aim: parts[1] * floor,
            digits: 0,
            ..Self::most(name, zupa, Some(floor), parts)
        }
    }

    pub(crate) fn digits(self, digits: usize) -> Self {
        Self { digits, ..self }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let keeps = |limit: f64| {
            if self.more {
                self.zupa >= limit
            } else {
                self.zupa <= limit
            }
        };
        if keeps(self.aim) {
            Verdict::Aim
        } else if keeps(self.at_least) {
            Verdict::Ok
        } else {
            Verdict::Missed
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "goal": self.name,
            "zupa": self.zupa,
            "floor": self.floor,
            "ratio": self.floor.map(|floor| self.zupa / floor),
            "better": if self.more { "more" } else { "less" },
            "at_least": self.at_least,
            "aim": self.aim,
            "verdict": self.verdict().as_str(),
        })
    }
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Aim => "aim",
            Self::Ok => "ok",
            Self::Missed => "MISSED",
        }
    }
}

/// Prints a line for each goal.
pub(crate) fn print(goals: &[Goal]) {
    table::line(format_args!(
        "{:<46}{:>10}{:>10}{:>8}{:>12}{:>12}  verdict",
        "", "zupa", "floor", "ratio", "at least", "aim"
    ));
    for goal in goals {
        let number = |value| table::number(value, goal.digits);
        let limit = |value: f64| match (value.is_finite(), goal.more) {
            (false, _) => "–".to_owned(),
            (true, true) => format!("≥ {}", number(Some(value))),
            (true, false) => format!("≤ {}", number(Some(value))),
        };
        table::line(format_args!(
            "{:<46}{:>10}{:>10}{:>8}{:>12}{:>12}  {}",
            goal.name,
            number(Some(goal.zupa)),
            number(goal.floor),
            table::number(goal.floor.map(|floor| goal.zupa / floor), 2),
            limit(goal.at_least),
            limit(goal.aim),
            goal.verdict().as_str(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_keeps_to_its_direction() {
        let turns = |zupa| Goal::least("turns", zupa, 100.0, [0.35, 0.5]).verdict();
        assert_eq!(turns(50.0), Verdict::Aim);
        assert_eq!(turns(36.0), Verdict::Ok);
        assert_eq!(turns(34.0), Verdict::Missed);
        let time = |zupa| Goal::most("time", zupa, None, [100.0, 25.0]).verdict();
        assert_eq!(time(25.0), Verdict::Aim);
        assert_eq!(time(99.0), Verdict::Ok);
        assert_eq!(time(f64::NAN), Verdict::Missed);
    }
}
