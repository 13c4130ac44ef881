//! The engine: one thread that computes, and those whose requests it computes in turns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::error::ApiError;

/// What a request needs computed, in steps of one pass of a model each. It sends its results itself.
pub trait Work: Send {
    /// Whether its client has left.
    fn is_abandoned(&self) -> bool;

    /// Goes on by one pass, and returns whether there is more to do. Does nothing for a client that has left.
    fn step(&mut self) -> bool;
}

/// The thread that computes. What is active goes on in turns, one step each; what is beyond the slots waits in order.
pub struct Engine(Arc<Shared>);

/// How much work there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    pub slots: usize,
    pub active: usize,
    pub queued: usize,
}

struct Shared {
    slots: usize,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Box<dyn Work>>,
    active: usize,
}

/// The most requests that wait.
const MAX_QUEUE: usize = 256;

impl Engine {
    /// Starts the thread. It ends with the process.
    pub fn start(slots: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { slots, state: Mutex::default(), arrived: Condvar::new() });
        let engine = Self(shared.clone());
        std::thread::Builder::new().name("engine".to_string()).spawn(move || shared.run())?;
        Ok(engine)
    }

    /// Queues work.
    ///
    /// # Errors
    /// Busy: too many wait.
    pub fn push(&self, work: Box<dyn Work>) -> Result<(), ApiError> {
        let mut state = self.0.state();
        state.queue.retain(|work| !work.is_abandoned());
        if state.queue.len() >= MAX_QUEUE {
            return Err(ApiError::busy(state.queue.len()));
        }
        state.queue.push_back(work);
        self.0.arrived.notify_one();
        Ok(())
    }

    pub fn load(&self) -> Load {
        let state = self.0.state();
        Load { slots: self.0.slots, active: state.active, queued: state.queue.len() }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock but where memory ends.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> ! {
        let mut active = Vec::with_capacity(self.slots);
        loop {
            self.fill(&mut active);
            active.retain_mut(|work: &mut Box<dyn Work>| step(&mut **work));
        }
    }

    /// Gives free slots to what waits, and waits until there is work.
    fn fill(&self, active: &mut Vec<Box<dyn Work>>) {
        let mut state = self.state();
        loop {
            while active.len() < self.slots
                && let Some(work) = state.queue.pop_front()
            {
                active.push(work);
            }
            state.active = active.len();
            if !active.is_empty() {
                return;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A step that is one's own fault if it panics: its client is told, and the others go on.
fn step(work: &mut dyn Work) -> bool {
    catch_unwind(AssertUnwindSafe(|| work.step())).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Takes `steps` steps, and tells of each.
    struct Counted {
        name: char,
        steps: usize,
        is_abandoned: bool,
        told: Sender<char>,
    }

    impl Work for Counted {
        fn is_abandoned(&self) -> bool {
            self.is_abandoned
        }

        fn step(&mut self) -> bool {
            assert!(self.name != '!', "a bug");
            let _ = self.told.send(self.name);
            self.steps -= 1;
            self.steps > 0
        }
    }

    /// Waits in its only step until it is released.
    struct Held(Receiver<()>);

    impl Work for Held {
        fn is_abandoned(&self) -> bool {
            false
        }

        fn step(&mut self) -> bool {
            let _ = self.0.recv();
            false
        }
    }

    /// An engine whose first slot is taken until the sender is dropped.
    fn held(slots: usize) -> (Engine, Sender<()>) {
        let (release, released) = channel();
        let engine = Engine::start(slots).unwrap();
        engine.push(Box::new(Held(released))).unwrap();
        while engine.load().active == 0 {
            std::thread::yield_now();
        }
        (engine, release)
    }

    #[test]
    fn active_work_goes_on_in_turns_and_the_rest_waits_in_order() {
        let (engine, release) = held(2);
        let (told, heard) = channel();
        let work = |name, steps| Box::new(Counted { name, steps, is_abandoned: false, told: told.clone() });
        for (name, steps) in [('a', 3), ('b', 2), ('!', 1), ('c', 1)] {
            engine.push(work(name, steps)).unwrap();
        }
        assert_eq!(engine.load(), Load { slots: 2, active: 1, queued: 4 });
        drop(release);
        let order: String = (0..6).map(|_| heard.recv_timeout(Duration::from_secs(10)).unwrap()).collect();
        // One that panics takes a slot for one step.
        assert_eq!(order, "ababac", "expected two at once");
        while engine.load().active > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_queue_is_bounded_and_who_left_does_not_count() {
        let (engine, _release) = held(1);
        let (told, _heard) = channel();
        let work = |is_abandoned| Box::new(Counted { name: 'a', steps: 1, is_abandoned, told: told.clone() });
        for _ in 0..MAX_QUEUE {
            engine.push(work(false)).unwrap();
        }
        assert_eq!(engine.push(work(false)), Err(ApiError::busy(MAX_QUEUE)));
        let (engine, _release) = held(1);
        for _ in 0..2 * MAX_QUEUE {
            engine.push(work(true)).unwrap();
        }
        assert_eq!(engine.load().queued, 1);
    }
}
