//! How a model is loaded.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct LoadOptions {
    /// Which of its files is taken; without it, the first that is found of `model.safetensors` and, under
    /// `onnx/`, those for `fp32`, `q8`, `q4` and `fp16`. Where `q8` or `int8` is asked for and there is no file of
    /// that kind, 32-bit floats are quantised while they are loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub dtype: Option<DType>,
}

/// A type of number that weights are published in, as transformers.js names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers, as the exporter chose them.
    Q8,
    /// 8-bit integers with a sign.
    Int8,
    /// 8-bit integers without one.
    Uint8,
    /// 4-bit integers in blocks.
    Q4,
    /// 4-bit integers in blocks, the rest in 16-bit floats.
    Q4f16,
    /// The 4-bit numbers of bitsandbytes.
    Bnb4,
}

impl DType {
    /// Those that are looked for where none is asked for, in this order.
    pub(super) const PREFERRED: [Self; 4] = [Self::Fp32, Self::Q8, Self::Q4, Self::Fp16];

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

    /// The file beside `file`, an ONNX file, that has its weights in this type: itself where it is named so.
    ///
    /// # Errors
    /// Invalid input: the name is not that of an ONNX file.
    pub(super) fn beside(self, file: &str) -> Result<String> {
        let (stem, query) = file.split_once(".onnx").ok_or_else(|| {
            Error::invalid_input(format!(
                "a dtype chooses among files like model{}.onnx, and not of {file}",
                self.suffix()
            ))
        })?;
        let suffix = if stem.ends_with(self.suffix()) { "" } else { self.suffix() };
        Ok(format!("{stem}{suffix}.onnx{query}"))
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
