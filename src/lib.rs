//! Pilot Light: small specialised models inside a web page, and a general one for what they are not
//! sure of.
//!
//! One way leads through the crate, from left to right; no module calls one on its left:
//!
//! ```text
//! bytes -> formats -> models -> tasks -> cascade -> answer
//! ```
//!
//! A [`Loader`] is handed a model's files and gives a [`tasks::Pipeline`].

pub mod calibration;
pub mod cascade;
#[cfg(feature = "folder")]
pub mod convert;
pub mod device;
pub mod drift;
mod error;
#[cfg(feature = "folder")]
pub mod folder;
pub mod formats;
pub mod graph;
mod kernels;
mod loader;
pub mod manifest;
pub mod models;
pub mod policy;
pub mod redaction;
pub mod remote;
mod sort;
pub mod tasks;
pub mod tokenizer;
#[cfg(not(target_family = "wasm"))]
pub mod training;
#[cfg(feature = "http")]
pub mod transport;
pub mod usage;
#[cfg(feature = "web")]
mod web;

pub use device::Device;
pub use error::{Error, ErrorKind, Result};
#[cfg(not(target_family = "wasm"))]
pub use kernels::parallel::start_threads;
pub use loader::{DType, FileRequest, LoadOptions, Loaded, Loader};
pub use manifest::Manifest;

/// The README's Rust code, run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
