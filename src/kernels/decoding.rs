//! Causal attention of a decoder over a cache of keys and values.

use std::ops::Range;

use super::gemm::LEAST_SHARED;
use super::parallel::{self, Tile};
use super::softmax::softmax;
use crate::error::{Error, Result};

/// Queries that are multiplied with a key while it is in the cache.
const QUERIES: usize = 4;
/// Numbers of a key or a value that are multiplied at once.
const COLUMNS: usize = 8;

/// What a head computes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, each for as many of queries.
    pub groups: usize,
    /// The size of a head.
    pub size: usize,
    /// The factor of the scores.
    pub scale: f32,
    /// The keys that a query sees, its own included; `None`: all before it.
    pub window: Option<usize>,
}

/// The keys or the values of the tokens so far, `[groups, room, size]`.
pub struct Cache {
    /// Heads.
    pub groups: usize,
    /// The size of a head.
    pub size: usize,
    /// Tokens that there is memory for.
    pub room: usize,
    /// The numbers.
    pub numbers: Vec<f32>,
}

impl Cache {
    /// Moves the first `count` tokens to memory for `room`.
    ///
    /// # Errors
    /// Invalid input: there is not enough memory.
    pub fn grow(&mut self, count: usize, room: usize) -> Result<()> {
        if room == self.room {
            return Ok(());
        }
        let (old, new) = (self.room * self.size, room * self.size);
        let mut numbers = Vec::new();
        let fits = numbers.try_reserve_exact(self.groups * new).is_ok();
        if !fits {
            return Err(Error::invalid_input(format!("there is not enough memory for the keys of {room} tokens")));
        }
        for group in 0..self.groups {
            numbers.extend_from_slice(&self.numbers[group * old..][..count * self.size]);
            numbers.resize((group + 1) * new, 0.0);
        }
        (self.room, self.numbers) = (room, numbers);
        Ok(())
    }

    /// Writes `new`, `[tokens, groups, size]`, behind the first `before` tokens.
    pub fn append(&mut self, before: usize, new: &[f32]) {
        let (size, stride) = (self.size, self.room * self.size);
        for (token, numbers) in new.chunks_exact(self.groups * size).enumerate() {
            for (group, head) in numbers.chunks_exact(size).enumerate() {
                self.numbers[group * stride + (before + token) * size..][..size].copy_from_slice(head);
            }
        }
    }

    /// A head.
    fn group(&self, group: usize) -> &[f32] {
        &self.numbers[group * self.room * self.size..][..self.room * self.size]
    }
}

/// The attention of the queries `q`, `[tokens, heads, size]`, at the positions from `before` on, into `out`, of the same
/// shape. The caches have their keys and values.
///
/// A query is computed in the same way whatever the number of tokens: a text that is read in any portions has equal keys and
/// values to the last bit, so that those of a common beginning can be used again.
pub fn attend(settings: &Settings, q: &[f32], keys: &Cache, values: &Cache, before: usize, out: &mut [f32]) {
    let &Settings { heads, groups, size, .. } = settings;
    let width = heads * size;
    let tokens = q.len() / width.max(1);
    let each = heads / groups.max(1);
    let head = |index: usize, rows: Range<usize>, out: &mut Tile<'_, f32>| {
        let (keys, values) = (keys.group(index / each), values.group(index / each));
        let mut scores = Vec::new();
        for first in rows.clone().step_by(QUERIES) {
            let queries: [&[f32]; QUERIES] = std::array::from_fn(|at| {
                let token = (first + at).min(rows.end - 1);
                &q[token * width + index * size..][..size]
            });
            let count = QUERIES.min(rows.end - first);
            let block = Block { settings, queries, first: before + first, count };
            block.score(keys, &mut scores);
            block.weigh(&mut scores);
            let rows = first - rows.start..first - rows.start + count;
            block.mix(values, &scores, &mut out.part(rows, 0..size));
        }
    };
    let columns: Vec<_> = (0..heads).map(|head| head * size..(head + 1) * size).collect();
    let work = tokens * (before + tokens) * width;
    let rows = if work < LEAST_SHARED { parallel::whole(tokens) } else { parallel::split(tokens, QUERIES, 16) };
    let mut out = Tile::new(out, width, tokens, width);
    if work < LEAST_SHARED {
        for (index, columns) in columns.into_iter().enumerate() {
            head(index, 0..tokens, &mut out.part(0..tokens, columns));
        }
    } else {
        out.for_each_part(&rows, &columns, |rows, columns, mut out| head(columns.start / size, rows, &mut out));
    }
}

/// Queries of a head that follow each other.
struct Block<'a> {
    settings: &'a Settings,
    /// Behind the last one it is repeated.
    queries: [&'a [f32]; QUERIES],
    /// The position of the first.
    first: usize,
    count: usize,
}

impl Block<'_> {
    /// The keys that the query number `row` sees.
    fn seen(&self, row: usize) -> Range<usize> {
        let end = self.first + row + 1;
        self.settings.window.map_or(0, |window| end.saturating_sub(window))..end
    }

    /// The keys that one of the queries sees.
    fn seen_by_any(&self) -> Range<usize> {
        self.seen(0).start..self.seen(self.count - 1).end
    }

    /// The scores of the queries with each key that one of them sees, `[keys, QUERIES]`.
    fn score(&self, keys: &[f32], scores: &mut Vec<[f32; QUERIES]>) {
        let (size, scale) = (self.settings.size, self.settings.scale);
        let seen = self.seen_by_any();
        scores.clear();
        let keys = keys[seen.start * size..seen.end * size].chunks_exact(size);
        match self.count {
            1 => scores.extend(keys.map(|key| [scale * dots::<1>(&self.queries, key)[0]; QUERIES])),
            _ => scores.extend(keys.map(|key| dots(&self.queries, key).map(|dot| scale * dot))),
        }
    }

    /// Replaces the scores of each query by their softmax, those of keys that it does not see by zero.
    fn weigh(&self, scores: &mut [[f32; QUERIES]]) {
        let first = self.seen_by_any().start;
        let mut weights = Vec::with_capacity(scores.len());
        for row in 0..self.count {
            let seen = self.seen(row).start - first..self.seen(row).end - first;
            weights.clear();
            weights.extend(scores[seen.clone()].iter().map(|scores| scores[row]));
            softmax(&mut weights);
            scores.iter_mut().for_each(|scores| scores[row] = 0.0);
            scores[seen].iter_mut().zip(&weights).for_each(|(scores, weight)| scores[row] = *weight);
        }
    }

    /// The values mixed by the weights of each query.
    fn mix(&self, values: &[f32], weights: &[[f32; QUERIES]], out: &mut Tile<'_, f32>) {
        match self.count {
            1 => self.mix_rows::<1>(values, weights, out),
            _ => self.mix_rows::<QUERIES>(values, weights, out),
        }
    }

    /// [`mix`](Self::mix) for at most `R` queries, whose results are in registers.
    fn mix_rows<const R: usize>(&self, values: &[f32], weights: &[[f32; QUERIES]], out: &mut Tile<'_, f32>) {
        let (size, seen) = (self.settings.size, self.seen_by_any());
        let values = &values[seen.start * size..seen.end * size];
        let seen_by_all = self.seen(self.count - 1).start..self.seen(0).end;
        for start in (0..size).step_by(COLUMNS) {
            let columns = start..size.min(start + COLUMNS);
            let mut sums = [[0.0; COLUMNS]; R];
            for ((key, weights), value) in seen.clone().zip(weights).zip(values.chunks_exact(size)) {
                let value = &value[columns.clone()];
                match <&[f32; COLUMNS]>::try_from(value) {
                    Ok(value) if seen_by_all.contains(&key) => add_value(&mut sums, weights, value, |_| true),
                    // A value that is not finite does not concern those that do not see it.
                    _ => add_value(&mut sums, weights, value, |weight| weight != 0.0),
                }
            }
            for (row, sums) in sums.iter().take(self.count).enumerate() {
                out.row(row, columns.clone()).copy_from_slice(&sums[..columns.len()]);
            }
        }
    }
}

/// The products of the first `R` queries and a key, each in the same order whatever `R` is.
#[inline(always)]
fn dots<const R: usize>(queries: &[&[f32]; QUERIES], key: &[f32]) -> [f32; R] {
    let mut lanes = [[0.0; COLUMNS]; R];
    let (whole, rest) = key.as_chunks::<COLUMNS>();
    for (at, key) in whole.iter().enumerate() {
        for (lanes, query) in lanes.iter_mut().zip(queries) {
            let query = &query[at * COLUMNS..][..COLUMNS];
            lanes.iter_mut().zip(query).zip(key).for_each(|((lane, query), key)| *lane += query * key);
        }
    }
    std::array::from_fn(|row| {
        let rest = rest.iter().zip(&queries[row][key.len() - rest.len()..]);
        rest.fold(lanes[row].into_iter().sum(), |sum, (key, query)| sum + query * key)
    })
}

/// Adds a value to the sums of the queries whose weight `counts`, times that weight.
#[inline(always)]
fn add_value<const R: usize>(
    sums: &mut [[f32; COLUMNS]; R],
    weights: &[f32; QUERIES],
    value: &(impl AsRef<[f32]> + ?Sized),
    counts: impl Fn(f32) -> bool,
) {
    for (sums, weight) in sums.iter_mut().zip(weights).filter(|(_, weight)| counts(**weight)) {
        sums.iter_mut().zip(value.as_ref()).for_each(|(sum, value)| *sum += weight * value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attention of one query of a head by the definition, in double precision.
    fn reference(settings: &Settings, query: &[f32], keys: &[&[f32]], values: &[&[f32]]) -> Vec<f64> {
        let first = settings.window.map_or(0, |window| keys.len().saturating_sub(window));
        let score = |key: &&[f32]| {
            let dot: f64 = query.iter().zip(*key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            dot * f64::from(settings.scale)
        };
        let weights: Vec<f64> = keys[first..].iter().map(|key| score(key).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mix = |at: usize| values[first..].iter().zip(&weights).map(|(v, w)| f64::from(v[at]) * w / sum).sum();
        (0..settings.size).map(mix).collect()
    }

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 37 + seed * 101) % 200) as f32 / 100.0 - 1.0).collect()
    }

    #[test]
    fn tokens_in_any_portions_attend_as_by_the_definition() {
        parallel::start_helper();
        for window in [None, Some(5), Some(1), Some(60)] {
            let settings = Settings { heads: 6, groups: 2, size: 12, scale: 0.4, window };
            let tokens = 40;
            let (q, k, v) = (numbers(tokens * 72, 1), numbers(tokens * 24, 2), numbers(tokens * 24, 3));
            let mut once = None;
            for portion in [1, 3, 8, 17, 40] {
                let new = || Cache { groups: 2, size: 12, room: 0, numbers: Vec::new() };
                let (mut keys, mut values) = (new(), new());
                let mut out = vec![9.0; tokens * 72];
                for before in (0..tokens).step_by(portion) {
                    let end = tokens.min(before + portion);
                    for (cache, new) in [(&mut keys, &k), (&mut values, &v)] {
                        cache.grow(before, if end > cache.room { end + 3 } else { cache.room }).unwrap();
                        cache.append(before, &new[before * 24..end * 24]);
                    }
                    let part = before * 72..end * 72;
                    attend(&settings, &q[part.clone()], &keys, &values, before, &mut out[part]);
                }
                // Equal to the last bit, however many at a time.
                assert_eq!(*once.get_or_insert_with(|| out.clone()), out, "{portion}");
                let row = |from: &[f32], token: usize, group: usize| from[token * 24 + group * 12..][..12].to_vec();
                for token in 0..tokens {
                    for head in 0..6 {
                        let rows = |from: &[f32]| (0..=token).map(|at| row(from, at, head / 3)).collect::<Vec<_>>();
                        let (keys, values) = (rows(&k), rows(&v));
                        let slices = |rows: &'_ [Vec<f32>]| rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>();
                        let (keys, values) = (slices(&keys), slices(&values));
                        let keys: Vec<&[f32]> = keys.iter().map(Vec::as_slice).collect();
                        let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
                        let at = token * 72 + head * 12;
                        let wanted = reference(&settings, &q[at..at + 12], &keys, &values);
                        for (is, wanted) in out[at..at + 12].iter().zip(wanted) {
                            assert!((f64::from(*is) - wanted).abs() < 1e-5, "{portion} {token} {head}: {is} {wanted}");
                        }
                    }
                }
            }
        }
    }
}
