//! Replies of random tokens under constraints.

mod closing;
mod masks;
mod oracle;
mod refusals;
mod regexes;
mod replies;
mod schemas;
mod times;

use std::sync::Arc;

use super::{Constraint, Matcher, TokenTrie};

/// A small vocabulary: all bytes, and tokens of several bytes such as larger vocabularies have.
struct Vocabulary {
    tokens: Vec<Vec<u8>>,
    trie: Arc<TokenTrie>,
}

const WORDS: &str = "{\" {} [] }} }, },{ },{\" }] ]} ], ],\" \"} \"}, \"}] \"}} \"] \"], \"]} \" \", \",\" \": \":\" \":{ \":{\" \":[ \":[\" \
    \":[{\" :\" ,\" [\" [[ [{\" {}} null true false ,null tr ue 00 01 10 12 19 20 25 100 000 2024 2025 -0 0. .0 .5 1. 1, 0, 0} 1} 0] e+ e- \
    -01- -0 :00 :0 T0 Z\" \\\" \\\\ \\n \\u \\u00 \\ud8 \\/ \\t a b the an in on er st re name value items type id kind amount \
    \"name \"type \"id\" \"name\" \"name\":\" \":\"A total date tags street city zip note left right next data é è ü ñ \u{4F60} \u{597D} \
    \u{4F60}\u{597D} \u{1F389} \u{1F600} \u{2028} user@ example .com www. http https:// :// a@ .org abc 0a ff -4 hello world";

impl Vocabulary {
    fn new() -> Self {
        let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
        tokens.extend(WORDS.split(' ').map(|word| word.as_bytes().to_vec()));
        tokens.extend(
            ["  ", "    ", "        ", " the", " of", ". ", "\n", "\r\n", "\" ", ", ", "{ "]
                .map(|word| word.as_bytes().to_vec()),
        );
        // Parts of characters.
        tokens.extend(
            [&b"\xC3"[..], b"\xE4\xBD", b"\xA0\xE5", b"\xF0\x9F", b"\x98\x80", b"\xBD\"", b"a\xC3"].map(<[u8]>::to_vec),
        );
        let trie = TokenTrie::new(tokens.iter().zip(0..).map(|(token, id)| (id, token))).unwrap();
        Self { tokens, trie: Arc::new(trie) }
    }

    fn matcher(&self, constraint: &Constraint, budget: usize) -> Matcher {
        Matcher::new(constraint, &self.trie, budget).unwrap()
    }

    /// A reply of at most `budget` tokens, each a random one of those that are allowed, or that are forced.
    fn reply(&self, constraint: &Constraint, budget: usize, random: &mut Random) -> (Vec<u8>, Matcher) {
        let mut matcher = self.matcher(constraint, budget);
        let mut reply = Vec::new();
        let mut left = budget;
        let mut forced: Vec<u32> = Vec::new();
        while !matcher.must_stop() {
            if matcher.is_complete() && (left == 0 || random.below(4) == 0) {
                break;
            }
            assert!(left > 0, "the budget of {budget} is used up after {}", String::from_utf8_lossy(&reply));
            if forced.is_empty() && random.below(2) == 0 {
                forced = matcher.forced(left);
            }
            let mask = matcher.allowed(left);
            let token = if forced.is_empty() {
                let allowed: Vec<u32> = mask.iter().collect();
                assert!(
                    !allowed.is_empty(),
                    "nothing is allowed after {}, {left} left",
                    String::from_utf8_lossy(&reply)
                );
                allowed[random.below(allowed.len())]
            } else {
                forced.remove(0)
            };
            assert!(mask.contains(token), "a forced token is not allowed after {}", String::from_utf8_lossy(&reply));
            let bytes = &self.tokens[token as usize];
            matcher.accept(bytes).unwrap();
            reply.extend(bytes);
            left -= 1;
        }
        assert!(matcher.is_complete());
        (reply, matcher)
    }
}

/// Random numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ word >> 31) % bound as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }
}
