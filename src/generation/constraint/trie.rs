//! The tokens of a vocabulary as a tree over their bytes.

use super::bytes::ByteSet;
use super::utf8;
use crate::error::{Error, Result};
use crate::sort::sort_by;

/// The largest token id is below this.
const MAX_TOKENS: u32 = 1 << 20;
/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// The most bytes that all tokens have together.
const MAX_BYTES: usize = 1 << 26;
/// The longest plain token that is stored by its length, in characters.
pub const MAX_PLAIN: usize = 16;
/// No token ends at a node.
const NO_TOKEN: u32 = 0xFF_FFFF;

/// A set of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenMask(Vec<u32>);

impl TokenMask {
    fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(32)])
    }

    /// Whether the token with this id is in the set.
    pub fn contains(&self, token: u32) -> bool {
        self.0.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
    }

    /// The ids of the tokens in the set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |(at, &word): (usize, &u32)| {
            (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u32 * 32 + bit)
        };
        self.0.iter().enumerate().flat_map(bits)
    }

    pub(super) fn insert(&mut self, token: u32) {
        self.0[token as usize / 32] |= 1 << (token % 32);
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }
}

/// A node of a tree: a byte, and the token that ends with it. Nodes are stored in depth-first order.
#[derive(Clone, Copy)]
pub(super) struct TrieNode {
    /// Where the nodes below this one end.
    end: u32,
    /// The byte in the lowest 8 bits, the token above.
    word: u32,
}

impl TrieNode {
    pub fn byte(self) -> u8 {
        self.word as u8
    }

    pub fn token(self) -> Option<u32> {
        Some(self.word >> 8).filter(|&token| token != NO_TOKEN)
    }
}

/// The tokens of a vocabulary by their bytes.
///
/// ```
/// use pilot_light::generation::constraint::TokenTrie;
///
/// let bytes = (0..=255u8).map(|byte| (u32::from(byte), vec![byte]));
/// let words = [(256, b"true".to_vec()), (257, b" light".to_vec())];
/// assert!(TokenTrie::new(bytes.chain(words)).is_ok());
/// let error = TokenTrie::new([(0, "a")].into_iter()).err().unwrap();
/// assert!(error.to_string().contains("0x20"));
/// ```
pub struct TokenTrie {
    /// Tokens of at most [`MAX_PLAIN`] plain characters.
    pub(super) plain: Tree,
    /// The other tokens.
    pub(super) other: Tree,
    /// The plain tokens of 1, 2, … characters.
    pub(super) by_length: Vec<TokenMask>,
    /// Tokens with the bytes of another, with that other.
    duplicates: Vec<(u32, u32)>,
    /// The bytes that are a token.
    bytes: ByteSet,
    longest: usize,
    /// One more than the largest id.
    size: usize,
}

impl TokenTrie {
    /// Builds the tree from pairs of an id and the token's bytes. Control tokens, and tokens that are never to be written, are to
    /// be left out.
    ///
    /// # Errors
    /// If an id or a token is too large, a token is empty, or a byte that a text may need at any time is no token: the printable
    /// ASCII characters and the continuation bytes of UTF-8.
    pub fn new(tokens: impl Iterator<Item = (u32, impl AsRef<[u8]>)>) -> Result<Self> {
        let mut text: Vec<u8> = Vec::new();
        let mut entries: Vec<(usize, usize, u32)> = Vec::new();
        for (token, bytes) in tokens {
            let bytes = bytes.as_ref();
            if token >= MAX_TOKENS || bytes.is_empty() || bytes.len() > MAX_TOKEN_BYTES || text.len() > MAX_BYTES {
                return Err(Error::invalid_artefact(format!(
                    "expected tokens with ids below {MAX_TOKENS}, of 1 to {MAX_TOKEN_BYTES} bytes each and {MAX_BYTES} together, \
                     got token {token} of {} bytes after {} bytes",
                    bytes.len(),
                    text.len()
                )));
            }
            entries.push((text.len(), text.len() + bytes.len(), token));
            text.extend(bytes);
        }
        let bytes_of = |&(start, end, _): &(usize, usize, u32)| &text[start..end];
        sort_by(&mut entries, |a, b| bytes_of(a).cmp(bytes_of(b)).then(a.2.cmp(&b.2)));
        let mut duplicates = Vec::new();
        entries.dedup_by(|entry, before| {
            let is_duplicate = bytes_of(entry) == bytes_of(before);
            if is_duplicate {
                duplicates.push((entry.2, before.2));
            }
            is_duplicate
        });

        let mut bytes = ByteSet::default();
        entries.iter().map(bytes_of).filter(|token| token.len() == 1).for_each(|token| bytes = bytes.with(token[0]));
        let missing: Vec<String> = (0x20..=0x7E)
            .chain(0x80..=0xBF)
            .filter(|&byte| !bytes.contains(byte))
            .map(|byte| format!("0x{byte:02x}"))
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Error::unsupported(format!(
                "the vocabulary has no tokens for single bytes that a text may need: {missing}"
            )));
        }

        let size = entries.iter().map(|entry| entry.2 as usize + 1).max().unwrap_or(0);
        let mut by_length = vec![TokenMask::new(size); MAX_PLAIN];
        let (mut plain, mut other) = (Builder::default(), Builder::default());
        for entry in &entries {
            let token = bytes_of(entry);
            match plain_length(token).filter(|_| token.iter().all(|&byte| bytes.contains(byte))) {
                Some(length) => {
                    by_length[length - 1].insert(entry.2);
                    plain.push(token, entry.2);
                }
                None => other.push(token, entry.2),
            }
        }
        let longest = entries.iter().map(|entry| entry.1 - entry.0).max().unwrap_or(0);
        Ok(Self { plain: plain.finish(), other: other.finish(), by_length, duplicates, bytes, longest, size })
    }

    /// The bytes that are a token.
    pub(super) fn bytes(&self) -> &ByteSet {
        &self.bytes
    }

    /// The length of the longest token, in bytes.
    pub(super) fn longest_token(&self) -> usize {
        self.longest
    }

    pub(super) fn empty_mask(&self) -> TokenMask {
        TokenMask::new(self.size)
    }

    /// Adds the tokens that have the same bytes as one in `mask`.
    pub(super) fn add_duplicates(&self, mask: &mut TokenMask) {
        for &(token, same) in &self.duplicates {
            if mask.contains(same) {
                mask.insert(token);
            }
        }
    }

    /// The longest token that `text` begins with, and its length in bytes.
    pub(super) fn longest_prefix(&self, text: &[u8]) -> Option<(u32, usize)> {
        let found = [&self.plain, &self.other].map(|tree| tree.longest_prefix(text));
        found.into_iter().flatten().max_by_key(|found| found.1)
    }

    /// The bytes that follow after `text` in tokens that begin with it and are longer.
    pub(super) fn next_bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut found = Vec::new();
        for tree in [&self.plain, &self.other] {
            let node = text.iter().try_fold(None, |node, &byte| tree.child(node, byte).map(Some));
            if let Some(node) = node {
                found.extend(tree.children(node).map(|child| tree.nodes[child as usize].byte()));
            }
        }
        found
    }
}

/// A tree of tokens over their bytes.
pub(super) struct Tree {
    nodes: Vec<TrieNode>,
    /// For each first byte where its node is, `u32::MAX` without one.
    roots: Box<[u32; 256]>,
}

impl Tree {
    /// Visits the nodes that can be reached. `visit` is given the state before a node, the node, and the nodes from it on that
    /// are below it; it returns the state after it, or none if what is below it is not to be visited.
    pub fn walk<S: Copy>(&self, start: S, mut visit: impl FnMut(S, TrieNode, &[TrieNode]) -> Option<S>) {
        let mut path = vec![(self.nodes.len() as u32, start)];
        let mut at = 0;
        while let Some(&(end, state)) = path.last() {
            if at == end {
                path.pop();
                continue;
            }
            let node = self.nodes[at as usize];
            match visit(state, node, &self.nodes[at as usize..node.end as usize]) {
                Some(next) => {
                    at += 1;
                    if node.end > at {
                        path.push((node.end, next));
                    }
                }
                None => at = node.end,
            }
        }
    }

    /// The child of a node for `byte`; of the root without a node.
    fn child(&self, parent: Option<u32>, byte: u8) -> Option<u32> {
        match parent {
            None => Some(self.roots[usize::from(byte)]).filter(|&at| at != u32::MAX),
            Some(_) => self.children(parent).find(|&at| self.nodes[at as usize].byte() == byte),
        }
    }

    fn children(&self, parent: Option<u32>) -> impl Iterator<Item = u32> {
        let (mut at, end) = match parent {
            None => (0, self.nodes.len() as u32),
            Some(parent) => (parent + 1, self.nodes[parent as usize].end),
        };
        std::iter::from_fn(move || {
            let found = (at < end).then_some(at)?;
            at = self.nodes[found as usize].end;
            Some(found)
        })
    }

    fn longest_prefix(&self, text: &[u8]) -> Option<(u32, usize)> {
        let (mut node, mut found) = (None, None);
        for (at, &byte) in text.iter().enumerate() {
            let Some(child) = self.child(node, byte) else { break };
            if let Some(token) = self.nodes[child as usize].token() {
                found = Some((token, at + 1));
            }
            node = Some(child);
        }
        found
    }
}

/// How many characters a token has, if they are plain and no more than [`MAX_PLAIN`].
fn plain_length(token: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(token).ok()?;
    let length = text.chars().count();
    (length <= MAX_PLAIN && text.chars().all(utf8::is_plain)).then_some(length)
}

/// Makes a tree of tokens in the order of their bytes.
#[derive(Default)]
struct Builder {
    nodes: Vec<TrieNode>,
    /// The nodes of the last token.
    path: Vec<u32>,
}

impl Builder {
    fn push(&mut self, token: &[u8], id: u32) {
        let common =
            self.path.iter().zip(token).take_while(|(at, byte)| self.nodes[**at as usize].byte() == **byte).count();
        self.close(common);
        for &byte in &token[common..] {
            self.path.push(self.nodes.len() as u32);
            self.nodes.push(TrieNode { end: 0, word: NO_TOKEN << 8 | u32::from(byte) });
        }
        if let Some(last) = self.path.last().and_then(|&last| self.nodes.get_mut(last as usize)) {
            last.word = id << 8 | u32::from(last.byte());
        }
    }

    fn close(&mut self, depth: usize) {
        let end = self.nodes.len() as u32;
        for at in self.path.drain(depth..) {
            self.nodes[at as usize].end = end;
        }
    }

    fn finish(mut self) -> Tree {
        self.close(0);
        let mut roots = Box::new([u32::MAX; 256]);
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            roots[usize::from(node.byte())] = at as u32;
            at = node.end as usize;
        }
        Tree { nodes: self.nodes, roots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(words: &[&str]) -> TokenTrie {
        let bytes = (0..=255u8).map(|byte| (u32::from(byte), vec![byte]));
        let words = words.iter().enumerate().map(|(at, word)| (300 + at as u32, word.as_bytes().to_vec()));
        TokenTrie::new(bytes.chain(words)).unwrap()
    }

    #[test]
    fn the_longest_token_is_found() {
        let trie = trie(&["ab", "abcd", "b", "é"]);
        assert_eq!(trie.longest_prefix(b"abc"), Some((300, 2)));
        assert_eq!(trie.longest_prefix(b"abcde"), Some((301, 4)));
        assert_eq!(trie.longest_prefix("é".as_bytes()), Some((303, 2)));
        assert_eq!((trie.longest_prefix(b"b"), trie.longest_prefix(b"")), (Some((98, 1)), None));
        assert_eq!(trie.longest_token(), 4);
        assert_eq!(
            (trie.next_bytes(b"ab"), trie.next_bytes(b"abcd"), trie.next_bytes(b"x")),
            (vec![b'c'], vec![], vec![])
        );
    }

    #[test]
    fn every_token_is_met_once_with_its_bytes() {
        let words = ["ab", "abcd", "abd", "a\"", "\\n", "b b", "éa", "\u{1F389}", "aaaaaaaaaaaaaaaaa"];
        let trie = trie(&words);
        // Of the words those with special characters are apart, of the bytes those that are no characters.
        for (tree, expected) in [(&trie.plain, 93 + 6), (&trie.other, 256 - 93 + words.len() - 6)] {
            let mut found = Vec::new();
            tree.walk([0u8; 24], |mut text, node, _| {
                let length = text.iter().take_while(|&&byte| byte != 0xFF).count().min(23);
                let length = if text == [0; 24] { 0 } else { length };
                text[length] = node.byte();
                text[length + 1] = 0xFF;
                found.extend(node.token().map(|token| (token, text[..=length].to_vec())));
                Some(text)
            });
            assert_eq!(found.len(), expected);
            for (token, text) in found {
                let bytes = match token.checked_sub(300) {
                    Some(word) => words[word as usize].as_bytes().to_vec(),
                    None => vec![token as u8],
                };
                assert_eq!(bytes, text);
            }
        }
    }

    #[test]
    fn plain_tokens_are_known_by_their_length_and_duplicates_are_added() {
        let trie = trie(&["ab", "éa", "a\"", "\u{1F389}", "ab"]);
        let plain: Vec<Vec<u32>> =
            trie.by_length.iter().map(|mask| mask.iter().filter(|&token| token >= 300).collect()).collect();
        assert_eq!(plain[..3], [vec![303], vec![300, 301], vec![]]);
        let mut mask = trie.empty_mask();
        mask.insert(300);
        trie.add_duplicates(&mut mask);
        assert_eq!(mask.iter().collect::<Vec<u32>>(), [300, 304]);
        assert!(mask.contains(304) && !mask.contains(301) && !mask.contains(u32::MAX));
    }

    #[test]
    fn a_vocabulary_that_cannot_write_a_text_is_refused() {
        let error = |tokens: Vec<(u32, Vec<u8>)>| TokenTrie::new(tokens.into_iter()).err().unwrap().to_string();
        let without: Vec<(u32, Vec<u8>)> =
            (0..=255u8).filter(|&byte| byte != b'}' && byte != 0x9D).map(|byte| (byte.into(), vec![byte])).collect();
        assert!(error(without).ends_with("0x7d, 0x9d"));
        assert!(error(vec![(MAX_TOKENS, vec![1])]).contains("ids below"));
        assert!(error(vec![(1, vec![])]).contains("of 0 bytes"));
        assert!(error(vec![(1, vec![b'a'; MAX_TOKEN_BYTES + 1])]).contains("of 4097 bytes"));
    }
}
