//! Queue: a cap on requests under way; the others wait, first come first served.

use std::collections::{BTreeSet, VecDeque};

/// Requests by the number of their call.
#[derive(Debug)]
pub struct Queue {
    width: usize,
    longest: usize,
    under_way: BTreeSet<u32>,
    waiting: VecDeque<u32>,
}

/// Whether a request may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// At once.
    Starts,
    /// When [`Queue::leave`] names it.
    Waits,
    /// Never: too many wait already.
    Full,
}

impl Queue {
    /// Lets `width` requests be under way and `longest` wait.
    pub fn new(width: usize, longest: usize) -> Self {
        Self { width: width.max(1), longest, under_way: BTreeSet::new(), waiting: VecDeque::new() }
    }

    /// A request that is not in it arrives.
    pub fn enter(&mut self, call: u32) -> Entered {
        if self.under_way.len() < self.width {
            self.under_way.insert(call);
            Entered::Starts
        } else if self.waiting.len() < self.longest {
            self.waiting.push_back(call);
            Entered::Waits
        } else {
            Entered::Full
        }
    }

    /// A request is over, or not wanted any more, wherever it stands. The one that may start in its place.
    #[must_use]
    pub fn leave(&mut self, call: u32) -> Option<u32> {
        if !self.under_way.remove(&call) {
            self.waiting.retain(|waiting| *waiting != call);
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.under_way.insert(next);
        Some(next)
    }

    /// Whether a request has started, and is not over.
    pub fn has_started(&self, call: u32) -> bool {
        self.under_way.contains(&call)
    }

    /// How many are under way, and how many wait.
    pub fn counts(&self) -> (usize, usize) {
        (self.under_way.len(), self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served() {
        let mut queue = Queue::new(2, 2);
        let entered: Vec<_> = (1..=5).map(|call| queue.enter(call)).collect();
        use Entered::{Full, Starts, Waits};
        assert_eq!(entered, [Starts, Starts, Waits, Waits, Full]);
        assert_eq!(queue.leave(2), Some(3));
        assert_eq!((queue.leave(4), queue.leave(9), queue.leave(1)), (None, None, None));
        assert_eq!((queue.enter(6), queue.counts()), (Starts, (2, 0)));
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn each_starts_once_and_in_order(width in 1_usize..4, longest in 0_usize..6, leaves in proptest::collection::vec(0_u32..40, 0..120)) {
            let mut queue = Queue::new(width, longest);
            let (mut started, mut gone, mut arrived) = (Vec::new(), BTreeSet::new(), 0);
            for leave in leaves {
                if leave % 2 == 0 {
                    arrived += 1;
                    match queue.enter(arrived) {
                        Entered::Starts => started.push(arrived),
                        Entered::Waits => {}
                        Entered::Full => { gone.insert(arrived); }
                    }
                } else if leave <= arrived && gone.insert(leave) {
                    started.extend(queue.leave(leave));
                }
                let (under_way, waiting) = queue.counts();
                proptest::prop_assert!(under_way <= width && waiting <= longest);
                proptest::prop_assert!(waiting == 0 || under_way == width);
                proptest::prop_assert_eq!(under_way + waiting + gone.len(), arrived as usize);
            }
            proptest::prop_assert!(started.is_sorted_by(|a, b| a < b));
        }
    }
}
