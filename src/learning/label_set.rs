//! What a text is called: one label, or all that apply to it.

use serde::{Deserialize, Serialize};

use crate::sort::sort;

/// The labels of a text by their indices: exactly one where each text has one label, else any number of them, or none.
///
/// ```
/// use pilot_light::learning::LabelSet;
///
/// let both: LabelSet = [3, 1, 3].into_iter().collect();
/// assert_eq!(both.indices(), [1, 3]);
/// assert_eq!(LabelSet::from(2).indices(), [2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<usize>")]
pub struct LabelSet(Vec<usize>);

impl LabelSet {
    /// The labels, rising, each once.
    pub fn indices(&self) -> &[usize] {
        &self.0
    }
}

impl From<usize> for LabelSet {
    fn from(label: usize) -> Self {
        Self(vec![label])
    }
}

impl From<Vec<usize>> for LabelSet {
    fn from(mut labels: Vec<usize>) -> Self {
        sort(&mut labels);
        labels.dedup();
        Self(labels)
    }
}

impl FromIterator<usize> for LabelSet {
    fn from_iter<I: IntoIterator<Item = usize>>(labels: I) -> Self {
        Self::from(labels.into_iter().collect::<Vec<_>>())
    }
}
