//! A thread pool for kernels. With one thread, that thread does all pieces in order.
//!
//! Each piece is computed by one thread from beginning to end, and in the same way by any of them. Results are therefore
//! equal to the last bit for any number of threads.

mod pool;
mod tile;

use std::ops::Range;
use std::sync::Mutex;

use pool::Pool;
pub use tile::Tile;

/// The pool of this process; in a page, of this instance.
static POOL: Pool = Pool::new();

/// Makes the calling thread a helper, for ever.
pub fn help() -> ! {
    POOL.help()
}

/// Starts helper threads until there are `count` threads with the calling one, or as many as the system allows.
/// In a page, workers call `help` instead.
#[cfg(not(target_family = "wasm"))]
pub fn start_threads(count: usize) {
    for _ in threads()..count {
        // On an error the other threads do its work.
        let _ = std::thread::Builder::new().name("helper".to_string()).spawn(|| help());
    }
}

/// Reports that a thread has stopped in the middle of a piece, so that no other thread waits for it.
#[cfg(feature = "web")]
pub fn fail() {
    POOL.fail();
}

/// The number of threads, the calling one included.
pub fn threads() -> usize {
    1 + POOL.helpers()
}

/// Calls `work` with every index below `pieces`, and returns when all calls have returned.
pub fn for_each_piece(pieces: usize, work: impl Fn(usize) + Sync) {
    POOL.share(pieces, &work);
}

/// Calls `work` with each of `items` and its index.
pub fn for_each<T: Send>(items: Vec<T>, work: impl Fn(usize, T) + Sync) {
    // A lock that is never contended: each item is taken once.
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    for_each_piece(items.len(), |at| {
        let item = items[at].try_lock().ok().and_then(|mut item| item.take());
        if let Some(item) = item {
            work(at, item);
        }
    });
}

/// Adjacent ranges.
pub type Parts = Vec<Range<usize>>;

/// `0..count` as one range.
pub fn whole(count: usize) -> Parts {
    std::iter::once(0..count).collect()
}

/// `0..count` in ranges for the threads: multiples of `unit` except for the last, and not shorter than `least`. There are
/// two for each thread, so that a thread that is held up leaves more to the others.
pub fn split(count: usize, unit: usize, least: usize) -> Parts {
    split_among(threads(), count, unit, least)
}

fn split_among(threads: usize, count: usize, unit: usize, least: usize) -> Parts {
    let wanted = if threads == 1 { 1 } else { 2 * threads };
    let each = count.div_ceil(wanted).max(least).max(1).next_multiple_of(unit.max(1));
    (0..count.max(1)).step_by(each).map(|start| start..count.min(start + each)).collect()
}

/// Starts a helper thread where there is no helper yet, for tests.
#[cfg(all(test, not(target_family = "wasm")))]
pub fn start_helper() {
    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        start_threads(2);
    });
    while threads() == 1 {
        std::thread::yield_now();
    }
}

/// In a browser these tests have one thread; `tests/web/builds.test.mjs` has several.
#[cfg(all(test, target_family = "wasm"))]
pub fn start_helper() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_next_to_each_other_and_long_enough() {
        for threads in 1..5 {
            for count in [0, 1, 7, 64, 65, 384, 1000] {
                let parts = split_among(threads, count, 8, 64);
                assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, count));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() >= 64));
                assert!(parts.len() <= 2 * threads && parts.iter().all(|part| part.start % 8 == 0));
            }
        }
        assert_eq!(split_among(1, 1000, 8, 64), whole(1000));
        assert_eq!(split_among(2, 384, 8, 64), [0..96, 96..192, 192..288, 288..384]);
    }

    #[test]
    fn every_item_comes_with_its_index() {
        start_helper();
        let mut numbers = [0; 23];
        for_each(numbers.chunks_mut(5).collect(), |at, chunk: &mut [usize]| {
            chunk.iter_mut().for_each(|number| *number += at + 1);
        });
        assert!(numbers.iter().enumerate().all(|(at, number)| *number == at / 5 + 1));
    }
}
