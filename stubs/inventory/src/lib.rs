//! The interface of the crate `inventory`, with registries that are always empty.
//!
//! In WebAssembly pliron, the representation of CubeCL's kernels, registers each of its operations through `inventory`, by a
//! function that runs before `main`. Whatever such a function refers to is linked: 1 MB of the artefact, compressed. No kernel
//! of CubeCL's runs in this project, so nothing reads the registries. Natively pliron uses `linkme` instead.

#![no_std]

/// What was registered as `T`: nothing.
pub fn iter<T: 'static>() -> core::iter::Empty<&'static T> {
    core::iter::empty()
}

/// Declares that values of a type are registered.
#[macro_export]
macro_rules! collect {
    ($type:ty) => {};
}

/// Drops what would be registered.
#[macro_export]
macro_rules! submit {
    ($($value:tt)*) => {};
}
