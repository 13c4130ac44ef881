//! Models of one task each, whose files have fixed names.

use std::collections::HashMap;

use super::files::{Files, Kind};
use super::{DType, Loaded, MANIFEST};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphOptions};
use crate::tasks::{FileClassifier, ImageReader, Task, VoiceActivityDetector};

/// A file: its name, what is made of it, and whether the model can do without it.
type File = (&'static str, Kind, bool);

const MAGIKA: [File; 2] = [("config.min.json", Kind::Text, false), ("model.onnx", Kind::Bytes, false)];
const SILERO: [File; 1] = [("silero_vad_16k_sequence.onnx", Kind::Bytes, false)];
const PP_OCR: [File; 3] =
    [("det.onnx", Kind::Bytes, false), ("rec.onnx", Kind::Bytes, false), ("cls.onnx", Kind::Bytes, true)];

/// A model of fixed files, as far as they have come.
pub(super) struct FixedModel {
    task: Task,
    dtype: Option<DType>,
    stage: Stage,
}

/// What the files of the present round are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Manifest,
    Model,
}

impl FixedModel {
    pub(super) fn new(task: Task, dtype: Option<DType>) -> Self {
        Self { task, dtype, stage: Stage::Start }
    }

    /// Asks for what is needed next; whether that is nothing.
    pub(super) fn advance(&mut self, files: &mut Files) -> Result<bool> {
        match self.stage {
            Stage::Start => {
                if let Some(dtype) = self.dtype.filter(|&dtype| dtype != DType::Fp32) {
                    return Err(Error::unsupported(format!("{} cannot be had as {}", self.task.name(), dtype.name())));
                }
                files.ask(MANIFEST, Kind::Text, true);
                self.stage = Stage::Manifest;
            }
            Stage::Manifest => {
                files.read_manifest(MANIFEST)?;
                for (name, kind, optional) in self.wanted()? {
                    files.ask(name, *kind, *optional);
                }
                self.stage = Stage::Model;
            }
            Stage::Model => return Ok(true),
        }
        Ok(false)
    }

    /// Builds the model.
    pub(super) fn finish(self, files: &mut Files, device: &Device) -> Result<Loaded> {
        let graph = |files: &mut Files, name: &str| {
            let bytes = files.take_bytes(name)?;
            Graph::load(bytes, HashMap::new(), device, &GraphOptions::default())
                .map_err(|error| Error::new(error.kind(), format!("{name}: {error}")))
        };
        match self.task {
            Task::FileClassification => {
                let graph = graph(files, "model.onnx")?;
                let config = files.take_text("config.min.json")?;
                Ok(Loaded::File(Box::new(FileClassifier::new(graph, &config)?)))
            }
            Task::VoiceActivityDetection => {
                let graph = graph(files, "silero_vad_16k_sequence.onnx")?;
                Ok(Loaded::Voice(Box::new(VoiceActivityDetector::new(graph)?)))
            }
            Task::ImageToText => {
                let direction = files.has_bytes("cls.onnx").then(|| graph(files, "cls.onnx")).transpose()?;
                let (detection, recognition) = (graph(files, "det.onnx")?, graph(files, "rec.onnx")?);
                Ok(Loaded::Image(Box::new(ImageReader::new(detection, direction, recognition)?)))
            }
            task => Err(unknown(task)),
        }
    }

    fn wanted(&self) -> Result<&'static [File]> {
        match self.task {
            Task::FileClassification => Ok(&MAGIKA),
            Task::VoiceActivityDetection => Ok(&SILERO),
            Task::ImageToText => Ok(&PP_OCR),
            task => Err(unknown(task)),
        }
    }
}

fn unknown(task: Task) -> Error {
    Error::internal(format!("{} has no fixed files", task.name()))
}
