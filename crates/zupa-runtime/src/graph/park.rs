//! Parking a turn, and going on from where one was parked.
//!
//! A wait's payload is what the next turn needs: the state, where to go on, how
//! often nodes were visited (so that keys of effects go on), the turn it all began
//! with (so that idempotency keys stay), and, if a node was left in its middle, what
//! it had recorded.

use serde::{Deserialize, Serialize};
use zupa_core::store::Verdict;
use zupa_core::{
    Content, Digest, EffectClass, Error, ErrorKind, NewWait, Outbound, Resume, Step, StoredState,
    TurnId, Wait, WaitId, WaitKind, WaitState,
};

use super::run::{Visits, Walk};
use super::state::load;
use super::{Graph, Question, State};
use crate::commit::{Done, Keeps};
use crate::remind::Reminded;
use crate::turn::{Gathered, Review, Run, Stop};

/// How often a parked turn whose node is unknown here is left to processes of another
/// version before it is given up: some ten minutes.
const LEFT_TO_OTHERS: u32 = 20;

/// The longest payload of a wait, in bytes.
const MAX_PAYLOAD: usize = 8 << 20;

/// What a parked turn leaves for the one that goes on.
#[derive(Serialize, Deserialize)]
pub(super) struct Parked {
    state: serde_json::Value,
    at: Vec<String>,
    visits: Visits,
    root: TurnId,
    #[serde(default)]
    steps: Vec<ParkedStep>,
}

/// A journal entry of a node that was left in its middle.
#[derive(Serialize, Deserialize)]
struct ParkedStep {
    key: String,
    ordinal: u32,
    input: String,
    class: EffectClass,
    result: Option<String>,
}

/// Where a run begins.
pub(super) struct Begun<S: State> {
    pub walk: Walk<S>,
    /// What the conversation had kept.
    pub kept: Option<StoredState>,
    pub settles: Vec<(WaitId, WaitState)>,
}

impl Parked {
    /// Left in the middle of nodes: they begin again, with what they recorded.
    pub(super) fn with_steps(self, run: &Run) -> Self {
        let visits = self.at.iter().map(|name| {
            let visit = self.visits.get(name).copied().unwrap_or_default() + 1;
            format!("{name}/{visit}")
        });
        let visits: Vec<String> = visits.collect();
        let of_them = |step: &Step| {
            let rest = |visit: &String| step.key.strip_prefix(visit.as_str());
            let mut rests = visits.iter().filter_map(rest);
            rests.any(|rest| rest.starts_with(['/', '.']))
        };
        let steps = run.steps().into_iter().filter(of_them);
        let steps = steps.map(|step| ParkedStep {
            key: step.key,
            ordinal: step.ordinal,
            input: step.input.to_hex(),
            class: step.class,
            result: step.result,
        });
        Self {
            steps: steps.collect(),
            ..self
        }
    }
}

/// What the conversation has kept.
pub(super) fn today<S: State>(kept: Option<&StoredState>) -> zupa_core::Result<S::Kept> {
    match kept {
        Some(stored) => load::<S, S::Kept>(stored.version, &stored.json),
        None => Ok(S::Kept::default()),
    }
}

impl<S: State> Graph<S> {
    /// The start, or the place where the turn was parked that a settled wait belongs
    /// to.
    pub(super) fn begin(&self, run: &Run) -> Result<Begun<S>, Stop> {
        let kept = run.turn.state.clone();
        let today = today::<S>(kept.as_ref())?;
        let (wait, settles) = match run.turn.waits.first() {
            Some(wait) if wait.opened.resume.is_some() && self.is_settled_by(run, wait) => {
                let reply = wait.opened.kind == WaitKind::Reply && wait.state == WaitState::Open;
                let settles = reply.then_some((wait.opened.id, WaitState::Decided));
                (Some(wait), settles)
            }
            _ => (None, None),
        };
        if let Some((taken, _)) = &settles {
            run.take(*taken);
        }
        run.rename(&self.renamed);
        let mut walk = match wait {
            None => Walk {
                state: S::default(),
                at: vec![0],
                visits: Visits::new(),
            },
            Some(wait) => self.unpark(run, wait)?,
        };
        walk.state.attach(today);
        Ok(Begun {
            walk,
            kept,
            settles: settles.into_iter().collect(),
        })
    }

    /// False for a message that does not answer the question.
    fn is_settled_by(&self, run: &Run, wait: &Wait) -> bool {
        wait.state != WaitState::Open || (self.answers)(&run.turn.inbounds)
    }

    /// What is left for the turn that goes on at these nodes.
    pub(super) fn parked(&self, walk: &Walk<S>, at: &[usize], run: &Run) -> Result<Parked, Stop> {
        let state = serde_json::to_value(&walk.state).map_err(|source| {
            Error::internal("the state of a turn is not JSON").with_source(source)
        })?;
        Ok(Parked {
            state,
            at: at
                .iter()
                .map(|place| self.nodes[*place].name.clone())
                .collect(),
            visits: walk.visits.clone(),
            root: run.root(),
            steps: Vec::new(),
        })
    }

    fn unpark(&self, run: &Run, wait: &Wait) -> Result<Walk<S>, Stop> {
        let version = wait
            .opened
            .resume
            .as_ref()
            .map_or(0, |resume| resume.state_version);
        let parked: Parked = serde_json::from_str(&wait.opened.payload).map_err(|source| {
            Error::new(ErrorKind::Corrupt, "a parked turn cannot be read").with_source(source)
        })?;
        let at = parked
            .at
            .iter()
            .map(|name| {
                self.place(name).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Conflict,
                        "version_mismatch: a parked turn goes on at a node that is gone",
                    )
                    .with("node", name)
                    .with("graph", &self.name)
                })
            })
            .collect::<zupa_core::Result<Vec<_>>>()
            .map_err(|gone| match run.turn.provider_failures {
                // While versions change a newer process may know it.
                ..LEFT_TO_OTHERS => Stop::Provider(gone),
                _ => Stop::Failed(gone),
            })?;
        run.inherit(
            parked.root,
            parked.steps.into_iter().map(ParkedStep::into_step),
        );
        let state = load::<S, S>(version, &parked.state.to_string())?;
        let mut visits = parked.visits;
        for (old, new) in &self.renamed {
            if let Some(count) = visits.remove(old) {
                visits.insert(new.clone(), count);
            }
        }
        Ok(Walk { state, at, visits })
    }

    /// Ends the turn with its questions open.
    pub(super) fn park(
        &self,
        parked: Parked,
        questions: Vec<Question>,
        say: Vec<Outbound>,
        keeps: Option<Keeps>,
        mut gathered: Gathered,
        run: &Run,
    ) -> Result<Done, Stop> {
        let mixed = questions.len() > 1
            && questions
                .iter()
                .any(|question| question.kind != WaitKind::Decision);
        if questions.is_empty() || mixed {
            return Err(Stop::Failed(Error::invalid(
                "a turn waits for one question, or for several to operators",
            )));
        }
        let why = questions
            .first()
            .map_or("", |question| question.kind.as_str());
        for question in &questions {
            let wait = self.opened(&parked, question, run)?;
            gathered.waits.push(wait);
        }
        let verdict = if say.is_empty() {
            Verdict::Silent(format!("waits: {why}"))
        } else {
            Verdict::Answered
        };
        Ok(Done {
            verdict,
            outbound: say,
            keeps,
            waits: gathered.waits,
            settles: gathered.settles,
            facts: gathered.facts,
        })
    }

    /// A question of the turn, as the commit opens it.
    pub(super) fn opened(
        &self,
        parked: &Parked,
        question: &Question,
        run: &Run,
    ) -> Result<NewWait, Stop> {
        let payload = serde_json::to_string(parked).map_err(|source| {
            Error::internal("the state of a turn is not JSON").with_source(source)
        })?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Stop::Failed(
                Error::new(
                    ErrorKind::Full,
                    "the state of a turn is too large to be parked",
                )
                .with("bytes", payload.len())
                .with("limit", MAX_PAYLOAD),
            ));
        }
        Ok(NewWait {
            id: WaitId(run.path.ids.fresh()),
            kind: question.kind,
            subject: question.subject.to_string(),
            payload,
            resume: Some(Resume {
                node: parked.at.join(","),
                graph: self.fingerprint,
                state_version: S::VERSION,
            }),
            expires_at: question.within.map(|time| run.now().plus(time)),
        })
    }

    /// Parks the turn until an operator has said what became of an effect.
    pub(super) fn review(
        &self,
        review: Review,
        parked: Parked,
        keeps: Option<Keeps>,
        gathered: Gathered,
        run: &Run,
    ) -> Result<Done, Stop> {
        let question = Question::decision(review.subject);
        let say = self.says_in_review.clone();
        self.park(parked, vec![question], say, keeps, gathered, run)
    }
}

impl ParkedStep {
    fn into_step(self) -> Step {
        Step {
            key: self.key,
            ordinal: self.ordinal,
            input: Digest::from_hex(&self.input).unwrap_or_default(),
            class: self.class,
            result: self.result,
        }
    }
}

/// What a timer without a parked turn brings back.
pub(crate) fn reminder(run: &Run) -> Option<Reminded> {
    let first = run.turn.inbounds.first()?;
    let wait = run.turn.waits.first()?;
    let timer = matches!(first.content, Content::Settled { .. }) && wait.opened.resume.is_none();
    if !timer {
        return None;
    }
    serde_json::from_str(&wait.opened.payload).ok()
}
