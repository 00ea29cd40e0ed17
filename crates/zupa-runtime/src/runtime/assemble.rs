//! Putting the path together: each stop gets what it needs, and runs.
//!
//! What arrives: a checked agent, and a store that was recovered. What leaves: the
//! tasks of the path, all running.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zupa_core::store::Recovery;
use zupa_core::{Intake, ProcessId, Result};

use super::Runtime;
use super::builder::Builder;
use super::default_graph::default_graph;
use crate::accept::Acceptor;
use crate::admission::{Admission, Watchman};
use crate::agent::Parts;
use crate::claim::{Dispatcher, Hiring, InFlight, Limits, Quarantine, Tenants, Worker};
use crate::commit::Committer;
use crate::deliver::{Deliverer, DeliveryQueue, Hands, LineEnd, Lines};
use crate::doors::Doors;
use crate::graph::Engine;
use crate::housekeeping::Housekeeper;
use crate::memory::Memory;
use crate::resilience::Guards;
use crate::standing::Follower;
use crate::turn::Path;
use crate::writer::{HealthReport, Writer};

/// Batches of doors that may wait for `accept`.
const INTAKE: usize = 1_024;
/// How long the driver of the bus rests behind what it has handed out.
const BUS_REST: Duration = Duration::from_millis(1);

impl Builder {
    pub(super) fn assemble(
        self,
        process: ProcessId,
        recovery: Recovery,
        backlog: Arc<AtomicU64>,
    ) -> Result<Runtime> {
        let Self {
            store,
            desk,
            keys,
            models,
            mut agent,
            settings,
            channels,
            standings,
            clock,
            ids,
            wakeup,
            bus,
            edits,
            own,
            quiet,
            read_load,
            faults,
        } = self;
        let policies = settings.policies.clone();
        let guards = Arc::new(Guards::new(
            policies,
            clock.clone(),
            ids.clone(),
            bus.clone(),
        )?);
        agent.guard(&guards)?;
        let (settings, agent) = (Arc::new(settings), Arc::new(agent));
        let overload = agent.language.overload.clone();
        let channels = channels.into_iter().map(|channel| {
            let hours = quiet.get(channel.id()).cloned();
            guards.channel(channel, hours)
        });
        let doors = Doors::new(channels.collect::<Result<_>>()?);
        let (report, health) = HealthReport::channel();
        let (writer, writing) =
            Writer::start(store.clone(), clock.clone(), report.clone(), bus.clone());
        let (intake, queue) = Intake::channel(INTAKE);
        let hands = Hands::default();
        let (deliveries, delivery_intake) = DeliveryQueue::channel(hands.clone());
        let (intake_stop, turns_stop, last_stop) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let line_end = LineEnd {
            news: turns_stop.clone(),
            ..LineEnd::default()
        };
        let (workers, sends) = (TaskTracker::new(), TaskTracker::new());
        let in_flight = InFlight::new(clock.clone(), settings.claim_expiry);
        let memory = Arc::new(Memory::new(agent.history));
        let engine: Arc<dyn Engine> = match own {
            Some(own) => own.engine,
            None => {
                let parts = Parts {
                    agent: agent.clone(),
                    settings: settings.clone(),
                    model: guards.models(models)?,
                    store: Some(store.clone()),
                    desk: desk.clone(),
                    memory: memory.clone(),
                    notices: Default::default(),
                };
                Arc::new(default_graph(parts, edits)?)
            }
        };

        let (hiring, hired) = Hiring::closed(settings.turns_in_flight);
        let tenants = Arc::new(Tenants::default());
        let admission = Arc::new(Admission::new(backlog.clone(), &settings));
        let (measured, measurements) = watch::channel(Default::default());
        let watchman = Watchman {
            admission: admission.clone(),
            measured: measurements,
            read_load,
            hiring: hiring.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
            bus: bus.clone(),
        };
        let acceptor = Arc::new(Acceptor {
            process,
            writer: writer.clone(),
            wakeup: wakeup.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            doors: doors.clone(),
            agent: agent.clone(),
            settings: settings.clone(),
            backlog: backlog.clone(),
            admission,
            hiring: hiring.clone(),
            tenants: tenants.clone(),
            loads: engine.loads(),
            bus: bus.clone(),
            faults: faults.clone(),
        });
        let worker = Arc::new(Worker {
            process,
            writer: writer.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            doors: doors.clone(),
            settings: settings.clone(),
            path: Arc::new(Path {
                writer: writer.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                doors: doors.clone(),
                settings: settings.clone(),
                deliveries: deliveries.clone(),
                guards: guards.clone(),
                wakeup: wakeup.clone(),
                bus: bus.clone(),
                stopping: turns_stop.clone(),
                faults: faults.clone(),
            }),
            engine: engine.clone(),
            committer: Committer {
                engine: engine.clone(),
                writer: writer.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                doors: doors.clone(),
                agent,
                settings: settings.clone(),
                deliveries: deliveries.clone(),
                memory,
                wakeup: wakeup.clone(),
                bus: bus.clone(),
                backlog: backlog.clone(),
                hooks: workers.clone(),
                faults: faults.clone(),
            },
            in_flight: in_flight.clone(),
            limits: Limits::of(&settings),
            overload,
            stopping: turns_stop.clone(),
            faults: faults.clone(),
        });
        let dispatcher = Dispatcher {
            store: store.clone(),
            wakeup,
            clock: clock.clone(),
            settings: settings.clone(),
            worker,
            quarantine: Quarantine {
                hiring: hiring.clone(),
                lane: Arc::default(),
                deadline: settings.turn_timeout + settings.claim_expiry,
            },
            alone: Quarantine::alone(&recovery.suspects),
            hiring: hiring.clone(),
            hired,
            tenants,
            measured,
            model_back: guards.model_back(),
            workers: workers.clone(),
        };
        let deliverer = Arc::new(Deliverer {
            store: store.clone(),
            writer: writer.clone(),
            clock: clock.clone(),
            ids,
            lines: Lines::of(&doors, line_end.clone()),
            doors,
            settings: settings.clone(),
            sends: sends.clone(),
            hands,
            bus: bus.clone(),
            faults,
        });
        let driving = bus
            .driver(clock.clone())
            .map(|driver| driver.resting(|| tokio::time::sleep(BUS_REST)))
            .map(|driver| tokio::spawn(driver.run()));
        let followers: Vec<_> = standings
            .into_iter()
            .map(|standing| Follower::of(standing, bus.clone(), desk.clone(), settings.config))
            .collect();
        let housekeeper = Housekeeper {
            process,
            health: report,
            store: store.clone(),
            desk,
            keys,
            writer,
            clock: clock.clone(),
            settings,
            in_flight: in_flight.clone(),
            backlog,
            bus: bus.clone(),
        };

        let accepting = tokio::spawn(acceptor.run(queue, intake_stop.clone()));
        let dispatching = tokio::spawn(dispatcher.run(turns_stop.clone()));
        let delivering = tokio::spawn(deliverer.run(delivery_intake, last_stop.clone()));
        let housekeeping = tokio::spawn(housekeeper.run(last_stop.clone()));
        let watching = tokio::spawn(watchman.run(last_stop.clone()));
        let mut tasks = vec![accepting, dispatching, delivering, housekeeping, watching];
        let following = followers.into_iter();
        tasks.extend(following.map(|one| tokio::spawn(one.run(last_stop.clone()))));
        Ok(Runtime {
            process,
            store,
            intake,
            recovery,
            health,
            bus,
            clock,
            driving,
            in_flight,
            hiring,
            guards,
            intake_stop,
            turns_stop,
            line_end,
            last_stop,
            workers,
            sends,
            tasks,
            writing,
        })
    }
}
