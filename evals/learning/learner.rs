//! The learner of the library.

use pilot_light::learning::{Counters, Decision, LearnOptions, Learner, Prediction, RemoteLabels, Route, Space, Store};

use crate::Result;
use crate::run::{Random, Way};
use crate::stream::Data;

pub struct Learning {
    learner: Learner,
    labels: Vec<String>,
    decision: Option<Decision>,
    /// Texts and changes so far.
    texts: u64,
    version: u64,
}

impl Learning {
    pub fn new(data: &Data, options: LearnOptions) -> Result<Self> {
        let space = Space {
            encoder: "all-MiniLM-L6-v2".to_string(),
            width: data.width,
            labels: data.labels.clone(),
            multi_label: false,
        };
        let store = Store::new(space, options.store_bytes)?;
        let learner = Learner::new(store, data.start.clone(), options)?;
        Ok(Self { learner, labels: data.labels.clone(), decision: None, texts: 0, version: 0 })
    }

    fn state(&self) -> (u64, Option<f32>) {
        (self.learner.version(), self.learner.in_charge().1)
    }
}

/// The label of a text that has one.
pub fn only(prediction: &Prediction) -> usize {
    prediction.labels.indices().first().copied().unwrap_or_default()
}

impl Way for Learning {
    fn decide(&mut self, embedding: &[f32], random: &mut Random) -> Result<(usize, bool)> {
        let before = self.state();
        self.texts += 1;
        let decision = self.learner.decide(embedding, self.texts as f64, random.next())?;
        let decided = (only(&decision.prediction), decision.route == Route::Local);
        self.decision = Some(decision);
        self.version += u64::from(self.state() != before);
        Ok(decided)
    }

    fn observe(&mut self, embedding: &[f32], label: usize, random: &mut Random) -> Result<()> {
        let decision = self.decision.take().ok_or("no text was decided about")?;
        let before = self.state();
        let answer = RemoteLabels { labels: &[&self.labels[label]], agreement: 1.0, source: 0 };
        self.learner.observe(embedding, &decision, answer, self.texts as f64, random.next())?;
        while self.learner.work(u64::MAX)? {}
        self.version += u64::from(self.state() != before);
        Ok(())
    }

    fn keeps(&self, embedding: &[f32]) -> Option<usize> {
        let threshold = self.learner.in_charge().1?;
        let found = self.learner.predict(embedding).ok()?;
        (found.confidence >= threshold).then(|| only(&found))
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn counters(&self) -> Option<Counters> {
        Some(self.learner.counters())
    }
}
