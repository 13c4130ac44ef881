//! A thread pool for work of microseconds.
//!
//! One thread, the caller, shares work out, takes part in it, and waits until it is done. The other threads are helpers.
//! Each takes the next piece from a counter. A helper spins for some hundred microseconds before it sleeps, because one
//! layer follows another sooner than a thread wakes up. The caller never sleeps, because the main thread of a page must
//! not: once no pieces are left, it spins until the active helpers have finished theirs. A helper that wakes up late finds
//! the gate closed, and the caller has not waited for it.
#![allow(unsafe_code)]

use std::hint::spin_loop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread::{self, Thread};

/// Helpers beyond this number sleep and are never woken.
const MAX_HELPERS: usize = 31;
/// Spin iterations of a helper before it sleeps: some hundred microseconds, so that it is awake for the next layer,
/// whatever is done between the two. WebAssembly has no pause instruction for a spin loop.
const SPINS: usize = if cfg!(target_family = "wasm") { 200_000 } else { 10_000 };
/// A bit of `gate`: helpers may enter. The bits below count the active helpers.
const OPEN: usize = 1 << 16;

/// The function that is called with each piece.
type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// Threads that share work.
pub struct Pool {
    helpers: [OnceLock<Thread>; MAX_HELPERS],
    count: AtomicUsize,
    /// Whether a caller shares work out: one at a time.
    taken: AtomicBool,
    gate: AtomicUsize,
    /// The next piece, and the number of pieces.
    next: AtomicUsize,
    pieces: AtomicUsize,
    /// The address of the `Work`, on the stack of the caller.
    work: AtomicPtr<()>,
    failed: AtomicBool,
}

impl Pool {
    /// A pool without helpers.
    pub const fn new() -> Self {
        Self {
            helpers: [const { OnceLock::new() }; MAX_HELPERS],
            count: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            gate: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
            work: AtomicPtr::new(std::ptr::null_mut()),
            failed: AtomicBool::new(false),
        }
    }

    /// The number of helpers.
    pub fn helpers(&self) -> usize {
        self.count.load(Ordering::Relaxed).min(MAX_HELPERS)
    }

    /// Makes the calling thread a helper, for ever.
    pub fn help(&self) -> ! {
        let index = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(helper) = self.helpers.get(index) {
            // No other thread has this index, so the cell is empty.
            let _ = helper.set(thread::current());
        }
        let mut spins = 0;
        loop {
            if self.try_help() {
                spins = 0;
            } else if spins < SPINS {
                spins += 1;
                spin_loop();
            } else {
                // Opening the gate is followed by `unpark`: if that has happened already, this returns at once.
                thread::park();
                spins = 0;
            }
        }
    }

    /// Reports that a helper has stopped without leaving the gate.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Calls `work` with every index below `pieces`, on this thread and on helpers.
    ///
    /// # Panics
    /// A helper has panicked.
    pub fn share(&self, pieces: usize, work: Work<'_>) {
        // Within a piece, or while another caller shares work out, this thread does all of it.
        if pieces < 2 || self.helpers() == 0 || self.taken.swap(true, Ordering::Acquire) {
            return (0..pieces).for_each(work);
        }
        let round = Round(self);
        self.work.store((&raw const work).cast_mut().cast(), Ordering::Relaxed);
        self.next.store(0, Ordering::Relaxed);
        self.pieces.store(pieces, Ordering::Relaxed);
        self.gate.store(OPEN, Ordering::Release);
        self.helpers.iter().filter_map(OnceLock::get).take(pieces - 1).for_each(Thread::unpark);
        self.take_pieces(work);
        drop(round);
        assert!(!self.failed.swap(false, Ordering::Acquire), "a thread that helped has panicked");
    }

    /// Helps if there is work; returns whether there was.
    fn try_help(&self) -> bool {
        let mut gate = self.gate.load(Ordering::Relaxed);
        loop {
            let left = self.next.load(Ordering::Relaxed) < self.pieces.load(Ordering::Relaxed);
            if gate & OPEN == 0 || !left {
                return false;
            }
            match self.gate.compare_exchange_weak(gate, gate + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => gate = now,
            }
        }
        let _active = ActiveHelper(self);
        // SAFETY: The gate was open when this thread entered, so `share` had stored the address of its argument before,
        // and that argument is on the stack of a `share` that does not return or unwind before this thread has left:
        // `Round` waits for it. What the argument borrows outlives that call.
        let work: Work<'_> = unsafe { *self.work.load(Ordering::Relaxed).cast::<Work<'_>>() };
        self.take_pieces(work);
        true
    }

    fn take_pieces(&self, work: Work<'_>) {
        let pieces = self.pieces.load(Ordering::Relaxed);
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            work(piece);
        }
    }
}

/// An active helper. Its release on leaving makes its writes visible to the caller, which acquires.
struct ActiveHelper<'a>(&'a Pool);

impl Drop for ActiveHelper<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail();
        }
        self.0.gate.fetch_sub(1, Ordering::Release);
    }
}

/// The time from the opening of the gate until the last helper has left.
struct Round<'a>(&'a Pool);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        // After a panic in a piece of this thread, the rest need not be started.
        self.0.next.store(usize::MAX / 2, Ordering::Relaxed);
        self.0.gate.fetch_sub(OPEN, Ordering::Relaxed);
        // In a page, where a panic does not unwind, a helper that has panicked stays active for ever.
        while self.0.gate.load(Ordering::Acquire) != 0 && !self.abandoned() {
            spin_loop();
        }
        self.0.taken.store(false, Ordering::Release);
    }
}

impl Round<'_> {
    fn abandoned(&self) -> bool {
        cfg!(target_family = "wasm") && self.0.failed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// A pool with `count` helpers, which sleep when the test is over.
    fn pool(count: usize) -> &'static Pool {
        let pool: &'static Pool = Box::leak(Box::new(Pool::new()));
        for _ in 0..count {
            thread::spawn(|| pool.help());
        }
        while pool.helpers() < count {
            thread::yield_now();
        }
        pool
    }

    fn check_once(pool: &Pool, pieces: usize) {
        let done: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
        pool.share(pieces, &|piece| {
            done[piece].fetch_add(1, Ordering::Relaxed);
        });
        assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1), "{pieces} pieces");
    }

    #[test]
    fn each_piece_is_done_once_before_the_call_returns() {
        for helpers in [0, 1, 3] {
            let pool = pool(helpers);
            for round in 0..3_000 {
                check_once(pool, round % 17);
            }
        }
    }

    #[test]
    fn helpers_that_sleep_are_woken() {
        let pool = pool(1);
        for _ in 0..3 {
            // Both pieces must be under way at once for either to end.
            let both = Barrier::new(2);
            pool.share(2, &|_| {
                both.wait();
            });
            // Long enough for it to sleep, or not: either way the next round must find it.
            (0..SPINS * 4).for_each(|_| spin_loop());
        }
    }

    #[test]
    fn nested_and_concurrent_work_is_done() {
        let pool = pool(2);
        let done = AtomicUsize::new(0);
        let count = |_| {
            done.fetch_add(1, Ordering::Relaxed);
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..200).for_each(|_| pool.share(4, &|_| pool.share(5, &count))));
            }
        });
        assert_eq!(done.into_inner(), 3 * 200 * 4 * 5);
    }

    #[test]
    fn a_panic_in_a_piece_reaches_the_caller_after_the_others_have_left() {
        let pool = pool(1);
        let both = Barrier::new(2);
        let mut borrowed = [0; 2];
        let halves: Vec<_> = borrowed.iter_mut().map(std::sync::Mutex::new).collect();
        let caller = thread::current().id();
        for in_caller in [true, false] {
            let shared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.share(2, &|piece| {
                    both.wait();
                    assert_ne!(thread::current().id() == caller, in_caller, "this panic is meant");
                    if let Ok(mut half) = halves[piece].try_lock() {
                        **half += 1;
                    }
                });
            }));
            assert!(shared.is_err());
            assert_eq!(pool.gate.load(Ordering::Relaxed), 0);
        }
    }
}
