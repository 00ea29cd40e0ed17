//! What runs side by side ends in any order, and in any order after a crash in its
//! middle: the same state, the same reply, and what was recorded is not made again.
//!
//! `cargo nextest run -p zupa-runtime branches --no-capture` prints what the seeds hit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zupa_core::{Effect, Outbound, Tool, ToolContext, ToolOutput};
use zupa_runtime::{Builder, Cx, Ending, Graph, Move, Node, State, Stop, ends, to, tool};
use zupa_testkit::FaultyStore;

use crate::support::{Act, Meddler, Setup, World, life, pass};

const SEEDS: u64 = 1_000;
/// Between the ends of two effects.
const STEP: Duration = Duration::from_millis(10);

/// Lets effects end in the order of a seed's permutation, and remembers which were made.
#[derive(Debug, Default)]
struct Schedule(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    ranks: Vec<u32>,
    made: Vec<String>,
    ended: Vec<usize>,
}

impl Schedule {
    /// A new life begins: another order, and nothing is made yet.
    fn shuffle(&self, dice: &mut Dice, effects: usize) {
        let mut ranks: Vec<u32> = (1..).take(effects).collect();
        for place in (1..effects).rev() {
            ranks.swap(place, dice.below(place as u64 + 1) as usize);
        }
        *self.0.lock().unwrap() = Plan {
            ranks,
            ..Plan::default()
        };
    }

    /// Makes an effect.
    async fn work(&self, place: usize, key: String) {
        let rank = {
            let mut plan = self.0.lock().unwrap();
            plan.made.push(key);
            plan.ranks[place]
        };
        tokio::time::sleep(STEP * rank).await;
        self.0.lock().unwrap().ended.push(place);
    }

    fn made(&self) -> Vec<String> {
        self.0.lock().unwrap().made.clone()
    }

    fn ended(&self) -> Vec<usize> {
        self.0.lock().unwrap().ended.clone()
    }
}

/// Numbers by a seed (splitmix).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// What is left in the end, but for the order in which the person heard the asides.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    reply: String,
    asides: BTreeSet<String>,
    kept: String,
    journal: BTreeSet<String>,
}

/// What the seeds hit.
#[derive(Debug, Default)]
struct Hits {
    orders: BTreeSet<Vec<usize>>,
    /// Deaths with something recorded and something not.
    midway: usize,
    reused: usize,
}

/// What is played: how a process is built, and what its journal calls an effect.
trait Scene {
    const EFFECTS: usize;
    fn setup(&self) -> Setup;
    fn build(&self, builder: Builder) -> Builder;
    fn schedule(&self) -> &Schedule;
    /// The part of the kept state that the branches change.
    fn kept(&self, json: &str) -> String;
}

async fn start(scene: &impl Scene, setup: &Setup) -> (World, Arc<Meddler>) {
    let meddler = Meddler::new(setup.memory.clone());
    let store = Arc::new(FaultyStore::new(meddler.clone()));
    let world = setup.try_start_with(store, |builder| scene.build(builder));
    (world.await.unwrap(), meddler)
}

/// The effects whose result is in the journal.
fn recorded(setup: &Setup) -> BTreeSet<String> {
    let steps = life(setup.view("go")).steps.into_iter();
    let results = steps.filter(|step| step.has_result);
    results.map(|step| step.key).collect()
}

/// Plays a seed; every second one dies in its middle and is played on in another order.
fn play<S: Scene>(seed: u64, scene: &S, hits: &mut Hits) -> Outcome {
    let mut dice = Dice(seed);
    let setup = scene.setup();
    let whole = STEP * u32::try_from(2 * S::EFFECTS).unwrap();
    let mut before = BTreeSet::new();
    let dies = seed % 2 == 1;
    if dies {
        scene.schedule().shuffle(&mut dice, S::EFFECTS);
        let death = Duration::from_millis(dice.below(whole.as_millis() as u64 / 2) + 1);
        life(async {
            let (world, _) = start(scene, &setup).await;
            world.say("ana", "go").await;
            pass(death).await;
        });
        before = recorded(&setup);
    }
    scene.schedule().shuffle(&mut dice, S::EFFECTS);
    let commits = life(async {
        let (world, meddler) = start(scene, &setup).await;
        if !dies {
            world.say("ana", "go").await;
        }
        world.quiet().await;
        meddler.commits()
    });
    let made = scene.schedule().made();
    let again: Vec<_> = made.iter().filter(|key| before.contains(*key)).collect();
    assert!(again.is_empty(), "seed {seed} made {again:?} again");
    if !dies {
        hits.orders.insert(scene.schedule().ended());
    }
    hits.midway += usize::from(!before.is_empty() && !made.is_empty());
    hits.reused += before.len();
    let mut said = life(setup.replies("ana"));
    let state = commits.last().and_then(|commit| commit.state.clone());
    Outcome {
        reply: said.pop().unwrap_or_default(),
        asides: said.into_iter().collect(),
        kept: state.map_or_else(String::new, |state| scene.kept(&state.json)),
        journal: recorded(&setup),
    }
}

/// Every seed comes to the same end as the first.
fn all_alike<S: Scene>(name: &str, scene: &S, orders: usize) -> Outcome {
    let mut hits = Hits::default();
    let first = play(0, scene, &mut hits);
    for seed in 1..SEEDS {
        let other = play(seed, scene, &mut hits);
        assert_eq!(other, first, "seed {seed}");
    }
    println!(
        "{name}: {SEEDS} seeds, {} orders, {} deaths midway, {} recorded effects reused",
        hits.orders.len(),
        hits.midway,
        hits.reused
    );
    assert!(
        hits.orders.len() >= orders,
        "only {} orders",
        hits.orders.len()
    );
    assert!(hits.midway > 200, "only {} deaths midway", hits.midway);
    first
}

/// What the branches have brought, in the order in which it was applied.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Trail {
    #[serde(skip)]
    kept: Vec<String>,
}

impl State for Trail {
    type Update = String;
    type Kept = Vec<String>;

    fn apply(&mut self, update: String) {
        self.kept.push(update);
    }

    fn kept(&self) -> &Vec<String> {
        &self.kept
    }

    fn attach(&mut self, kept: Vec<String>) {
        self.kept = kept;
    }
}

const BRANCHES: [&str; 3] = ["left", "middle", "right"];

/// Two effects that change nothing outside, and a word in between.
struct Branch {
    place: usize,
    schedule: Arc<Schedule>,
}

impl Branch {
    async fn effect(&self, cx: &mut Cx, name: &str, place: usize) -> Result<String, Stop> {
        let key = format!("{}/1/{name}", BRANCHES[self.place]);
        let said = key.clone();
        let effect = || async move {
            self.schedule.work(place, key).await;
            Ok(said)
        };
        cx.effect(name, &place, effect).await
    }
}

#[async_trait]
impl Node<Trail> for Branch {
    async fn run(&self, _: &Trail, cx: &mut Cx) -> Result<Move<Trail>, Stop> {
        let first = self.effect(cx, "first", 2 * self.place).await?;
        cx.say(&format!("{first} is done")).await?;
        let second = self.effect(cx, "second", 2 * self.place + 1).await?;
        Ok(Move::to("join").with(format!("{first} {second}")))
    }
}

async fn fan(_: &Trail, _: &mut Cx) -> Result<Move<Trail>, Stop> {
    Ok(Move::all(BRANCHES))
}

async fn join(trail: &Trail, _: &mut Cx) -> Result<Move<Trail>, Stop> {
    let said = Outbound::reply(trail.kept.join(", "));
    Ok(Move::end(Ending::Answer(vec![said])))
}

/// A graph whose three branches go side by side.
#[derive(Default)]
struct Forked(Arc<Schedule>);

impl Scene for Forked {
    const EFFECTS: usize = 6;

    fn setup(&self) -> Setup {
        Setup::web()
    }

    fn build(&self, builder: Builder) -> Builder {
        let mut graph = Graph::builder("forked").node("fan", fan, BRANCHES.map(to));
        for (place, name) in BRANCHES.into_iter().enumerate() {
            let schedule = self.0.clone();
            let branch = Branch { place, schedule };
            graph = graph.add(name, Arc::new(branch), [to("join")]);
        }
        builder.graph(graph.node("join", join, [ends()]).build().unwrap())
    }

    fn schedule(&self) -> &Schedule {
        &self.0
    }

    fn kept(&self, json: &str) -> String {
        json.to_owned()
    }
}

#[test]
fn branches_of_a_graph_end_in_any_order_and_give_one_state() {
    let outcome = all_alike("branches", &Forked::default(), 60);
    assert_eq!(
        outcome.reply,
        "left/1/first left/1/second, middle/1/first middle/1/second, \
         right/1/first right/1/second"
    );
    assert_eq!((outcome.asides.len(), outcome.journal.len()), (3, 9));
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Nothing {}

const TOOLS: [&str; 4] = ["one", "two", "three", "four"];

/// Tools of one round of the default agent: three that whoever is called deduplicates,
/// and one that changes nothing.
#[derive(Default)]
struct Round {
    schedule: Arc<Schedule>,
    /// The keys that each tool was called with, over all lives of a seed.
    keys: Arc<Mutex<BTreeMap<&'static str, BTreeSet<String>>>>,
}

impl Round {
    fn tool(&self, place: usize) -> Arc<dyn Tool> {
        let (name, schedule, keys) = (TOOLS[place], self.schedule.clone(), self.keys.clone());
        let effect = if place == 3 {
            Effect::PURE
        } else {
            Effect::IDEMPOTENT
        };
        let call = move |_: Nothing, cx: ToolContext| {
            let (schedule, keys) = (schedule.clone(), keys.clone());
            async move {
                keys.lock()
                    .unwrap()
                    .entry(name)
                    .or_default()
                    .insert(cx.key.to_hex());
                let key = format!("run_tools/1/{name}/{place}");
                schedule.work(place, key).await;
                let mut done = ToolOutput::of(name);
                done.state = Some(json!({ "last": name, name: place }));
                done.say.push(format!("{name} is done"));
                Ok(done)
            }
        };
        tool(name, "", effect, call).into_tool()
    }
}

impl Scene for Round {
    const EFFECTS: usize = 4;

    fn setup(&self) -> Setup {
        self.keys.lock().unwrap().clear();
        let mut setup = Setup::web();
        for place in 0..TOOLS.len() {
            setup.agent = setup.agent.tool(self.tool(place));
        }
        let calls = &[
            ("one", "{}"),
            ("two", "{}"),
            ("three", "{}"),
            ("four", "{}"),
        ];
        setup.model.always("go", Act::Call(calls));
        setup.model.always("four", Act::Say("all done"));
        setup
    }

    fn build(&self, builder: Builder) -> Builder {
        builder
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn kept(&self, json: &str) -> String {
        let keys = self.keys.lock().unwrap();
        let several = keys.iter().find(|(_, keys)| keys.len() > 1);
        assert!(several.is_none(), "one call, several keys: {several:?}");
        let kept: Value = serde_json::from_str(json).unwrap();
        kept["agent"].to_string()
    }
}

#[test]
fn tools_of_a_round_end_in_any_order_and_give_one_state() {
    let outcome = all_alike("tools", &Round::default(), 24);
    assert_eq!(outcome.reply, "all done");
    assert_eq!(
        outcome.kept,
        r#"{"four":3,"last":"four","one":0,"three":2,"two":1}"#
    );
    assert_eq!((outcome.asides.len(), outcome.journal.len()), (4, 6));
}
