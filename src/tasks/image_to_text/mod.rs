//! `image-to-text`: OCR with the models of PP-OCRv4. The first finds lines of text, the second tells whether they are
//! upside down, and the third reads them.
//!
//! # Source
//! Du et al. 2020, "PP-OCR: A Practical Ultra Lightweight OCR System"; the package rapidocr-onnxruntime 1.4.4, whose
//! defaults these are.

mod contours;
mod crop;
mod detect;
mod geometry;
mod lines;
mod picture;
mod prepare;
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;

use serde::{Deserialize, Serialize};

use self::crop::{crop, crop_size};
use self::detect::{boxes_in_map, detection_input, reading_order};
use self::lines::{DIRECTION_WIDTH, batches, characters, decode, likeliest, line_input, reading_width};
use self::picture::Picture;
use self::prepare::prepare;
use super::graph_io::{expect_input, run_one};
use super::{ModelFile, ModelFiles, Source, TaskDefinition};
use crate::error::{Error, Result};
use crate::graph::Graph;

/// The minimum score of the direction model for a line that is turned.
const UPSIDE_DOWN: f32 = 0.9;

/// Options of `image-to-text`: what counts as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct ImageToTextOptions {
    /// The minimum score of a line; 0.5 by default.
    pub text_score: f64,
    /// The minimum score of a box; 0.5 by default.
    pub box_threshold: f64,
    /// How much boxes grow: by this times their area over their perimeter; 1.6 by default.
    pub unclip_ratio: f64,
    /// The shorter side of the image that the detection model gets, in pixels; 736 by default. Half of it is four times as
    /// fast, and misses small print.
    pub limit_side_len: usize,
}

impl Default for ImageToTextOptions {
    fn default() -> Self {
        Self { text_score: 0.5, box_threshold: 0.5, unclip_ratio: 1.6, limit_side_len: 736 }
    }
}

impl ImageToTextOptions {
    fn check(&self) -> Result<()> {
        let scores = [("text_score", self.text_score), ("box_threshold", self.box_threshold)];
        if let Some((name, value)) = scores.into_iter().find(|(_, score)| !(0.0..=1.0).contains(score)) {
            return Err(Error::invalid_input(format!("{name} must be between 0 and 1, got {value}")));
        }
        if !(0.0..=10.0).contains(&self.unclip_ratio) {
            return Err(Error::invalid_input(format!(
                "unclip_ratio must be between 0 and 10, got {}",
                self.unclip_ratio
            )));
        }
        if !(32..=1536).contains(&self.limit_side_len) {
            return Err(Error::invalid_input(format!(
                "limit_side_len must be between 32 and 1536, got {}",
                self.limit_side_len
            )));
        }
        Ok(())
    }
}

/// The text of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ImageText {
    /// All of it, a line for each box.
    pub generated_text: String,
    /// Its lines, from the top to the bottom.
    pub lines: Vec<TextLine>,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct TextLine {
    /// What it says.
    pub text: String,
    /// The mean probability of its characters.
    pub score: f64,
    /// The corners of the box around it in pixels, `[x, y]`, clockwise from the upper left one.
    #[serde(rename = "box")]
    pub corners: [[f32; 2]; 4],
}

/// An image, four bytes for each pixel: red, green, blue and opacity, as a canvas gives them.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Row by row, `[height, width, 4]`.
    pub data: Vec<u8>,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// `image-to-text`, and its models.
pub struct ImageReader {
    detection: Graph,
    direction: Option<Graph>,
    recognition: Graph,
    characters: Vec<String>,
}

impl ImageReader {
    /// Puts the models together: one that detects text, one that recognises its direction (without it, every line is taken
    /// to be upright), and one that recognises characters.
    ///
    /// # Errors
    /// Invalid artefact: a model has other inputs than it should, or the recognition model lists no characters.
    pub fn new(detection: Graph, direction: Option<Graph>, recognition: Graph) -> Result<Self> {
        expect_input(&detection, "the detection model", &[0, 3, 0, 0])?;
        if let Some(direction) = &direction {
            expect_input(direction, "the direction model", &[0, 3, 0, 0])?;
        }
        expect_input(&recognition, "the recognition model", &[0, 3, 0, 0])?;
        let listed = recognition.metadata("character");
        let listed = listed.ok_or_else(|| Error::invalid_artefact("the recognition model lists no characters"))?;
        let characters = characters(listed).into_iter().map(String::from).collect();
        Ok(Self { detection, direction, recognition, characters })
    }

    /// The text in an image of RGBA pixels, as a canvas gives them.
    ///
    /// # Errors
    /// Invalid input: there are not four bytes for each pixel, no pixels, an image too narrow to hold text, or an
    /// option that makes no sense. Device lost.
    pub async fn read(
        &self,
        rgba: &[u8],
        width: usize,
        height: usize,
        options: &ImageToTextOptions,
    ) -> Result<ImageText> {
        options.check()?;
        let prepared = prepare(Picture::from_rgba(rgba, width, height)?)?;
        let picture = &prepared.picture;
        let (planes, dims) = detection_input(picture, options.limit_side_len);
        let map = run_one(&self.detection, planes, &dims).await?;
        if map.dims != [1, 1, dims[2], dims[3]] {
            return Err(Error::invalid_artefact(format!(
                "the detection model gives {:?} for an input of {dims:?}",
                map.dims
            )));
        }
        let found = boxes_in_map(&map.data, dims[3], (picture.width, picture.height), options);
        drop(map);
        let boxes = reading_order(found, picture.width, picture.height);
        let sizes = boxes.iter().map(|found| crop_size(picture, &found.corners));
        let ratios: Vec<f64> = sizes.map(|(width, height)| width as f64 / height as f64).collect();
        let mut texts = vec![(String::new(), 0.0); boxes.len()];
        for batch in batches(&ratios) {
            let mut lines: Vec<Picture> = batch.iter().map(|&index| crop(picture, &boxes[index].corners)).collect();
            self.turn_upright(&mut lines).await?;
            for (index, text) in batch.into_iter().zip(self.recognise(&lines).await?) {
                texts[index] = text;
            }
        }
        let lines: Vec<TextLine> = texts
            .into_iter()
            .zip(boxes)
            .filter(|((_, score), _)| *score >= options.text_score)
            .map(|((text, score), found)| TextLine { text, score, corners: prepared.to_original(found.corners) })
            .collect();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        Ok(ImageText { generated_text: texts.join("\n"), lines })
    }

    /// Rotates the lines that are upside down.
    async fn turn_upright(&self, lines: &mut [Picture]) -> Result<()> {
        let Some(direction) = &self.direction else { return Ok(()) };
        let (planes, dims) = line_input(lines, DIRECTION_WIDTH);
        let scores = run_one(direction, planes, &dims).await?;
        if scores.dims != [lines.len(), 2] {
            return Err(Error::invalid_artefact(format!(
                "the direction model must give {:?}, got {:?}",
                [lines.len(), 2],
                scores.dims
            )));
        }
        for (line, scores) in lines.iter_mut().zip(scores.data.chunks_exact(2)) {
            if matches!(likeliest(scores), (1, score) if score > UPSIDE_DOWN) {
                *line = line.turned_over();
            }
        }
        Ok(())
    }

    /// The text of each line and its score.
    async fn recognise(&self, lines: &[Picture]) -> Result<Vec<(String, f64)>> {
        let (planes, dims) = line_input(lines, reading_width(lines));
        let steps = run_one(&self.recognition, planes, &dims).await?;
        let known = self.characters.len();
        if steps.dims.len() != 3 || steps.dims[0] != lines.len() || steps.dims[2] != known {
            return Err(Error::invalid_artefact(format!(
                "the recognition model gives {:?} for {} lines of {known} characters",
                steps.dims,
                lines.len()
            )));
        }
        let size = (steps.dims[1] * known).max(1);
        let mut texts: Vec<_> =
            steps.data.chunks_exact(size).map(|steps| decode(steps, &self.characters)).collect::<Result<_>>()?;
        texts.resize(lines.len(), (String::new(), 0.0));
        Ok(texts)
    }
}

const DETECTION: &str = "det.onnx";
const DIRECTION: &str = "cls.onnx";
const RECOGNITION: &str = "rec.onnx";

impl TaskDefinition for ImageReader {
    const NAME: &'static str = "image-to-text";
    type Model = Self;
    type Input = Pixels;
    type Options = ImageToTextOptions;
    type Output = Vec<ImageText>;

    fn source() -> Source<Self> {
        const FILES: &[ModelFile] =
            &[ModelFile::graph(DETECTION), ModelFile::graph(RECOGNITION), ModelFile::graph(DIRECTION).optional()];
        Source::Files { files: FILES, build }
    }

    async fn run(model: &Self, images: &[Pixels], options: &ImageToTextOptions) -> Result<Vec<ImageText>> {
        let mut found = Vec::with_capacity(images.len());
        for Pixels { data, width, height } in images {
            found.push(model.read(data, *width, *height, options).await?);
        }
        Ok(found)
    }
}

fn build(files: &mut ModelFiles<'_>) -> Result<ImageReader> {
    let direction = files.optional_graph(DIRECTION)?;
    ImageReader::new(files.graph(DETECTION)?, direction, files.graph(RECOGNITION)?)
}
