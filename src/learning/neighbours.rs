//! What the labels of the most similar texts say.
//!
//! A linear head finds what tells labels apart everywhere, neighbours what is so nearby. Each errs on other texts, so that the
//! mean of both is wrong less often where it is sure, as if there were half as many labels again; and a new label counts at
//! once. Where several labels may apply to a text, there is a vote about each of them.
//!
//! # Source
//! Stone 1977, *Consistent nonparametric regression*, for a number of neighbours that grows slower than that of examples, with
//! weights that fall with the distance.

use super::store::{Origin, Store};

/// At least so many neighbours vote, if there are so many examples.
const LEAST: usize = 5;
/// The weight of a neighbour is exp(-`FALL` · (its distance / the last one's)²).
const FALL: f32 = 6.0;

/// The vote of the nearest examples: as many as the root of how many there are.
#[derive(Clone, Debug)]
pub struct Vote {
    /// The share of each label: how much those that have it count, of all who vote. Empty where nobody votes.
    pub shares: Vec<f32>,
    /// The square of the distance of the farthest of them; infinite without any example.
    pub distance: f32,
}

impl Vote {
    /// That of the examples of `store` nearest to `embedding`, each counting as `weigh` says.
    pub fn new(store: &Store, embedding: &[f32], weigh: impl Fn(&Origin) -> f32) -> Self {
        let count = (store.examples().len() as f64).sqrt().max(LEAST as f64) as usize;
        let mut nearest: Vec<(f32, &Origin)> = Vec::with_capacity(count + 1);
        for example in store.examples() {
            let distance = distance(&example.embedding, embedding);
            if nearest.len() < count || nearest.last().is_some_and(|(last, _)| distance < *last) {
                let at = nearest.partition_point(|(other, _)| *other <= distance);
                nearest.truncate(count - 1);
                nearest.insert(at, (distance, &example.origin));
            }
        }
        let (mut shares, mut total) = (vec![0.0; store.space().labels.len()], 0.0);
        let last = nearest.last().map_or(f32::INFINITY, |(distance, _)| *distance);
        for (distance, origin) in &nearest {
            let weight = (-FALL * distance / last.max(f32::MIN_POSITIVE)).exp() * weigh(origin);
            total += weight;
            origin.labels.indices().iter().for_each(|label| shares[*label] += weight);
        }
        match total > 0.0 {
            true => shares.iter_mut().for_each(|share| *share /= total),
            false => shares.clear(),
        }
        Self { shares, distance: last }
    }
}

/// The square of the distance, in eight sums, which become vector instructions.
fn distance(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (left_parts, right_parts) = (left.chunks_exact(8), right.chunks_exact(8));
    let square = |(a, b): (&f32, &f32)| (a - b) * (a - b);
    let rest: f32 = left_parts.remainder().iter().zip(right_parts.remainder()).map(square).sum();
    for (a, b) in left_parts.zip(right_parts) {
        for (sum, pair) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += square(pair);
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::super::store::{Example, Space};
    use super::*;

    /// Examples on a line at 0, 1, 2 and so on; those from `border` on have the label 1.
    fn store(count: usize, border: usize) -> Store {
        let labels = vec!["a".to_string(), "b".to_string()];
        let mut store =
            Store::new(Space { encoder: String::new(), width: 9, labels, multi_label: false }, 1 << 20).unwrap();
        for at in 0..count {
            let mut embedding = vec![0.5; 9];
            embedding[at % 9] += at as f32;
            embedding[(at + 3) % 9] -= at as f32;
            let origin = Origin {
                labels: usize::from(at >= border).into(),
                propensity: 1.0,
                agreement: 1.0,
                source: 0,
                head: 0,
                time_ms: 0.0,
                key: at as f64 / count as f64,
            };
            store.add(Example { embedding, origin, text: None }).unwrap();
        }
        store
    }

    #[test]
    fn the_nearest_examples_vote_the_nearer_the_more() {
        let store = store(40, 3);
        // Around 0 there are 0, 1 and 2 of the first label at squares 0, 2 and 8, then those of the second one at 18, 32, 50.
        let vote = Vote::new(&store, &[0.5; 9], |_| 1.0);
        assert_eq!(vote.distance, 50.0);
        let weight = |square: f32| (-FALL * square / 50.0).exp();
        let first = weight(0.0) + weight(2.0) + weight(8.0);
        let second = weight(18.0) + weight(32.0) + weight(50.0);
        assert!((vote.shares[0] - first / (first + second)).abs() < 1e-6, "{vote:?}");
        assert!((vote.shares[0] + vote.shares[1] - 1.0).abs() < 1e-6);
        // An example that counts nothing does not vote.
        let other = Vote::new(&store, &[0.5; 9], |origin| origin.labels.indices()[0] as f32);
        assert_eq!(other.shares, [0.0, 1.0]);
    }

    #[test]
    fn about_each_of_several_labels_there_is_a_vote() {
        let labels = ["a", "b", "c"].map(str::to_string).to_vec();
        let mut store =
            Store::new(Space { labels, multi_label: true, ..self::store(0, 0).space().clone() }, 1 << 20).unwrap();
        let origin = self::store(1, 0).examples()[0].origin.clone();
        for (at, labels) in [vec![0, 1], vec![1], vec![], vec![1]].into_iter().enumerate() {
            let origin = Origin { labels: labels.into(), key: at as f64 / 4.0, ..origin.clone() };
            store.add(Example { embedding: vec![0.5; 9], origin, text: None }).unwrap();
        }
        assert_eq!(Vote::new(&store, &[0.5; 9], |_| 1.0).shares, [0.25, 0.75, 0.0]);
        // Those without any label vote, too.
        let none = Vote::new(&store, &[0.5; 9], |origin| f32::from(u8::from(origin.labels.indices().is_empty())));
        assert_eq!(none.shares, [0.0; 3]);
        assert!(Vote::new(&store, &[0.5; 9], |_| 0.0).shares.is_empty());
    }

    #[test]
    fn without_examples_nobody_votes() {
        let vote = Vote::new(&store(0, 0), &[0.0; 9], |_| 1.0);
        assert_eq!((vote.shares, vote.distance), (vec![], f32::INFINITY));
        // All at one place.
        let same = Vote::new(&store(1, 0), &[0.5; 9], |_| 1.0);
        assert_eq!((same.shares, same.distance), (vec![0.0, 1.0], 0.0));
    }
}
