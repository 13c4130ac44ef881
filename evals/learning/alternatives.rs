//! Ways without a promise: a threshold that was picked by eye, and a vote of nearest neighbours.

use pilot_light::learning::predict;

use crate::Result;
use crate::learner::only;
use crate::run::{Random, Way};
use crate::stream::{Data, dot};

/// A confidence, and a share of votes, that is picked by eye.
const BY_EYE: f32 = 0.9;
/// Neighbours that vote.
const NEIGHBOURS: usize = 10;
/// Labels before they do.
const LEAST: usize = 50;

/// The head that is made of descriptions, which never learns.
pub struct FixedThreshold<'a>(&'a Data);

impl<'a> FixedThreshold<'a> {
    pub fn new(data: &'a Data) -> Self {
        Self(data)
    }
}

impl Way for FixedThreshold<'_> {
    fn decide(&mut self, embedding: &[f32], _: &mut Random) -> Result<(usize, bool)> {
        let found = predict(&self.0.start, embedding, false);
        Ok((only(&found), found.confidence >= BY_EYE))
    }

    fn observe(&mut self, _: &[f32], _: usize, _: &mut Random) -> Result<()> {
        Ok(())
    }

    fn keeps(&self, embedding: &[f32]) -> Option<usize> {
        let found = predict(&self.0.start, embedding, false);
        (found.confidence >= BY_EYE).then(|| only(&found))
    }
}

/// The labels of the most similar texts, all of which are kept.
pub struct NearestNeighbours {
    embeddings: Vec<f32>,
    labels: Vec<usize>,
    classes: usize,
}

impl NearestNeighbours {
    pub fn new(data: &Data) -> Self {
        Self { embeddings: Vec::new(), labels: Vec::new(), classes: data.labels.len() }
    }

    /// The label with the most votes, and its share.
    fn vote(&self, embedding: &[f32]) -> (usize, f32) {
        if self.labels.len() < LEAST {
            return (0, 0.0);
        }
        let rows = self.embeddings.chunks_exact(embedding.len()).zip(&self.labels);
        let mut similar: Vec<(f32, usize)> = rows.map(|(row, label)| (dot(row, embedding), *label)).collect();
        similar.select_nth_unstable_by(NEIGHBOURS - 1, |a, b| b.0.total_cmp(&a.0));
        let mut votes = vec![0; self.classes];
        similar[..NEIGHBOURS].iter().for_each(|(_, label)| votes[*label] += 1);
        let (label, most) = votes.iter().enumerate().max_by_key(|(_, votes)| **votes).unwrap_or((0, &0));
        (label, *most as f32 / NEIGHBOURS as f32)
    }
}

impl Way for NearestNeighbours {
    fn decide(&mut self, embedding: &[f32], _: &mut Random) -> Result<(usize, bool)> {
        let (label, share) = self.vote(embedding);
        Ok((label, share >= BY_EYE))
    }

    fn observe(&mut self, embedding: &[f32], label: usize, _: &mut Random) -> Result<()> {
        self.embeddings.extend(embedding);
        self.labels.push(label);
        Ok(())
    }

    fn keeps(&self, embedding: &[f32]) -> Option<usize> {
        let (label, share) = self.vote(embedding);
        (share >= BY_EYE).then_some(label)
    }
}
