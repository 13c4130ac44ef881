//! The one answer to a text, as a cascade needs it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::record::is_same_value;
use super::{EntityGroup, ExtractedRecord, TextReading};
use crate::graph::ComputeCost;

/// What the answers of a task in a cascade are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// One label of a list.
    Label,
    /// The entities of the text.
    Entities,
}

/// One text's answer, and the model's confidence in it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalAnswer {
    /// The answer.
    pub output: AnswerOutput,
    /// From 0 to 1, before calibration. For labels, the probability of the likeliest; for labels that the model was not
    /// trained on, [its margin](super::ZeroShot::confidence) over the second; for entities, the probability of the least
    /// certain token; for a record, the confidence of its least certain field.
    pub confidence: f64,
    /// Whether the model read only the beginning of the text.
    pub truncated: bool,
    /// What it cost; of texts that went through the model together, an equal part.
    pub work: ComputeCost,
}

impl LocalAnswer {
    /// A label.
    pub(super) fn label(label: String, score: f64, confidence: f64, reading: TextReading) -> Self {
        let output = AnswerOutput::Label(Answer { label, score: Some(score) });
        Self { output, confidence, truncated: reading.truncated, work: reading.cost }
    }
}

/// What an answer is: a label, all labels that apply, the entities of the text, or a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(untagged)]
pub enum AnswerOutput {
    /// Of a classification.
    Label(Answer),
    /// Of a classification by which several labels may apply, or none.
    Labels(Answers),
    /// Of `token-classification`.
    Entities(Vec<EntityGroup>),
    /// Of information extraction.
    Record(ExtractedRecord),
}

impl AnswerOutput {
    /// Whether it is the same answer: the same label, the same set of labels, the same set of entities at the same offsets, or a record of the same
    /// values. Scores, order and repetitions do not count.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(ours), Self::Label(theirs)) => ours.label == theirs.label,
            (Self::Labels(ours), Self::Labels(theirs)) => ours.as_set() == theirs.as_set(),
            (Self::Entities(ours), Self::Entities(theirs)) => as_set(ours) == as_set(theirs),
            (Self::Record(ours), Self::Record(theirs)) => is_same_value(&ours.value, &theirs.value),
            _ => false,
        }
    }

    /// The labels that occur in it.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let (answers, groups) = match self {
            Self::Label(answer) => (std::slice::from_ref(answer), &[][..]),
            Self::Labels(answers) => (answers.labels.as_slice(), &[][..]),
            Self::Entities(groups) => (&[][..], groups.as_slice()),
            Self::Record(_) => (&[][..], &[][..]),
        };
        let labels = answers.iter().map(|answer| answer.label.as_str());
        labels.chain(groups.iter().map(|group| group.entity_group.as_str()))
    }
}

fn as_set(groups: &[EntityGroup]) -> BTreeSet<(&str, usize, usize)> {
    crate::sort::set(groups.iter().map(|group| (group.entity_group.as_str(), group.start, group.end)))
}

/// A label as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Answer {
    /// The label.
    pub label: String,
    /// Its score as it comes from the model; that of a remote model is its probability, where its server was asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub score: Option<f64>,
}

/// All labels that apply to a text as an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Answers {
    /// Each with its own score, in the order in which the labels were given; none where no label applies.
    pub labels: Vec<Answer>,
}

impl Answers {
    fn as_set(&self) -> BTreeSet<&str> {
        crate::sort::set(self.labels.iter().map(|answer| answer.label.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(found: &[(&str, usize, usize)]) -> AnswerOutput {
        let group = |&(label, start, end): &(&str, usize, usize)| EntityGroup {
            entity_group: label.to_string(),
            score: Some(start as f64),
            word: String::new(),
            start,
            end,
        };
        AnswerOutput::Entities(found.iter().map(group).collect())
    }

    #[test]
    fn entities_are_the_same_as_a_set() {
        let both = entities(&[("PER", 0, 3), ("LOC", 8, 11)]);
        assert!(both.says_the_same(&entities(&[("LOC", 8, 11), ("PER", 0, 3), ("LOC", 8, 11)])));
        for other in [&[("PER", 0, 3)][..], &[("PER", 0, 3), ("PER", 8, 11)], &[("PER", 0, 3), ("LOC", 8, 12)], &[]] {
            assert!(!both.says_the_same(&entities(other)), "{other:?}");
        }
        assert!(entities(&[]).says_the_same(&entities(&[])));
        assert_eq!(both.labels().collect::<Vec<_>>(), ["PER", "LOC"]);
    }

    #[test]
    fn records_are_the_same_by_their_values() {
        let record = |json: &str| AnswerOutput::Record(ExtractedRecord::of(serde_json::from_str(json).unwrap()));
        let ours = record(r#"{"total":12,"items":["a",{"b":null}]}"#);
        assert!(ours.says_the_same(&record(r#"{"items":["a",{"b":null}],"total":12.0}"#)));
        for other in [r#"{"total":12}"#, r#"{"total":13,"items":["a",{"b":null}]}"#, r#"{"total":12,"items":["a"]}"#] {
            assert!(!ours.says_the_same(&record(other)), "{other}");
        }
        // What is written without a tag is read as what it was.
        for answer in [ours, label("ham", Some(0.5)), labels(&["a"]), labels(&[]), entities(&[("PER", 0, 3)])] {
            let json = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<AnswerOutput>(&json).unwrap(), answer);
        }
    }

    fn label(label: &str, score: Option<f64>) -> AnswerOutput {
        AnswerOutput::Label(Answer { label: label.to_string(), score })
    }

    fn labels(labels: &[&str]) -> AnswerOutput {
        let labels = labels.iter().map(|label| Answer { label: label.to_string(), score: None });
        AnswerOutput::Labels(Answers { labels: labels.collect() })
    }

    #[test]
    fn several_labels_are_the_same_as_a_set() {
        let both = labels(&["a", "b"]);
        assert!(both.says_the_same(&labels(&["b", "a"])) && labels(&[]).says_the_same(&labels(&[])));
        for other in [labels(&["a"]), labels(&["a", "c"]), labels(&[]), label("a", None)] {
            assert!(!both.says_the_same(&other), "{other:?}");
        }
        assert!(!labels(&["a"]).says_the_same(&label("a", None)));
        assert_eq!(both.labels().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn labels_are_the_same_whatever_their_score() {
        assert!(label("ham", Some(0.5)).says_the_same(&label("ham", None)));
        assert!(!label("ham", None).says_the_same(&label("spam", None)));
        assert!(!label("ham", None).says_the_same(&entities(&[])));
    }
}
