//! Vocabularies: token texts and their ids, in one buffer.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Token texts with their ids, found by either. 250,000 of them, as multilingual models have, are three allocations.
#[derive(Default)]
pub struct Vocabulary {
    text: String,
    /// The entries, in the order in which they were added.
    entries: Vec<Entry>,
    by_text: HashTable<u32>,
    /// The entry of each id, plus one; 0 for an id without one.
    by_id: Vec<u32>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    length: u32,
    id: u32,
}

/// The largest id of a token. Larger ones are in no file, and the table of ids is dense.
const MAX_ID: u32 = 1 << 24;

impl Vocabulary {
    /// Adds `text` as `id`; a text that is there already gets the new id. `false` if the id is too large.
    pub fn insert(&mut self, text: &str, id: u32) -> bool {
        let Ok(start) = u32::try_from(self.text.len()) else { return false };
        if id >= MAX_ID {
            return false;
        }
        let index = match self.find(text) {
            Some(index) => {
                self.entries[index].id = id;
                index
            }
            None => {
                self.text.push_str(text);
                self.entries.push(Entry { start, length: text.len() as u32, id });
                let (entries, buffer, hasher) = (&self.entries, &self.text, &self.hasher);
                let index = entries.len() - 1;
                let hash_of = |&index: &u32| hasher.hash_one(text_of(buffer, entries[index as usize]));
                self.by_text.insert_unique(hasher.hash_one(text), index as u32, hash_of);
                index
            }
        };
        if self.by_id.len() <= id as usize {
            self.by_id.resize(id as usize + 1, 0);
        }
        self.by_id[id as usize] = index as u32 + 1;
        true
    }

    /// Makes a text unknown to [`id`](Self::id); its id keeps it.
    pub fn hide(&mut self, text: &str) {
        let Self { text: buffer, entries, by_text, hasher, .. } = self;
        let same = |&index: &u32| text_of(buffer, entries[index as usize]) == text;
        if let Ok(found) = by_text.find_entry(hasher.hash_one(text), same) {
            found.remove();
        }
    }

    fn find(&self, text: &str) -> Option<usize> {
        let same = |&index: &u32| text_of(&self.text, self.entries[index as usize]) == text;
        self.by_text.find(self.hasher.hash_one(text), same).map(|&index| index as usize)
    }

    /// The id of `text`.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.find(text).map(|index| self.entries[index].id)
    }

    /// The text of `id`.
    pub fn token(&self, id: u32) -> Option<&str> {
        let index = self.by_id.get(id as usize)?.checked_sub(1)?;
        self.entries.get(index as usize).map(|&entry| text_of(&self.text, entry))
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// One more than the largest id.
    pub fn ids(&self) -> u32 {
        self.by_id.len() as u32
    }

    /// The texts with their ids, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.entries.iter().map(|&entry| (text_of(&self.text, entry), entry.id))
    }
}

fn text_of(buffer: &str, entry: Entry) -> &str {
    &buffer[entry.start as usize..(entry.start + entry.length) as usize]
}

/// The field `vocab` of a model: ids by text, or, for Unigram, a list of texts with their scores.
#[derive(Default)]
pub struct VocabularyField {
    pub vocabulary: Vocabulary,
    /// The score of each token of a list, by id.
    pub scores: Option<Vec<f64>>,
}

impl<'de> Deserialize<'de> for VocabularyField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = VocabularyField;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("ids by token, or a list of tokens and scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VocabularyField, A::Error> {
                let mut vocabulary = Vocabulary::default();
                while let Some(token) = map.next_key_seed(Text)? {
                    let id: u32 = map.next_value()?;
                    if !vocabulary.insert(&token, id) {
                        return Err(serde::de::Error::custom(format!("expected ids below {MAX_ID}, got {id}")));
                    }
                }
                Ok(VocabularyField { vocabulary, scores: None })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<VocabularyField, A::Error> {
                let (mut vocabulary, mut scores) = (Vocabulary::default(), Vec::new());
                while let Some(ScoredToken(token, score)) = list.next_element()? {
                    if !vocabulary.insert(&token, scores.len() as u32) {
                        return Err(serde::de::Error::custom(format!("expected at most {MAX_ID} tokens")));
                    }
                    scores.push(score);
                }
                Ok(VocabularyField { vocabulary, scores: Some(scores) })
            }
        }

        deserializer.deserialize_any(Fields)
    }
}

/// A token and its score.
struct ScoredToken<'a>(Cow<'a, str>, f64);

impl<'de: 'a, 'a> Deserialize<'de> for ScoredToken<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;

        impl<'de> Visitor<'de> for Pair {
            type Value = ScoredToken<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a token and its score")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ScoredToken<'de>, A::Error> {
                match (list.next_element_seed(Text)?, list.next_element()?) {
                    (Some(token), Some(score)) => Ok(ScoredToken(token, score)),
                    _ => Err(serde::de::Error::custom("expected a token and its score")),
                }
            }
        }

        deserializer.deserialize_seq(Pair)
    }
}

/// Reads a string, borrowed where it has no escapes: serde's own `Cow` copies it.
pub struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let map: VocabularyField = serde_json::from_str(r#"{"a": 3, "b\"c": 1, "a": 4}"#).unwrap();
        let mut vocabulary = map.vocabulary;
        assert_eq!([vocabulary.id("a"), vocabulary.id("b\"c"), vocabulary.id("")], [Some(4), Some(1), None]);
        assert_eq!([vocabulary.token(4), vocabulary.token(2), vocabulary.token(9)], [Some("a"), None, None]);
        assert_eq!((vocabulary.len(), vocabulary.ids()), (2, 5));

        vocabulary.hide("a");
        vocabulary.hide("none");
        assert_eq!((vocabulary.id("a"), vocabulary.token(4), vocabulary.id("b\"c")), (None, Some("a"), Some(1)));

        let list: VocabularyField = serde_json::from_str(r#"[["x", -1.5], ["y", 0]]"#).unwrap();
        assert_eq!(list.scores, Some(vec![-1.5, 0.0]));
        assert_eq!(list.vocabulary.id("y"), Some(1));

        for wrong in ["3", r#"{"a": -1}"#, r#"{"a": 4000000000}"#, r#"[["a"]]"#, r#"{"a": "b"}"#] {
            assert!(serde_json::from_str::<VocabularyField>(wrong).is_err(), "{wrong}");
        }
    }
}
