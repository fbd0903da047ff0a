//! Memory for hashes that need a lot of it: if there is too little, that is an error and does not end the process.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What the rest of the process may allocate while a hash is computed.
const SPARE_BYTES: usize = 4 << 20;

/// The memory claimed by the memory-hard hashes that this process is computing.
///
/// The scrypt crate aborts the process when an allocation fails. So a test allocation is made first, of the size of
/// this hash and all other claims together, whether their memory is allocated yet or not. This way, two threads never
/// count on the same free bytes.
///
/// This helps where allocations fail, as with `RLIMIT_AS` or `vm.overcommit_memory=2`. A system that
/// overcommits, or a control group, kills the process later, and no program can foresee that. There, the only
/// protection is that a hash takes at most 256 MiB on each thread.
#[derive(Debug, Default)]
pub struct HashMemory {
    claimed: AtomicUsize,
}

impl HashMemory {
    /// Runs `work`, which allocates up to `bytes`; `None` if there is too little memory for it now.
    pub(super) fn with<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> Option<T> {
        if bytes == 0 {
            return Some(work());
        }
        let claimed = self.claimed.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let _claim = Claim { memory: self, bytes };
        is_free(claimed.saturating_add(SPARE_BYTES)).then(work)
    }
}

/// Whether this many contiguous bytes can be allocated. They are not touched, and freed at once.
fn is_free(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    let is_free = probe.try_reserve_exact(bytes).is_ok();
    // Otherwise the optimiser may remove the allocation.
    std::hint::black_box(&probe);
    is_free
}

/// A claim, which ends even if the work panics.
struct Claim<'a> {
    memory: &'a HashMemory,
    bytes: usize,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.memory.claimed.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_add_up_and_are_given_back() {
        let memory = HashMemory::default();
        // More than any machine has: while it is claimed, no other claim succeeds.
        let everything = isize::MAX.unsigned_abs() - SPARE_BYTES;
        assert_eq!(memory.with(everything, || ()), None);
        let inner = memory.with(1 << 20, || (memory.with(1 << 20, || 1), memory.with(everything, || 2)));
        assert_eq!(inner, Some((Some(1), None)));
        assert_eq!(memory.claimed.load(Ordering::SeqCst), 0);
        // Work without memory always runs.
        assert_eq!(memory.with(0, || 3), Some(3));
    }
}
