//! Parking a turn, and going on from where one was parked.
//!
//! A wait's payload is what the next turn needs: the state, where to go on, how
//! often nodes were visited (so that keys of effects go on), the turn it all began
//! with (so that idempotency keys stay), and, if a node was left in its middle, what
//! it had recorded.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zupa_core::store::Verdict;
use zupa_core::{
    Digest, EffectClass, Error, ErrorKind, NewWait, Outbound, Resume, Step, StoredState, TurnId,
    Wait, WaitId, WaitKind, WaitState,
};

use super::run::{Visits, Walk};
use super::state::load;
use super::{Graph, Question, State};
use crate::commit::{Done, Keeps};
use crate::remind::nobody_spoke;
use crate::turn::{Gathered, Given, Review, Run, Stop, version_mismatch};

/// How often a parked turn whose node is unknown here is left to processes of another
/// version before operators are asked: some ten minutes, and less where processes start
/// meanwhile, each of which has it tried at once.
const LEFT_TO_OTHERS: u32 = 20;

/// The longest payload of a wait, in bytes.
const MAX_PAYLOAD: usize = 8 << 20;

/// What a parked turn leaves for the one that goes on.
#[derive(Serialize, Deserialize)]
pub(super) struct Parked {
    state: Value,
    at: Vec<String>,
    visits: Visits,
    root: TurnId,
    #[serde(default)]
    steps: Vec<ParkedStep>,
    /// What the turn was about, if its nodes begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<Given>,
    /// Nobody had spoken in the turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unasked: bool,
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

/// Where a run begins, if it does.
pub(super) enum Beginning<S: State> {
    At(Box<Begun<S>>),
    /// It was parked at a node that is gone, and an operator is asked.
    Nowhere(Done),
}

/// Where a run begins.
pub(super) struct Begun<S: State> {
    pub walk: Walk<S>,
    /// What the conversation had kept.
    pub kept: Option<StoredState>,
    pub settles: Vec<(WaitId, WaitState)>,
}

impl Parked {
    /// Left in the middle of nodes: they begin again, with what they recorded and what the
    /// turn was about.
    pub(super) fn in_the_middle(self, run: &Run) -> Self {
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
            given: Some(Given::of(run.inbounds(), run.settled(), run.used())),
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
    pub(super) fn begin(&self, run: &Run) -> Result<Beginning<S>, Stop> {
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
            Some(wait) => match self.unpark(run, wait)? {
                Ok(walk) => walk,
                Err(gone) => {
                    let settles = settles.into_iter().collect();
                    return self
                        .nowhere(gone, wait, settles, run)
                        .map(Beginning::Nowhere);
                }
            },
        };
        run.binds();
        self.attach(&mut walk.state, today);
        Ok(Beginning::At(Box::new(Begun {
            walk,
            kept,
            settles: settles.into_iter().collect(),
        })))
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
            given: None,
            unasked: nobody_spoke(run),
        })
    }

    /// The place where a turn was parked, or what to ask if there is none.
    fn unpark(&self, run: &Run, wait: &Wait) -> Result<Result<Walk<S>, Gone>, Stop> {
        if is_given_up(wait) {
            let given_up = Error::new(ErrorKind::Conflict, "an operator gave the turn up");
            return Err(given_up.with("wait", wait.opened.id).into());
        }
        let version = wait
            .opened
            .resume
            .as_ref()
            .map_or(0, |resume| resume.state_version);
        let mut parked: Parked = serde_json::from_str(&wait.opened.payload).map_err(|source| {
            Error::new(ErrorKind::Corrupt, "a parked turn cannot be read").with_source(source)
        })?;
        let gone = parked.at.iter().find(|name| self.place(name).is_none());
        if let Some(node) = gone.cloned() {
            // While versions change a newer process may know it.
            if run.turn.provider_failures < LEFT_TO_OTHERS {
                let mismatch = "version_mismatch: a parked turn goes on at a node that is gone";
                let error = Error::new(ErrorKind::Conflict, mismatch).with("node", node);
                return Err(Stop::Provider(error.with("graph", &self.name)));
            }
            return Ok(Err(Gone { parked, node }));
        }
        let at = parked.at.iter().filter_map(|name| self.place(name));
        let at = at.collect();
        if let Some(given) = parked.given.take() {
            run.goes_on_with(given);
        }
        run.inherit(
            parked.root,
            parked.steps.into_iter().map(ParkedStep::into_step),
        );
        run.rename(&self.renamed);
        let state = load::<S, S>(version, &parked.state.to_string())?;
        let mut visits = parked.visits;
        for (old, new) in &self.renamed {
            if let Some(count) = visits.remove(old) {
                visits.insert(new.clone(), count);
            }
        }
        Ok(Ok(Walk { state, at, visits }))
    }

    /// Asks an operator about a turn that was parked at a node that is gone. What it left
    /// stays as it is, with what this turn was given to go on.
    fn nowhere(
        &self,
        gone: Gone,
        wait: &Wait,
        settles: Vec<(WaitId, WaitState)>,
        run: &Run,
    ) -> Result<Done, Stop> {
        let Gone { mut parked, node } = gone;
        let given = || Given::of(&run.turn.inbounds, &run.turn.waits, Vec::new());
        parked.given.get_or_insert_with(given);
        let gathered = Gathered {
            settles,
            ..Gathered::default()
        };
        let subject = version_mismatch(&self.name, &node);
        let mut done = self.review(subject, parked, None, gathered, run)?;
        for asked in &mut done.waits {
            asked.resume.clone_from(&wait.opened.resume);
        }
        Ok(done)
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

    /// Parks the turn until an operator has decided.
    pub(super) fn review(
        &self,
        subject: Value,
        parked: Parked,
        keeps: Option<Keeps>,
        gathered: Gathered,
        run: &Run,
    ) -> Result<Done, Stop> {
        let question = Question::decision(subject);
        let say = self.says_in_review.clone();
        self.park(parked, vec![question], say, keeps, gathered, run)
    }
}

/// A parked turn whose node is unknown here.
struct Gone {
    parked: Parked,
    node: String,
}

/// What was settled for a run, and for the turn that was reviewed before it.
pub(super) fn settled_for(run: &Run) -> Vec<Wait> {
    let waits = run.turn.waits.iter();
    let waits = waits.filter(|wait| wait.state != WaitState::Open);
    let mut settled: Vec<_> = waits.cloned().collect();
    let parked = settled.first().map(|wait| wait.opened.payload.as_str());
    let parked = parked.and_then(|payload| serde_json::from_str::<Parked>(payload).ok());
    if let Some(given) = parked.and_then(|parked| parked.given) {
        settled.extend(given.open().1);
    }
    settled
}

/// True when an operator was asked how a turn goes on, and said that it does not.
fn is_given_up(wait: &Wait) -> bool {
    let subject: Value = serde_json::from_str(&wait.opened.subject).unwrap_or_default();
    let of_the_turn = [Review::DIVERGENCE, Review::VERSION_MISMATCH];
    let review = subject.get("review").and_then(Value::as_str);
    wait.opened.kind == WaitKind::Decision
        && review.is_some_and(|review| of_the_turn.contains(&review))
        && !wait
            .decision
            .as_ref()
            .is_some_and(|decision| decision.approved)
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
