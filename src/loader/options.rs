//! Options of loading: which type of weights.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Options of loading a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct LoadOptions {
    /// The type of the weights. By default, that of the first file that exists of `model.safetensors` and, under `onnx/`,
    /// those for `fp32`, `q8`, `q4` and `fp16`. Where `q8` or `int8` is requested and the folder has no such file, 32-bit
    /// floats are quantised while they are loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub dtype: Option<DType>,
    /// Whether the quantised matrices of a GGUF file go to the GPU as they arrive and have no copy in the CPU's memory, so that only
    /// the GPU can run the model. They do in any case where the length of the file is announced and larger than 1 GiB. No effect on the CPU.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub gpu_only: bool,
}

/// A type of weights, as transformers.js names it.
///
/// ```
/// use pilot_light::DType;
///
/// assert_eq!(DType::Q4.onnx_file(), "onnx/model_q4.onnx");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers, signed or not as the exporter chose.
    Q8,
    /// Signed 8-bit integers.
    Int8,
    /// Unsigned 8-bit integers.
    Uint8,
    /// 4-bit integers in blocks.
    Q4,
    /// 4-bit integers in blocks, the rest in 16-bit floats.
    Q4f16,
    /// The 4-bit floats of bitsandbytes.
    Bnb4,
}

impl DType {
    /// The types that are tried where none is requested, in this order.
    pub(super) const PREFERRED: [Self; 4] = [Self::Fp32, Self::Q8, Self::Q4, Self::Fp16];
    /// The types whose files have a suffix.
    const SUFFIXED: [Self; 7] = [Self::Fp16, Self::Q8, Self::Int8, Self::Uint8, Self::Q4, Self::Q4f16, Self::Bnb4];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Q8 => "q8",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Q4 => "q4",
            Self::Q4f16 => "q4f16",
            Self::Bnb4 => "bnb4",
        }
    }

    /// The ONNX file of a model's folder that has its weights in this type.
    pub fn onnx_file(self) -> String {
        format!("onnx/model{}.onnx", self.suffix())
    }

    /// The file next to the ONNX file `file` with weights of this type; `file` itself if its name says so.
    ///
    /// # Errors
    /// Invalid input: the name is not that of an ONNX file.
    pub(super) fn file_next_to(self, file: &str) -> Result<String> {
        let (stem, query) = file.split_once(".onnx").ok_or_else(|| {
            Error::invalid_input(format!("a dtype needs a file name like model{}.onnx, got {file}", self.suffix()))
        })?;
        let suffix = if stem.ends_with(self.suffix()) { "" } else { self.suffix() };
        Ok(format!("{stem}{suffix}.onnx{query}"))
    }

    /// The type that the name of the ONNX file `file` says.
    pub(super) fn of_file(file: &str) -> Self {
        let stem = file.split_once(".onnx").map_or(file, |(stem, _)| stem);
        let named = Self::SUFFIXED.into_iter().find(|dtype| stem.ends_with(dtype.suffix()));
        named.unwrap_or_default()
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Fp32 => "",
            Self::Fp16 => "_fp16",
            Self::Q8 => "_quantized",
            Self::Int8 => "_int8",
            Self::Uint8 => "_uint8",
            Self::Q4 => "_q4",
            Self::Q4f16 => "_q4f16",
            Self::Bnb4 => "_bnb4",
        }
    }
}
