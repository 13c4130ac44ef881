//! Pilot Light runs small specialised models on the device, in a web page or in a program, and sends to a remote general model
//! only what they are not sure of.
//!
//! # Load a model and run it
//!
//! A [`Loader`] does no I/O: it names the files that it needs, and the caller supplies them. The same code thus loads a
//! model in a page, which fetches, and in a program, which reads.
//!
//! ```
//! use pilot_light::tasks::{TextClassification, TextClassificationOptions};
//! use pilot_light::{Device, LoadOptions, Loader, Task};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = std::path::Path::new("tests/golden/tiny-bert-seq");
//! let mut loader = Loader::new(Device::cpu(), Task::TextClassification, LoadOptions::default());
//! loop {
//!     let wanted = loader.wants()?;
//!     if wanted.is_empty() {
//!         break;
//!     }
//!     for file in wanted {
//!         match std::fs::read(folder.join(&file.name)) {
//!             Ok(bytes) => loader.supply(&file.name, &bytes, true)?,
//!             Err(_) => loader.missing(&file.name)?,
//!         }
//!     }
//! }
//! let model = loader.finish()?.text()?;
//!
//! let texts = ["The rain has stopped.".to_string()];
//! let options = TextClassificationOptions { top_k: Some(1) };
//! let found = pollster::block_on(model.run::<TextClassification>(&texts, &options))?;
//! println!("{}: {:.3}", found[0][0].label, found[0][0].score);
//! # assert!(model.labels().contains(&found[0][0].label));
//! # Ok(())
//! # }
//! ```
//!
//! With the cargo feature `folder`, [`folder::load`] is that loop, and checks the digests of the files.
//!
//! # Where things are
//!
//! | to | see |
//! | --- | --- |
//! | run a task, such as classification, embeddings or OCR | [`tasks`] |
//! | run any ONNX model | [`graph`] |
//! | make a prompt of a conversation | [`generation::chat`] |
//! | read records out of texts | [`records`] |
//! | redact personal data | [`redaction`] |
//! | decide which answers to trust | [`calibration`], [`policy`] |
//! | ask a remote model about the others | [`cascade`], [`remote`] |
//! | learn from the answers of a remote model | [`learning`] |
//! | count what it costs | [`usage`], [`drift`] |
//! | read weights, ONNX files and tokenizers | [`formats`], [`tokenizer`] |
//! | add an architecture | [`models`] |
//!
//! Data passes through the modules from left to right, and none uses one on its left:
//!
//! ```text
//! bytes -> formats -> models -> tasks -> cascade -> answer
//! ```

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
pub mod generation;
#[cfg(feature = "gpu")]
mod gpu;
pub mod graph;
mod kernels;
pub mod learning;
mod loader;
pub mod manifest;
pub mod models;
pub mod policy;
pub mod records;
pub mod redaction;
pub mod remote;
mod sort;
pub mod tasks;
pub mod tokenizer;
pub mod training;
#[cfg(feature = "http")]
pub mod transport;
mod unicode;
pub mod usage;
#[cfg(feature = "web")]
mod web;

pub use device::Device;
pub use error::{Error, ErrorKind, Result};
#[cfg(not(target_family = "wasm"))]
pub use kernels::parallel::start_threads;
pub use loader::{DType, FileRequest, LoadOptions, Loaded, Loader};
pub use manifest::Manifest;
pub use tasks::{Task, TextModel};

/// The README's Rust code, run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
