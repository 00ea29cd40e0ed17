//! Running a graph: super-step by super-step, until it ends or waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use zupa_core::store::Verdict;
use zupa_core::{Content, Error, NewWait, Outbound, StoredState, WaitKind};

use super::moves::To;
use super::park::{Beginning, Begun, settled_for, today};
use super::reviewed::{apply_before, together};
use super::{Ending, Exit, Graph, Left, Move, Question, State};
use crate::commit::{Done, Keeps};
use crate::remind::nobody_spoke;
use crate::telemetry;
use crate::turn::{About, Cx, Gathered, Noted, Run, Stop};

/// How often each node was visited, by name.
pub(super) type Visits = BTreeMap<String, u32>;

/// A graph, whatever its state.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Runs one turn from its start, or from where it was parked.
    ///
    /// *Cancel safety*: may be dropped at any await; what was recorded is reused.
    async fn run(&self, run: &Arc<Run>) -> Result<Done, Stop>;

    /// What the conversation keeps of a turn that gives up.
    fn give_up(&self, run: &Run) -> Option<Keeps>;

    /// The newest version of a stored state that it can load.
    fn loads(&self) -> u32;
}

#[async_trait]
impl<S: State> Engine for Graph<S> {
    async fn run(&self, run: &Arc<Run>) -> Result<Done, Stop> {
        self.advance(run).await
    }

    fn give_up(&self, run: &Run) -> Option<Keeps> {
        self.given_up(run)
    }

    fn loads(&self) -> u32 {
        S::VERSION
    }
}

/// Where a run is in a graph.
pub(super) struct Walk<S: State> {
    pub state: S,
    pub at: Vec<usize>,
    pub visits: Visits,
}

/// How a graph was left.
pub(super) enum Way {
    Ended(Ending),
    Left,
    Waits {
        resume: usize,
        questions: Vec<Question>,
        say: Vec<Outbound>,
    },
}

impl<S: State> Graph<S> {
    async fn advance(&self, run: &Arc<Run>) -> Result<Done, Stop> {
        if is_woken(run) && !S::WAKES {
            let ending = Ending::Silent("woken".into());
            return Ok(done(ending, None, Gathered::default()));
        }
        let mut begun = match self.begin(run)? {
            Beginning::At(begun) => begun,
            Beginning::Nowhere(done) => return Ok(done),
        };
        let settles = std::mem::take(&mut begun.settles);
        let Begun { walk, kept, .. } = &mut *begun;
        let mut gathered = Gathered {
            settles,
            ..Gathered::default()
        };
        let way = match self.walk(walk, "", &mut gathered, run).await {
            Ok(way) => way,
            // A human has to say what became of an effect, or whether the turn goes on
            // another way. It does at these nodes, with what they have recorded.
            Err(Stop::Review(review)) => {
                let subject = match review.about {
                    about @ About::Divergence(_) => about.subject(&run.drop_tail()),
                    about @ About::Effect(_) => about.subject(&[]),
                };
                for before in review.before {
                    gathered
                        .waits
                        .extend(apply_before(&mut walk.state, before, run)?);
                }
                let parked = self.parked(walk, &walk.at, run)?.in_the_middle(run);
                walk.state.leave(Left::Waits(WaitKind::Decision), run.at());
                let keeps = changed(&walk.state, kept.as_ref())?;
                let done = self.review(subject, parked, keeps, gathered, run)?;
                audit(&mut walk.state, run);
                return Ok(done);
            }
            Err(stop) => return Err(stop),
        };
        match way {
            Way::Ended(ending) => {
                let left = match &ending {
                    Ending::Answer(_) => Left::Answered,
                    Ending::Silent(_) => Left::Silent,
                };
                gathered.waits.extend(self.leave(walk, left, run)?);
                // The wake is used up: when the next one comes has to be said again.
                let before = kept.as_ref().filter(|_| !is_woken(run));
                let keeps = changed(&walk.state, before)?;
                audit(&mut walk.state, run);
                Ok(done(ending, keeps, gathered))
            }
            Way::Waits {
                resume,
                questions,
                say,
            } => {
                let parked = self.parked(walk, &[resume], run)?;
                if let Some(question) = questions.first() {
                    walk.state.leave(Left::Waits(question.kind), run.at());
                }
                let keeps = changed(&walk.state, kept.as_ref())?;
                let done = self.park(parked, questions, say, keeps, gathered, run)?;
                audit(&mut walk.state, run);
                Ok(done)
            }
            Way::Left => Err(Stop::Failed(
                Error::invalid("there is no graph around this one").with("graph", &self.name),
            )),
        }
    }

    /// The end of a turn as its state takes it: with a question to operators, if it asks
    /// for one.
    fn leave(&self, walk: &mut Walk<S>, left: Left, run: &Run) -> Result<Option<NewWait>, Stop> {
        let Some((node, question)) = walk.state.leave(left, run.at()) else {
            return Ok(None);
        };
        let resume = self.place(node).ok_or_else(|| {
            Error::invalid("a turn leaves a question for a node that is unknown").with("node", node)
        })?;
        let parked = self.parked(walk, &[resume], run)?;
        self.opened(&parked, &question, run).map(Some)
    }

    /// What the conversation keeps of a turn that gives up. What cannot be loaded is left
    /// as it is; and so is all after a wake, which would else come again and again.
    fn given_up(&self, run: &Run) -> Option<Keeps> {
        if is_woken(run) {
            return None;
        }
        let before = run.turn.state.as_ref();
        let mut state = S::default();
        self.attach(&mut state, today::<S>(before).ok()?);
        state.give_up(&settled_for(run));
        // Nobody has been failed where nobody has spoken.
        if !nobody_spoke(run) {
            state.leave(Left::GaveUp, run.at());
        }
        let keeps = changed(&state, before).ok()?;
        audit(&mut state, run);
        keeps
    }

    /// Goes from super-step to super-step until the graph is left. Keys of effects
    /// begin with `prefix`.
    pub(super) async fn walk(
        &self,
        walk: &mut Walk<S>,
        prefix: &str,
        gathered: &mut Gathered,
        run: &Arc<Run>,
    ) -> Result<Way, Stop> {
        let mut next: Vec<usize> = Vec::new();
        for _ in 0..self.moves {
            let branches = self.super_step(walk, prefix, run).await?;
            let alone = branches.len() == 1;
            // Before the state changes: after a review this node may begin again.
            if prefix.is_empty() && branches.iter().any(|(moved, _)| moved.to.is_over()) {
                run.check_journal()?;
            }
            next.clear();
            for (node, (moved, out)) in walk.at.iter().copied().zip(branches) {
                *walk
                    .visits
                    .entry(self.nodes[node].name.clone())
                    .or_default() += 1;
                gathered.add(out);
                let Move { update, to } = moved;
                if let Some(update) = update {
                    walk.state.apply(update);
                }
                match to {
                    To::Node(name) => add(&mut next, self.follow(node, &name, Exit::node)?),
                    To::Nodes(names) => {
                        for name in names {
                            add(&mut next, self.follow(node, &name, Exit::node)?);
                        }
                    }
                    To::Wait {
                        node: resume,
                        questions,
                        say,
                    } if alone => {
                        let resume = self.follow(node, &resume, Exit::awaited)?;
                        return Ok(Way::Waits {
                            resume,
                            questions,
                            say,
                        });
                    }
                    To::End(ending) if alone => {
                        self.declared(node, "end", |exit| *exit == Exit::End)?;
                        return Ok(Way::Ended(ending));
                    }
                    To::Leave if alone => {
                        self.declared(node, "leave", |exit| *exit == Exit::Leave)?;
                        return Ok(Way::Left);
                    }
                    To::Wait { .. } | To::End(_) | To::Leave => {
                        return Err(Stop::Failed(
                            Error::invalid("one of several nodes at once ended or waited")
                                .with("node", &self.nodes[node].name),
                        ));
                    }
                }
            }
            std::mem::swap(&mut walk.at, &mut next);
        }
        Err(Stop::Failed(
            Error::invalid("the turn made too many moves: is there a cycle without end?")
                .with("graph", &self.name)
                .with("moves", self.moves),
        ))
    }

    /// Runs nodes side by side on the same state. Their answers come in declared
    /// order.
    async fn super_step(
        &self,
        walk: &Walk<S>,
        prefix: &str,
        run: &Arc<Run>,
    ) -> Result<Vec<(Move<S>, Gathered)>, Stop> {
        let branch = |node: usize| async move {
            let entry = &self.nodes[node];
            let visit = walk.visits.get(&entry.name).copied().unwrap_or_default() + 1;
            let mut cx = Cx::new(run.clone(), entry.visit(prefix, visit));
            cx.has_siblings = walk.at.len() > 1;
            let began = run.path.clock.monotonic();
            let moved = entry.node.run(&walk.state, &mut cx).await;
            if run.path.bus.is_watched() {
                let took = run.path.clock.monotonic().saturating_sub(began);
                let outcome = moved.as_ref().map_or_else(Stop::word, |_| "moved");
                run.path
                    .bus
                    .emit(telemetry::left_node(&run.turn, &entry.name, took, outcome));
            }
            Ok((moved?, cx.gathered))
        };
        if let [only] = walk.at[..] {
            return Ok(vec![branch(only).await?]);
        }
        let branches = join_all(walk.at.iter().map(|node| branch(*node))).await;
        together(branches, |(_, gathered): (Move<S>, Gathered)| {
            gathered.before
        })
    }

    /// The node that a move names, or what was put before it.
    fn follow(
        &self,
        from: usize,
        name: &str,
        leads_to: fn(&Exit) -> Option<&str>,
    ) -> Result<usize, Stop> {
        let name = self.detour(from, name);
        self.declared(from, name, |exit| leads_to(exit) == Some(name))?;
        self.place(name).ok_or_else(|| {
            Stop::Failed(Error::invalid("a node leads to one that is unknown").with("node", name))
        })
    }

    /// What stands before a node now, from here: nodes that were put before it follow
    /// each other as they were put.
    fn detour<'n>(&'n self, from: usize, name: &'n str) -> &'n str {
        let mut chain = self.before.iter().filter(|(node, _)| node == name);
        let here = &self.nodes[from].name;
        let next = match chain.clone().position(|(_, before)| before == here) {
            Some(place) => chain.nth(place + 1),
            None => chain.next(),
        };
        match next {
            Some((_, before)) => self.detour(from, before),
            None => name,
        }
    }

    fn declared(&self, from: usize, way: &str, is: impl Fn(&Exit) -> bool) -> Result<(), Stop> {
        let entry = &self.nodes[from];
        if entry.exits.iter().any(is) {
            return Ok(());
        }
        Err(Stop::Failed(
            Error::invalid("a node went a way that was not declared")
                .with("node", &entry.name)
                .with("way", way),
        ))
    }
}

/// Nodes of one super-step are visited once, however many lead to them.
fn add(next: &mut Vec<usize>, place: usize) {
    if !next.contains(&place) {
        next.push(place);
    }
}

/// What the conversation keeps, if it is not what it kept.
fn changed<S: State>(state: &S, before: Option<&StoredState>) -> Result<Option<Keeps>, Stop> {
    let json = serde_json::to_string(state.kept()).map_err(|source| {
        Error::internal("what the conversation keeps is not JSON").with_source(source)
    })?;
    let now = StoredState {
        version: S::VERSION,
        json,
    };
    Ok((before != Some(&now)).then(|| Keeps {
        state: now,
        wake_at: state.wake_at(),
    }))
}

/// Hands what a state has for the audit to the commit, once nothing can fail any more.
fn audit<S: State>(state: &mut S, run: &Run) {
    for (action, reason) in state.entries() {
        run.audit(Noted { action, reason });
    }
}

/// True for a turn that nobody has spoken in.
fn is_woken(run: &Run) -> bool {
    let mut inbounds = run.turn.inbounds.iter();
    inbounds.all(|inbound| matches!(inbound.content, Content::Wake { .. }))
}

fn done(ending: Ending, keeps: Option<Keeps>, gathered: Gathered) -> Done {
    let (verdict, outbound) = match ending {
        Ending::Answer(outbound) => (Verdict::Answered, outbound),
        Ending::Silent(why) => (Verdict::Silent(why), Vec::new()),
    };
    Done {
        verdict,
        outbound,
        keeps,
        waits: gathered.waits,
        settles: gathered.settles,
        facts: gathered.facts,
    }
}
