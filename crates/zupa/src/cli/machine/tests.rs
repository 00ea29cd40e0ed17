//! Machines as folders of files: without limits, with limits of either version, and
//! with nothing to read.

use super::*;

const STAT: &str = "7 (a name) with ) brackets) S 1 7 7 0 -1 0 1 2 3 4 USER SYSTEM 0 0 20 0 4 0 9";

struct Files(tempfile::TempDir);

impl Files {
    /// Sixteen gigabytes, and a process that holds four of them.
    fn machine() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files
            .put(
                "proc/meminfo",
                "MemTotal:       16777216 kB\nMemFree: 1 kB\n",
            )
            .put("proc/self/status", "Name:\tzupa\nVmRSS:\t 4194304 kB\n")
            .used_by_process(0.0);
        files
    }

    fn put(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn used_by_process(&self, seconds: f64) -> &Self {
        let ticks = (seconds * 50.0).to_string();
        let stat = STAT.replace("USER", &ticks).replace("SYSTEM", &ticks);
        self.put("proc/self/stat", &stat)
    }

    fn read(&self, processors: usize) -> Machine {
        Machine::below(self.0.path(), processors)
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn without_limits_it_is_a_share_of_the_whole_machine() {
    let files = Files::machine();
    files
        .put("proc/self/cgroup", "0::/user.slice/session\n")
        .put("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n")
        .put("sys/fs/cgroup/user.slice/memory.max", "max\n")
        .put("sys/fs/cgroup/user.slice/memory.current", "99\n");
    let mut machine = files.read(4);
    let first = machine.load(secs(0));
    assert_eq!((first.cpu, first.memory), (None, Some(0.25)));
    files.used_by_process(6.0);
    assert_eq!(machine.load(secs(3)).cpu, Some(0.5), "two of four");
}

#[test]
fn the_smallest_limit_of_a_container_counts_and_the_cache_of_files_does_not() {
    let files = Files::machine();
    files
        .put("proc/self/cgroup", "0::/pod/container\n")
        .put("sys/fs/cgroup/pod/container/cpu.max", "150000 100000\n")
        .put(
            "sys/fs/cgroup/pod/container/cpu.stat",
            "usage_usec 5000000\nuser_usec 1\n",
        )
        .put("sys/fs/cgroup/pod/cpu.max", "400000 100000\n")
        .put("sys/fs/cgroup/pod/container/memory.max", "max\n")
        .put("sys/fs/cgroup/pod/container/memory.current", "5\n")
        .put("sys/fs/cgroup/pod/memory.max", "1000\n")
        .put("sys/fs/cgroup/pod/memory.current", "990\n")
        .put(
            "sys/fs/cgroup/pod/memory.stat",
            "anon 1\ninactive_file 300\nactive_file 90\n",
        );
    // One whole processor is what is left of one and a half, rounded down.
    let mut machine = files.read(1);
    assert_eq!(machine.load(secs(0)).memory, Some(0.6));
    files.put(
        "sys/fs/cgroup/pod/container/cpu.stat",
        "usage_usec 8000000\n",
    );
    assert_eq!(
        machine.load(secs(2)).cpu,
        Some(1.0),
        "all of what is allowed"
    );
    files.put("sys/fs/cgroup/pod/memory.current", "1350\n");
    assert_eq!(machine.load(secs(2)).memory, Some(0.96));
}

#[test]
fn a_quota_above_the_processors_is_none() {
    let files = Files::machine();
    files
        .put("proc/self/cgroup", "0::/\n")
        .put("sys/fs/cgroup/cpu.max", "1600000 100000\n")
        .put("sys/fs/cgroup/cpu.stat", "usage_usec 1\n");
    let mut machine = files.read(2);
    machine.load(secs(0));
    files.used_by_process(1.0);
    assert_eq!(machine.load(secs(1)).cpu, Some(0.5));
}

#[test]
fn the_first_version_of_control_groups_is_read_too() {
    let files = Files::machine();
    files
        .put(
            "proc/self/cgroup",
            "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
        )
        // The container sees its own groups as the roots.
        .put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n")
        .put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
        .put("sys/fs/cgroup/cpu/cpuacct.usage", "1000000000\n")
        .put("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n")
        .put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1900\n")
        .put(
            "sys/fs/cgroup/memory/memory.stat",
            "inactive_file 1\ntotal_inactive_file 800\ntotal_active_file 100\n",
        );
    let mut machine = files.read(1);
    assert_eq!(machine.load(secs(0)).memory, Some(0.5));
    files.put("sys/fs/cgroup/cpu/cpuacct.usage", "1500000000\n");
    assert_eq!(machine.load(secs(2)).cpu, Some(0.5), "a quarter of a half");
    // As the first version spells that there is no limit.
    files
        .put(
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        )
        .put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    assert_eq!(machine.load(secs(3)).memory, Some(0.25));
}

#[test]
fn the_use_of_the_processors_is_that_of_the_last_ten_seconds() {
    let files = Files::machine();
    let mut machine = files.read(1);
    for now in 0..=30_u32 {
        // Idle for twenty seconds, then busy.
        files.used_by_process(f64::from(now).max(20.0) - 20.0);
        let cpu = machine.load(secs(now.into())).cpu.unwrap_or_default();
        let busy = (f64::from(now) - 20.0).max(0.0);
        assert!((cpu - busy / 10.0).abs() < 1e-9, "{cpu} after {now}");
    }
    assert!(machine.used.len() <= 12);
}

#[test]
fn where_nothing_can_be_read_nothing_is_known() {
    let nothing = tempfile::tempdir().unwrap();
    let mut machine = Machine::below(nothing.path(), 4);
    machine.load(secs(0));
    assert_eq!(machine.load(secs(1)), MachineLoad::default());
}

/// On Linux the machine itself says something sensible.
#[test]
#[cfg(target_os = "linux")]
fn this_machine_can_be_read() {
    let mut machine = Machine::below(Path::new("/"), 1_000);
    machine.load(secs(0));
    let load = machine.load(secs(1));
    assert!(load.cpu.is_some_and(|cpu| cpu >= 0.0), "{load:?}");
    assert!(load.memory.is_some_and(|memory| memory > 0.0), "{load:?}");
}
