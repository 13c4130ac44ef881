//! Stands in for `webgpu` where the crate is built without the feature `gpu`.

use super::Device;
use crate::error::{Error, ErrorKind, Result};

#[derive(Clone, Default)]
pub struct Watch {}

impl Watch {
    pub fn fault(&self) -> Option<String> {
        None
    }
}

pub async fn open() -> Result<Device> {
    Err(Error::new(ErrorKind::FeatureDisabled, "this build has no WebGPU: the Cargo feature `gpu` is off"))
}
