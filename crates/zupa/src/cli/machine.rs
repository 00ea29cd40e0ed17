//! How much of the machine the process takes, as a share of what it is allowed.
//!
//! What is allowed is the smallest limit of its control groups (version 2, else 1), and
//! the whole machine where there is none. Memory that the kernel would give back, its
//! cache of files, is not counted: a store that is read and written fills any limit with
//! it. Where nothing can be read (not on Linux) nothing is known, and nothing refused.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zupa_runtime::MachineLoad;

/// What the use of the processors is an average of.
const AVERAGE: Duration = Duration::from_secs(10);
/// The kernel counts times of a process in hundredths of a second, whatever its own
/// clock does.
const TICKS: f64 = 100.0;
const PAGE_KIB: f64 = 1024.0;

/// Reads the files in which the kernel says it.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    /// Processors that the process may run on, whole ones.
    processors: f64,
    /// When, and seconds of processors that were used by then; the oldest first.
    used: VecDeque<(Duration, f64)>,
}

impl Machine {
    /// The machine whose files are below this root.
    pub fn below(root: &Path, processors: usize) -> Self {
        Self {
            root: root.to_owned(),
            processors: processors as f64,
            used: VecDeque::new(),
        }
    }

    /// What is taken at this moment of a clock that does not jump; of the processors, on
    /// average since ten seconds ago.
    pub fn load(&mut self, now: Duration) -> MachineLoad {
        MachineLoad {
            cpu: self.cpu(now),
            memory: self.memory(),
        }
    }

    fn cpu(&mut self, now: Duration) -> Option<f64> {
        let quota = self.levels("cpu").filter_map(|level| level.quota());
        let tightest = quota.min_by(|(one, _), (other, _)| one.total_cmp(other));
        let (allowed, used) = match tightest {
            // A quota is rounded down where whole processors are counted.
            Some((quota, level)) if quota < self.processors + 1.0 => (quota, level.used()?),
            _ => (self.processors, self.used_by_process()?),
        };
        self.used.push_back((now, used));
        while self
            .used
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= AVERAGE)
        {
            self.used.pop_front();
        }
        let (from, before) = *self.used.front()?;
        let took = now.saturating_sub(from).as_secs_f64();
        (took > 0.0).then(|| (used - before).max(0.0) / took / allowed)
    }

    fn memory(&self) -> Option<f64> {
        let whole = self.field("proc/meminfo", "MemTotal:")? * PAGE_KIB;
        let shares = self.levels("memory").filter_map(|level| {
            let limit = level.memory_limit().filter(|limit| *limit < whole)?;
            Some(level.memory_held()? / limit)
        });
        let resident = || Some(self.field("proc/self/status", "VmRSS:")? * PAGE_KIB / whole);
        shares.max_by(f64::total_cmp).or_else(resident)
    }

    /// The control groups of the process, its own first. In a container the innermost
    /// path is often not visible, and the container's own is the root.
    fn levels(&self, controller: &'static str) -> impl Iterator<Item = Level> {
        let groups = read(&self.root.join("proc/self/cgroup")).unwrap_or_default();
        let of = |wanted: &str| {
            groups.lines().find_map(|line| {
                let (_, named) = line.split_once(':')?;
                let (controllers, path) = named.split_once(':')?;
                let is_it = controllers.split(',').any(|one| one == wanted);
                is_it.then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let mount = self.root.join("sys/fs/cgroup");
        let (mount, path, version) = match of(controller) {
            Some(path) => (mount.join(controller), path, Version::One),
            None => (mount, of("").unwrap_or_default(), Version::Two),
        };
        let folders: Vec<_> = Path::new(&path)
            .ancestors()
            .map(|above| Level {
                folder: mount.join(above),
                version,
            })
            .collect();
        folders.into_iter()
    }

    /// Seconds of processors that the process has used, its threads together.
    fn used_by_process(&self) -> Option<f64> {
        let stat = read(&self.root.join("proc/self/stat"))?;
        // The name in brackets may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some((user + system) / TICKS)
    }

    /// A number behind a name.
    fn field(&self, file: &str, name: &str) -> Option<f64> {
        named(&read(&self.root.join(file))?, name)
    }
}

#[derive(Debug, Clone, Copy)]
enum Version {
    One,
    Two,
}

/// One control group.
#[derive(Debug)]
struct Level {
    folder: PathBuf,
    version: Version,
}

impl Level {
    /// Processors that may be used, if that is limited here.
    fn quota(self) -> Option<(f64, Self)> {
        let (quota, period) = match self.version {
            Version::Two => {
                let limit = self.text("cpu.max")?;
                let (quota, period) = limit.trim().split_once(' ')?;
                (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
            }
            Version::One => (
                self.number("cpu.cfs_quota_us")?,
                self.number("cpu.cfs_period_us")?,
            ),
        };
        (quota > 0.0 && period > 0.0).then(|| (quota / period, self))
    }

    /// Seconds of processors that all of the group have used.
    fn used(&self) -> Option<f64> {
        match self.version {
            Version::Two => Some(named(&self.text("cpu.stat")?, "usage_usec")? / 1e6),
            Version::One => Some(self.number("cpuacct.usage")? / 1e9),
        }
    }

    fn memory_limit(&self) -> Option<f64> {
        match self.version {
            Version::Two => self.number("memory.max"),
            Version::One => self.number("memory.limit_in_bytes"),
        }
    }

    /// Bytes that the kernel could not take back.
    fn memory_held(&self) -> Option<f64> {
        let (held, cache) = match self.version {
            Version::Two => ("memory.current", ["inactive_file", "active_file"]),
            Version::One => (
                "memory.usage_in_bytes",
                ["total_inactive_file", "total_active_file"],
            ),
        };
        let stat = self.text("memory.stat").unwrap_or_default();
        let cache: f64 = cache.iter().filter_map(|name| named(&stat, name)).sum();
        Some((self.number(held)? - cache).max(0.0))
    }

    fn number(&self, file: &str) -> Option<f64> {
        self.text(file)?.trim().parse().ok()
    }

    fn text(&self, file: &str) -> Option<String> {
        read(&self.folder.join(file))
    }
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

/// The number behind a name that begins a line.
fn named(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests;
