//! Causal attention of a decoder over a cache of keys and values.

use super::attention::{Head, Sizes};
use super::gemm::{LEAST_SHARED, Matrix};
use super::parallel::{self, Tile};
use super::reduce::dot;
use super::softmax::softmax;
use crate::error::{Error, Result};

/// Queries from which it is worth packing the keys for a product.
const LEAST_QUERIES: usize = 8;

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
pub fn attend(settings: &Settings, q: &[f32], keys: &Cache, values: &Cache, before: usize, out: &mut [f32]) {
    let &Settings { heads, groups, size, .. } = settings;
    let width = heads * size;
    let tokens = q.len() / width.max(1);
    let each = heads / groups.max(1);
    let columns = (0..heads).map(|head| head * size..(head + 1) * size).collect::<Vec<_>>();
    let rows = parallel::whole(tokens);
    let head = |index: usize, out: &mut Tile<'_, f32>| {
        let (keys, values) = (keys.group(index / each), values.group(index / each));
        if tokens < LEAST_QUERIES {
            for token in 0..tokens {
                let query = &q[token * width + index * size..][..size];
                one(settings, query, keys, values, before + token + 1, out.row(token, 0..size));
            }
            return;
        }
        // Of a window, what no query sees is left out.
        let first = settings.window.map_or(0, |window| (before + 1).saturating_sub(window));
        let count = before + tokens - first;
        let whole = Head {
            sizes: Sizes { queries: tokens, keys: count, size, value_size: size },
            queries: Matrix { data: &q[index * size..], row_stride: width, column_stride: 1 },
            keys: Matrix::new(&keys[first * size..], size),
            values: Matrix::new(&values[first * size..], size),
            scale: settings.scale,
        };
        whole.write(
            out,
            |query, scores| {
                let seen = before + query + 1 - first;
                scores[seen..].fill(f32::NEG_INFINITY);
                if let Some(window) = settings.window {
                    scores[..seen.saturating_sub(window)].fill(f32::NEG_INFINITY);
                }
            },
            |_, _| {},
        );
    };
    let mut out = Tile::new(out, width, tokens, width);
    if tokens * (before + tokens) * width < LEAST_SHARED {
        for (index, columns) in columns.into_iter().enumerate() {
            head(index, &mut out.part(0..tokens, columns));
        }
    } else {
        out.for_each_part(&rows, &columns, |_, columns, mut out| head(columns.start / size, &mut out));
    }
}

/// The attention of one query of one head over the first `count` keys: without packing them, as a product does.
fn one(settings: &Settings, query: &[f32], keys: &[f32], values: &[f32], count: usize, out: &mut [f32]) {
    let size = settings.size;
    let first = settings.window.map_or(0, |window| count.saturating_sub(window));
    let part = first * size..count * size;
    let mut scores: Vec<f32> =
        keys[part.clone()].chunks_exact(size).map(|key| settings.scale * dot(query, key)).collect();
    softmax(&mut scores);
    out.fill(0.0);
    for (score, value) in scores.iter().zip(values[part].chunks_exact(size)) {
        out.iter_mut().zip(value).for_each(|(out, value)| *out += score * value);
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
