//! What the model was paid for. Each call is booked by turn and step before it is made,
//! and at each start the book learns which of them the store had recorded when the
//! process died. What was recorded must not be paid again.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zupa::core::{
    Desk, Error, ErrorKind, Model, ModelRequest, ModelStream, Outcome as Applied, Prompt, Result,
};
use zupa::runtime::{AgentTurn, Cx, Move, Node, ScriptedModel, Stop};

use super::Outcome;

tokio::task_local! {
    /// The turn and the step that a call of the model is for.
    static STEP: String;
}

/// The book of a folder. It outlives the agent's process.
fn book(folder: &Path) -> PathBuf {
    folder.join("paid")
}

/// A model whose calls are booked.
#[derive(Debug)]
pub struct Meter {
    model: ScriptedModel,
    book: File,
}

impl Meter {
    /// Notes what the last process had recorded of its calls, and begins a new life.
    pub async fn begin(folder: &Path, model: ScriptedModel, desk: &impl Desk) -> Outcome<Self> {
        let before = fs::read_to_string(book(folder)).unwrap_or_default();
        let last = before.rsplit("life\n").next().unwrap_or_default();
        let mut noted = String::new();
        for call in last.lines().filter_map(|line| line.strip_prefix("paid ")) {
            let (turn, step) = call.split_once(' ').ok_or("a torn line in the book")?;
            let view = desk.turn(turn).await?;
            let steps = view.map(|view| view.steps).unwrap_or_default();
            if steps
                .iter()
                .any(|known| known.key == step && known.has_result)
            {
                noted.push_str(&format!("recorded {call}\n"));
            }
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(book(folder))?;
        file.write_all(format!("{noted}life\n").as_bytes())?;
        Ok(Self { model, book: file })
    }
}

#[async_trait::async_trait]
impl Model for Meter {
    fn name(&self) -> &str {
        self.model.name()
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream> {
        let line = STEP.with(|step| format!("paid {step}\n"));
        // One write: a kill leaves the line or nothing.
        (&self.book).write_all(line.as_bytes()).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "the book cannot be written")
                .with_outcome(Applied::NotApplied)
                .with_source(source)
        })?;
        self.model.stream(request).await
    }
}

/// Around `call_model`: says which step its call is.
pub struct Metered(pub Arc<dyn Node<AgentTurn>>);

#[async_trait::async_trait]
impl Node<AgentTurn> for Metered {
    async fn run(
        &self,
        turn: &AgentTurn,
        cx: &mut Cx,
    ) -> std::result::Result<Move<AgentTurn>, Stop> {
        // Each visit before this one has left an answer of the model.
        let answers = |line: &&Prompt| matches!(line, Prompt::Assistant { .. });
        let visit = turn.rounds.iter().filter(answers).count() + 1;
        let step = format!("{} call_model/{visit}/model", cx.turn());
        STEP.scope(step, self.0.run(turn, cx)).await
    }
}

/// What the book says in the end.
#[derive(Debug, Default)]
pub struct Paid {
    /// Calls of the model.
    pub calls: usize,
    /// Calls that a process had paid when it died, with the answer recorded.
    pub recorded: usize,
    /// Calls that were made again, since the process had died before the record.
    pub again: usize,
}

impl std::fmt::Display for Paid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (calls, recorded, again) = (self.calls, self.recorded, self.again);
        write!(
            f,
            "{calls} calls of the model: {recorded} recorded by a process that died, none of \
             them paid again; {again} unrecorded, paid again"
        )
    }
}

/// Reads the book to its end.
///
/// An error is a call that was paid again although its answer was recorded, or although
/// its process had not died.
pub fn paid(folder: &Path) -> Outcome<Paid> {
    let text = fs::read_to_string(book(folder))?;
    let (mut paid, mut all, mut recorded) = (Paid::default(), BTreeSet::new(), BTreeSet::new());
    let mut in_this_life = BTreeSet::new();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("recorded", call)) => {
                recorded.insert(call);
            }
            Some(("paid", call)) => {
                if recorded.contains(call) {
                    return Err(format!("paid again although it was recorded: {call}").into());
                }
                if !in_this_life.insert(call) {
                    return Err(format!("paid twice by one process: {call}").into());
                }
                paid.calls += 1;
                paid.again += usize::from(!all.insert(call));
            }
            _ => in_this_life.clear(),
        }
    }
    paid.recorded = recorded.len();
    Ok(paid)
}
