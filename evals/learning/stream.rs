//! Labelled texts as embeddings, and the order in which they come.

use std::fs;
use std::path::Path;

use pilot_light::learning::zero_shot;
use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling, Task, TextModel};
use pilot_light::training::{Linear, shuffle};
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;

use crate::Result;

/// The most tokens of a text that are read: those of about sixty words.
const TOKENS: usize = 128;
/// Texts that are embedded at once.
const BATCH: usize = 64;
/// Texts that come, at most: of each part two thirds, the others are looked at.
const TEXTS: usize = 5000;
/// Texts of each part that are looked at, at most.
const HELD_OUT: usize = 1500;
/// How hard a text is, its nearest ones of so many others say.
const NEAREST: usize = 20;
const OTHERS: usize = 1500;

#[derive(Deserialize)]
struct File {
    labels: Vec<Label>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Label {
    label: String,
    description: String,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    label: String,
    part: usize,
}

/// Embedded texts with their labels.
pub struct Data {
    pub labels: Vec<String>,
    /// The head that is made of the descriptions of the labels.
    pub start: Linear,
    pub width: usize,
    embeddings: Vec<f32>,
    pub truth: Vec<usize>,
    part: Vec<usize>,
    /// The part of the most similar texts that have another label.
    hardness: Vec<f64>,
}

impl Data {
    pub fn load(streams: &Path, name: &str, encoder: &Path) -> Result<Self> {
        let file: File = serde_json::from_str(&fs::read_to_string(streams.join(format!("{name}.json")))?)?;
        let texts = file.labels.iter().map(|label| &label.description).chain(file.rows.iter().map(|row| &row.text));
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        let (width, mut embeddings) = embeddings(&texts, encoder, &streams.join(format!("{name}.f32")))?;
        let rest = embeddings.split_off(width * file.labels.len());
        let descriptions: Vec<Vec<f32>> = embeddings.chunks_exact(width).map(<[f32]>::to_vec).collect();
        let labels: Vec<String> = file.labels.into_iter().map(|label| label.label).collect();
        let label_of = |row: &Row| labels.iter().position(|label| *label == row.label).ok_or("a label is not known");
        let truth = file.rows.iter().map(label_of).collect::<std::result::Result<_, _>>()?;
        let part = file.rows.iter().map(|row| row.part).collect();
        let start = zero_shot(&descriptions)?;
        let mut data = Self { start, labels, width, embeddings: rest, truth, part, hardness: Vec::new() };
        data.hardness = data.hardness();
        Ok(data)
    }

    /// How hard each text is, by its nearest ones among some others.
    fn hardness(&self) -> Vec<f64> {
        let mut others: Vec<usize> = (0..self.truth.len()).collect();
        shuffle(&mut others, 7);
        others.truncate(OTHERS);
        let of = |row: usize| {
            let similarity = |other: &usize| (dot(self.embedding(row), self.embedding(*other)), self.truth[*other]);
            let mut similar: Vec<(f32, usize)> = others.iter().filter(|other| **other != row).map(similarity).collect();
            similar.select_nth_unstable_by(NEAREST - 1, |a, b| b.0.total_cmp(&a.0));
            let differ = similar[..NEAREST].iter().filter(|(_, label)| *label != self.truth[row]).count();
            differ as f64 / NEAREST as f64
        };
        (0..self.truth.len()).map(of).collect()
    }

    pub fn embedding(&self, row: usize) -> &[f32] {
        &self.embeddings[row * self.width..][..self.width]
    }
}

/// The embeddings of `texts`, from `cache` where these are there, and their width.
fn embeddings(texts: &[&str], encoder: &Path, cache: &Path) -> Result<(usize, Vec<f32>)> {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let digest = bytes.fold(TOKENS as u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    if let Ok(stored) = fs::read(cache)
        && let Some((head, rest)) = stored.split_at_checked(8)
        && head == digest.to_le_bytes()
    {
        let floats: Vec<f32> =
            rest.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
        return Ok((floats.len() / texts.len(), floats));
    }
    let model = folder::load(encoder, Task::FeatureExtraction, &Device::cpu(), LoadOptions::default())?;
    let rows = embed(&model.with_max_length(TOKENS), texts)?;
    let width = rows.first().map_or(0, Vec::len);
    let mut stored = digest.to_le_bytes().to_vec();
    stored.extend(rows.iter().flatten().flat_map(|number| number.to_le_bytes()));
    fs::write(cache, stored)?;
    Ok((width, rows.concat()))
}

fn embed(encoder: &TextModel, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    let options = FeatureExtractionOptions { pooling: Pooling::Auto, normalize: true, ..Default::default() };
    // Neighbours in length make full batches.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&row| texts[row].len());
    let mut found = vec![Vec::new(); texts.len()];
    for (at, batch) in order.chunks(BATCH).enumerate() {
        let texts: Vec<String> = batch.iter().map(|&row| texts[row].to_string()).collect();
        let features = pollster::block_on(encoder.run::<FeatureExtraction>(&texts, &options))?;
        for (&row, embedding) in batch.iter().zip(features.data.chunks_exact(features.data.len() / batch.len())) {
            found[row] = embedding.to_vec();
        }
        if at % 16 == 15 {
            eprintln!("{} of {} texts are embedded", at * BATCH + batch.len(), order.len());
        }
    }
    Ok(found)
}

/// Texts in the order in which they come.
pub struct Stream<'a> {
    pub data: &'a Data,
    pub order: Vec<usize>,
    /// Where the second part begins.
    pub change: Option<usize>,
    /// Texts of each part that never come.
    pub held_out: Vec<Vec<usize>>,
    /// What the remote model says of each text.
    pub remote: Vec<usize>,
}

/// Which texts the remote model is wrong on.
#[derive(Clone, Copy, PartialEq)]
pub enum Errors {
    /// Any, whatever they are.
    Independent,
    /// The harder a text is, the likelier it is one.
    OnHardTexts,
}

impl<'a> Stream<'a> {
    pub fn new(data: &'a Data, seed: u64, remote_error: f64, errors: Errors) -> Self {
        let parts = data.part.iter().max().map_or(1, |last| last + 1);
        let (mut order, mut held_out, mut change) = (Vec::new(), Vec::new(), None);
        for part in 0..parts {
            let mut rows: Vec<usize> = (0..data.part.len()).filter(|&row| data.part[row] == part).collect();
            shuffle(&mut rows, seed);
            let rest = rows.split_off((rows.len() * 2 / 3).min(TEXTS / parts));
            held_out.push(rest.into_iter().take(HELD_OUT).collect());
            if part > 0 {
                change = Some(order.len());
            }
            order.extend(rows);
        }
        // Exactly that part is wrong.
        let mut drawn: Vec<usize> = (0..data.truth.len()).collect();
        shuffle(&mut drawn, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if errors == Errors::OnHardTexts {
            // Weighted sampling without replacement: the greatest u to the power of one over the weight (Efraimidis and
            // Spirakis 2006).
            let key = |(at, row): (usize, &usize)| {
                let u = (at as f64 + 0.5) / data.truth.len() as f64;
                (u.ln() / (data.hardness[*row] + 1e-3), *row)
            };
            let mut keys: Vec<(f64, usize)> = drawn.iter().enumerate().map(key).collect();
            keys.sort_by(|a, b| b.0.total_cmp(&a.0));
            drawn = keys.into_iter().map(|(_, row)| row).collect();
        }
        let mut remote = data.truth.clone();
        for &row in &drawn[..(remote_error * drawn.len() as f64).round() as usize] {
            remote[row] = (remote[row] + 1) % data.labels.len();
        }
        Self { data, order, change, held_out, remote }
    }
}

/// In eight sums, which become vector instructions.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (a, b) in left.chunks_exact(8).zip(right.chunks_exact(8)) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    sums.iter().sum()
}
