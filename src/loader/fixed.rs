//! Models whose task names their files.

use std::collections::HashMap;

use super::files::{Files, Kind};
use super::{DType, MANIFEST};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{GraphOptions, weights_type};
use crate::tasks::{FileKind, ModelFile, ModelFiles, Source, Task, TaskDefinition, TaskModel, with_task};

/// A model that is loaded from files with fixed names.
pub(super) struct FixedFiles {
    task: Task,
    wanted: &'static [ModelFile],
    dtype: Option<DType>,
    stage: Stage,
}

/// What the files of the current round are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Manifest,
    Model,
}

impl FixedFiles {
    pub(super) fn new(task: Task, wanted: &'static [ModelFile], dtype: Option<DType>) -> Self {
        Self { task, wanted, dtype, stage: Stage::Start }
    }

    /// Requests what is needed next. `true` once nothing is.
    pub(super) fn advance(&mut self, files: &mut Files) -> Result<bool> {
        match self.stage {
            Stage::Start => {
                if let Some(dtype) = self.dtype.filter(|&dtype| dtype != DType::Fp32) {
                    let (task, dtype) = (self.task.name(), dtype.name());
                    return Err(Error::unsupported(format!("a model for {task} has no weights of the type {dtype}")));
                }
                files.request(MANIFEST, Kind::Text, true);
                self.stage = Stage::Manifest;
            }
            Stage::Manifest => {
                files.read_manifest(MANIFEST)?;
                for file in self.wanted {
                    let kind = match file.kind {
                        FileKind::Text => Kind::Text,
                        FileKind::Graph => Kind::Bytes,
                    };
                    files.request(file.name, kind, file.optional);
                }
                self.stage = Stage::Model;
            }
            Stage::Model => {
                for file in self.wanted {
                    files.request_external_data(file.name, &GraphOptions::default().limits)?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The name of the type of most of the weights.
    pub(super) fn dtype(&self, files: &Files) -> &'static str {
        let graphs = self.wanted.iter().filter_map(|file| files.bytes(file.name));
        weights_type(graphs, &GraphOptions::default().limits).unwrap_or_else(|| DType::Fp32.name())
    }

    /// Builds the model.
    pub(super) fn finish(self, files: &mut Files, device: &Device) -> Result<TaskModel> {
        let (mut texts, mut graphs) = (HashMap::new(), HashMap::new());
        for ModelFile { name, kind, .. } in self.wanted {
            match kind {
                FileKind::Text => texts.extend(files.text(name).map(|text| (*name, text))),
                FileKind::Graph if files.has_bytes(name) => {
                    graphs.insert(*name, files.take_graph(name)?);
                }
                FileKind::Graph => {}
            }
        }
        let mut files = ModelFiles { device, texts, graphs };
        with_task!(self.task, T => match T::source() {
            Source::Files { build, .. } => Ok(TaskModel::new(self.task, build(&mut files)?)),
            Source::Text(_) => Err(Error::internal(format!("{} has no fixed files", T::NAME))),
        })
    }
}
