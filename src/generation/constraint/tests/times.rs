//! How long it takes to find the allowed tokens. Prints; run it optimised, with `--ignored --nocapture`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Constraint, Random, TokenTrie, Vocabulary, schemas};

/// A vocabulary of about 150,000 tokens, most of them words with and without a space before them.
fn large(random: &mut Random) -> Vocabulary {
    let mut tokens: BTreeSet<Vec<u8>> = Vocabulary::new().tokens.into_iter().collect();
    let syllables =
        ["an", "ber", "ca", "de", "er", "fo", "gi", "ho", "in", "ja", "ko", "lu", "ma", "no", "po", "re", "st", "ti"];
    while tokens.len() < 150_000 {
        let mut word = String::from(random.one_of(&["", " ", " ", " ", "_", ".", "é", "A", "("]));
        (0..1 + random.below(4)).for_each(|_| word.push_str(random.one_of(&syllables)));
        // As in published vocabularies, one token of twenty has a character that is special in JSON.
        if random.below(20) == 0 {
            word.push_str(random.one_of(&["\"", "\":", "\n", "\\"]));
        }
        tokens.insert(word.into_bytes());
    }
    let tokens: Vec<Vec<u8>> = tokens.into_iter().collect();
    let trie = TokenTrie::new(tokens.iter().zip(0..).map(|(token, id)| (id, token))).unwrap();
    Vocabulary { tokens, trie: Arc::new(trie) }
}

#[test]
#[ignore = "prints times"]
fn times_of_masks() {
    let mut random = Random(1);
    let vocabulary = large(&mut random);
    let mut times = Vec::new();
    for schema in schemas::written() {
        let constraint = Constraint::json_schema(&schema).unwrap();
        let minimum = constraint.minimum_budget(&vocabulary.trie).unwrap();
        for budget in [minimum, minimum + 10, minimum + 50, minimum + 300] {
            let mut matcher = vocabulary.matcher(&constraint, budget);
            for left in (1..=budget).rev() {
                if matcher.must_stop() || matcher.is_complete() && random.below(4) == 0 {
                    break;
                }
                let start = Instant::now();
                let mask = matcher.allowed(left);
                times.push(start.elapsed());
                let allowed: Vec<u32> = mask.iter().collect();
                matcher.accept(&vocabulary.tokens[allowed[random.below(allowed.len())] as usize]).unwrap();
            }
        }
    }
    times.sort();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!("{} masks: p50 {:?}, p99 {:?}, largest {:?}", times.len(), at(0.5), at(0.99), times[times.len() - 1]);
}
