//! Two processes of different versions on one store, at once: the older leaves alone what
//! it cannot load, and the newer goes on with what the older has begun.
//!
//! The newer one has a field more in its state, counts in another form, and may have
//! renamed, inserted or removed a node.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zupa_core::{InboundState, Outbound, Result};
use zupa_runtime::{Cx, Ending, Graph, Move, Node, Question, State, Stop, ends, to, waits};
use zupa_testkit::Fault;

use crate::support::{Setup, World, life, pass, secs};

/// Who did what, in order.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Old {
    asked: String,
    #[serde(skip)]
    kept: Value,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct New {
    asked: String,
    tone: String,
    #[serde(skip)]
    kept: Value,
}

/// What the nodes of both versions need.
trait Version: State<Update = String> {
    const NAME: &'static str;
    fn words(&self) -> String;
}

impl State for Old {
    type Update = String;
    type Kept = Value;

    fn apply(&mut self, asked: String) {
        self.asked = asked;
        self.kept = json!({ "count": self.kept["count"].as_u64().unwrap_or(0) + 1 });
    }

    fn kept(&self) -> &Value {
        &self.kept
    }

    fn attach(&mut self, kept: Value) {
        self.kept = kept;
    }
}

impl State for New {
    const VERSION: u32 = 2;
    type Update = String;
    type Kept = Value;

    fn apply(&mut self, asked: String) {
        (self.asked, self.tone) = (asked, "firm".into());
        self.kept = json!({ "turns": self.kept["turns"].as_u64().unwrap_or(0) + 1 });
    }

    fn kept(&self) -> &Value {
        &self.kept
    }

    fn attach(&mut self, kept: Value) {
        self.kept = kept;
    }

    fn migrate_from(_: u32, mut stored: Value) -> Result<Value> {
        if stored.get("asked").is_some() {
            stored["tone"] = json!("kind");
            return Ok(stored);
        }
        Ok(json!({ "turns": stored["count"] }))
    }
}

impl Version for Old {
    const NAME: &'static str = "old";

    fn words(&self) -> String {
        format!("old {} {}", self.asked, self.kept["count"])
    }
}

impl Version for New {
    const NAME: &'static str = "new";

    fn words(&self) -> String {
        format!("new {} {} {}", self.asked, self.tone, self.kept["turns"])
    }
}

/// Makes an effect, and goes on. The older version never ends at `work` for `go`.
struct Works {
    name: &'static str,
    next: &'static str,
    log: Log,
}

#[async_trait]
impl<S: Version> Node<S> for Works {
    async fn run(&self, _: &S, cx: &mut Cx) -> std::result::Result<Move<S>, Stop> {
        let said = cx.inbounds()[0].content.as_prompt_text();
        let hangs = (S::NAME, self.name, said.as_str()) == ("old", "work", "go");
        let effect = || async {
            self.log.note(format!("{} {}", S::NAME, self.name));
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(())
        };
        cx.effect("effect", &"input", effect).await?;
        Ok(Move::to(self.next))
    }
}

/// Asks the person, and goes on at this node.
struct Asks(&'static str);

#[async_trait]
impl<S: Version> Node<S> for Asks {
    async fn run(&self, _: &S, cx: &mut Cx) -> std::result::Result<Move<S>, Stop> {
        let said = cx.inbounds()[0].content.as_prompt_text();
        let say = vec![Outbound::reply("sure?")];
        Ok(Move::wait(self.0, vec![Question::reply("sure?")], say).with(said))
    }
}

/// Answers with what the state says.
struct Answers;

#[async_trait]
impl<S: Version> Node<S> for Answers {
    async fn run(&self, state: &S, cx: &mut Cx) -> std::result::Result<Move<S>, Stop> {
        let mut state = state.clone();
        let mut update = None;
        if cx.settled().is_empty() {
            let said = cx.inbounds()[0].content.as_prompt_text();
            state.apply(said.clone());
            update = Some(said);
        }
        let end = Move::end(Ending::Answer(vec![Outbound::reply(state.words())]));
        Ok(match update {
            Some(update) => end.with(update),
            None => end,
        })
    }
}

/// A graph: `name>next` works and goes on, `?name>next` asks and goes on there, `.name`
/// answers.
fn graph<S: Version>(log: &Log, nodes: &'static str, renamed: &[(&str, &str)]) -> Graph<S> {
    let mut graph = Graph::builder("v");
    for node in nodes.split(' ') {
        let (name, next) = node.split_once('>').unwrap_or((node, ""));
        graph = match (name.strip_prefix('?'), name.strip_prefix('.')) {
            (Some(asks), _) => graph.add(asks, Arc::new(Asks(next)), [waits(next)]),
            (_, Some(answers)) => graph.add(answers, Arc::new(Answers), [ends()]),
            _ => {
                let log = log.clone();
                graph.add(name, Arc::new(Works { name, next, log }), [to(next)])
            }
        };
    }
    for (old, new) in renamed {
        graph = graph.renamed(*old, *new);
    }
    graph.build().unwrap()
}

type Renamed = &'static [(&'static str, &'static str)];

/// What both versions have in common, and a process of each.
struct Both {
    setup: Setup,
    log: Log,
    old: World,
    new: World,
}

impl Both {
    async fn start(old: &'static str, new: &'static str, renamed: Renamed) -> Self {
        let (setup, log) = (Setup::web().replicated(), Log::default());
        let older = graph::<Old>(&log, old, &[]);
        let newer = graph::<New>(&log, new, renamed);
        let old = setup.start_with(|builder| builder.graph(older)).await;
        let new = setup.another();
        let new = new.start_with(|builder| builder.graph(newer)).await;
        // Workers are at hand: a message is claimed by the process that accepts it.
        pass(secs(1)).await;
        Self {
            setup,
            log,
            old,
            new,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_older_has_begun_is_ended_by_the_newer() {
    let rows: [(&str, &str, Renamed, &[&str]); 4] = [
        ("state", "look>work work>answer .answer", &[], &["new work"]),
        (
            "renamed",
            "seen>done done>answer .answer",
            &[("look", "seen"), ("work", "done")],
            &["new done"],
        ),
        (
            "inserted",
            "look>greet greet>work work>answer .answer",
            &[],
            &["new greet", "new work"],
        ),
        ("removed", "work>answer .answer", &[], &["new work"]),
    ];
    for (name, newer, renamed, made) in rows {
        let older = "look>work work>answer .answer";
        let both = Both::start(older, newer, renamed).await;
        both.old.say("ana", "hello").await;
        both.old.quiet().await;
        both.old.say("ana", "go").await;
        pass(secs(1)).await;
        let before = ["old look", "old work", "old look", "old work"];
        assert_eq!(both.log.lines(), before, "{name}");
        both.old.store.at(1, Fault::CrashBefore);
        both.old.store.crashed().await;
        both.new.quiet().await;
        assert_eq!(
            both.log.lines()[4..],
            *made,
            "{name}: once recorded, not again"
        );
        let said = both.setup.replies("ana").await;
        assert_eq!(said, ["old hello 1", "new go firm 2"], "{name}");
        let turn = both.setup.view("go").await.turn.unwrap();
        assert_eq!((turn.runs, turn.failures), (2, 0), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_older_has_parked_goes_on_in_the_newer() {
    let rows: [(&str, &str, Renamed); 4] = [
        ("state", "look>ask ?ask>hear .hear", &[]),
        (
            "renamed",
            "look>ask ?ask>heard .heard",
            &[("hear", "heard")],
        ),
        ("inserted", "look>greet greet>ask ?ask>hear .hear", &[]),
        ("removed", "?ask>hear .hear", &[]),
    ];
    for (name, newer, renamed) in rows {
        let mut both = Both::start("look>ask ?ask>hear .hear", newer, renamed).await;
        both.old.say("ana", "go").await;
        both.old.quiet().await;
        assert_eq!(both.log.lines(), ["old look"], "{name}");
        both.old.shutdown(secs(5)).await.unwrap();
        both.new.say("ana", "yes").await;
        both.new.quiet().await;
        let said = both.setup.replies("ana").await;
        assert_eq!(said, ["sure?", "new go kind 1"], "{name}");
        assert_eq!(
            both.log.lines(),
            ["old look"],
            "{name}: nothing before it again"
        );
        let turn = both.setup.view("yes").await.turn.unwrap();
        assert_eq!((turn.runs, turn.failures), (1, 0), "{name}");
    }
}

/// The newer does not know the node: it leaves the turn to the older, which is there.
#[tokio::test(start_paused = true)]
async fn a_parked_turn_whose_node_is_gone_is_ended_by_the_older_beside() {
    let both = Both::start("look>ask ?ask>hear .hear", "work>answer .answer", &[]).await;
    both.old.say("ana", "go").await;
    both.old.quiet().await;
    both.new.say("ana", "yes").await;
    both.new.quiet().await;
    let said = both.setup.replies("ana").await;
    assert_eq!(said, ["sure?", "old go 1"]);
    let turn = both.setup.view("yes").await.turn.unwrap();
    assert_eq!(turn.failures, 0, "no message is to blame");
}

#[tokio::test(start_paused = true)]
async fn the_older_claims_nothing_of_a_conversation_that_the_newer_has_kept() {
    let older = "look>answer .answer";
    let mut both = Both::start(older, older, &[]).await;
    both.new.say("ana", "hello").await;
    both.new.quiet().await;
    // Whoever accepts them: the newer answers.
    for text in ["one", "two", "three"] {
        both.old.say("ana", text).await;
        both.old.quiet().await;
        let turn = both.setup.view(text).await.turn.unwrap();
        assert_eq!((turn.runs, turn.failures, turn.epoch.0 > 1), (1, 0, true));
    }
    both.new.shutdown(secs(5)).await.unwrap();
    drop(both.new);
    // Alone, it claims nothing of it, counts no failure, and serves others.
    both.old.say("ana", "four").await;
    both.old.say("bob", "hi").await;
    pass(secs(10 * 60)).await;
    let view = both.setup.view("four").await;
    assert!(view.turn.is_none(), "{view:?}");
    assert_eq!(view.inbounds[0].state, InboundState::Queued);
    assert_eq!(both.setup.replies("bob").await, ["old hi 1"]);
    assert_eq!(both.old.runtime().stale_writes(), 0);
    let newer = graph::<New>(&both.log, older, &[]);
    let another = both.setup.another();
    let new = another.start_with(|builder| builder.graph(newer)).await;
    new.quiet().await;
    let view = both.setup.view("four").await;
    let turn = view.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (1, 0));
    let said = both.setup.replies("ana").await;
    assert_eq!(
        said,
        [
            "new hello firm 1",
            "new one firm 2",
            "new two firm 3",
            "new three firm 4",
            "new four firm 5"
        ]
    );
}

/// A turn of the older that is open when the newer starts, and the older is gone for good;
/// then an older one is started beside, as in a rollback.
#[test]
fn a_rollback_leaves_alone_what_the_newer_has_taken() {
    let setup = Setup::web().replicated();
    let log = Log::default();
    let nodes = "look>work work>answer .answer";
    life(async {
        let old = graph::<Old>(&log, nodes, &[]);
        let world = setup.start_with(|builder| builder.graph(old)).await;
        world.say("ana", "go").await;
        pass(secs(1)).await;
    });
    life(async {
        let new = graph::<New>(&log, nodes, &[]);
        let world = setup.start_with(|builder| builder.graph(new)).await;
        world.quiet().await;
        assert_eq!(world.replies("ana").await, ["new go firm 1"]);
    });
    life(async {
        let old = graph::<Old>(&log, nodes, &[]);
        let world = setup.start_with(|builder| builder.graph(old)).await;
        world.say("ana", "again").await;
        pass(secs(60)).await;
        assert!(world.view("again").await.turn.is_none());
    });
    let made = ["old look", "old work", "new work"];
    assert_eq!(log.lines(), made, "the older has made nothing of it");
}
