//! The ONNX files of a folder, one for each type of weights, which are tried one after another.

use std::collections::VecDeque;

use super::DType;
use super::files::{Files, Kind};
use super::text::{INDEX, WEIGHTS};
use crate::error::Error;

/// The ONNX files that a folder may have.
pub(super) struct OnnxFiles {
    /// The types whose files are still to be tried.
    untried: VecDeque<DType>,
    /// The type of the file that is requested in this round, or was found.
    dtype: Option<DType>,
}

impl OnnxFiles {
    /// The file of the type `dtype`; of any, where none is requested.
    pub fn new(dtype: Option<DType>) -> Self {
        Self { untried: dtype.map_or(DType::PREFERRED.into(), |dtype| [dtype].into()), dtype: None }
    }

    /// The type of the file that is requested in this round, or was found.
    pub fn dtype(&self) -> Option<DType> {
        self.dtype
    }

    /// Tries `dtype` after the others.
    pub fn try_also(&mut self, dtype: DType) {
        self.untried.push_back(dtype);
    }

    /// Requests the next file that the folder may have, in the folder that `base` gives for a name. `false` where there is
    /// none left. `head` is a file of weights that is not the model's.
    pub fn request_next(&mut self, files: &mut Files, head: &str, base: impl Fn(&str) -> String) -> bool {
        self.dtype = None;
        while let Some(dtype) = self.untried.pop_front() {
            let name = base(&dtype.onnx_file());
            if files.may_have(&name, head) {
                files.request(&name, Kind::Bytes, true);
                self.dtype = Some(dtype);
                return true;
            }
        }
        false
    }
}

/// The error for a folder that has no weights of the type `dtype`, or none at all, in the folder that `base` gives for a name.
/// `unknown` is why a checkpoint could not be read.
pub(super) fn no_weights(dtype: Option<DType>, unknown: Option<Error>, base: impl Fn(&str) -> String) -> Error {
    match (dtype, unknown) {
        (Some(dtype), _) if dtype != DType::Fp32 => Error::unsupported(format!(
            "the model has no weights of the type {}: there is no {}",
            dtype.name(),
            base(&dtype.onnx_file())
        )),
        (_, Some(error)) => error,
        _ => Error::invalid_artefact(format!(
            "the model's weights are missing: there is no {WEIGHTS}, no {INDEX} and no {}",
            DType::Fp32.onnx_file()
        )),
    }
}
