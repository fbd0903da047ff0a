//! A description of the machine, and which processes run on which of its cores.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Fallible;

/// What a reader has to know about the machine to interpret the figures.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) virtual_machine: bool,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// Median time to write 4 KiB and sync them to the disk, in microseconds.
    pub(crate) disk_sync_us: u64,
    /// Runnable processes, averaged over the minute before the start.
    pub(crate) load_before: String,
}

impl Machine {
    /// Reads these facts; `folder` is on the disk that is measured.
    pub(crate) fn look(folder: &Path) -> Fallible<Self> {
        let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let flags = field("/proc/cpuinfo", "flags").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            processor,
            cores: cores().len(),
            virtual_machine: flags.split(' ').any(|flag| flag == "hypervisor"),
            memory_gib: kib.div_ceil(1024 * 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            disk_sync_us: u64::try_from(disk_sync(folder)?.as_micros())?,
            load_before: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_gib, kernel, disk_sync_us, load_before, .. } = self;
        let kind = if self.virtual_machine { "virtual machine" } else { "machine" };
        write!(
            f,
            "{kind} with {cores} cores ({processor}), {memory_gib} GiB, Linux {kernel}, a sync of the disk takes \
             {disk_sync_us} µs, load before the start {load_before}"
        )
    }
}

/// The value of the first line `name : value` of a kernel file.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(own, _)| own.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn disk_sync(folder: &Path) -> Fallible<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        file.write_all(&[1; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

/// The cores that this process may use.
pub(crate) fn cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// Pins this thread, and all threads and processes that it starts from now on, to these cores.
pub(crate) fn pin_to(cores: &[usize]) -> Fallible<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}
