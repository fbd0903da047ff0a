//! Memory for hashes that need much of it, taken so that a lack of it is an answer and not the
//! end of the process.

use std::sync::atomic::{AtomicUsize, Ordering};

/// In bytes: what else the process may take while a hash is computed.
const SPARE: usize = 4 << 20;

/// The memory that the memory-hard hashes under way in this process have claimed.
///
/// The crate for scrypt takes its memory in a way that ends the process when there is none. So it
/// is proved before that there is some: for this hash and for all that have claimed theirs, whether they
/// have taken it already or not. No two threads can then rely on the same free bytes.
///
/// This guards against limits that the process is told of, such as `RLIMIT_AS` or
/// `vm.overcommit_memory=2`. A system that promises more than it has, or a control group, ends the process
/// later, and no program can see it coming: what remains there is that a hash takes at most
/// 256 MiB on each thread.
#[derive(Debug, Default)]
pub struct HashMemory {
    claimed: AtomicUsize,
}

impl HashMemory {
    /// Runs `work`, which takes up to `bytes`; `None` if there is too little memory for it now.
    pub(super) fn with<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> Option<T> {
        if bytes == 0 {
            return Some(work());
        }
        let claimed = self.claimed.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let _claim = Claim { memory: self, bytes };
        is_free(claimed.saturating_add(SPARE)).then(work)
    }
}

/// Whether so many bytes in a row can be had. They are not touched, and given back at once.
fn is_free(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    let is_free = probe.try_reserve_exact(bytes).is_ok();
    // Otherwise the optimiser may see that nobody needs it.
    std::hint::black_box(&probe);
    is_free
}

/// Given back even if the work panics.
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
        // More than any machine has: as a part of all claims, it leaves nothing to anybody.
        let everything = isize::MAX.unsigned_abs() - SPARE;
        assert_eq!(memory.with(everything, || ()), None);
        let inner = memory.with(1 << 20, || (memory.with(1 << 20, || 1), memory.with(everything, || 2)));
        assert_eq!(inner, Some((Some(1), None)));
        assert_eq!(memory.claimed.load(Ordering::SeqCst), 0);
        // What needs none can always be had.
        assert_eq!(memory.with(0, || 3), Some(3));
    }
}
