//! The loader: builds a model from files without I/O. It requests files by name, and the caller supplies their bytes: a
//! page fetches them, a program reads them, a test makes them up.

mod files;
mod fixed;
mod generator;
mod onnx_files;
mod options;
mod sentence_transformers;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

pub use files::FileRequest;
pub use options::{DType, LoadOptions};
#[cfg(feature = "folder")]
pub(crate) use sentence_transformers::{MODULES, Modules, POOLING_CONFIG, PROMPTS, SENTENCE_BERT_CONFIG};
#[cfg(feature = "folder")]
pub(crate) use text::{CONFIG, INDEX, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, shards};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::generation::Generator;
use crate::graph::{Graph, GraphOptions};
use crate::tasks::{Source, Task, TaskDefinition, TaskModel, TextModel, with_task};
use files::{Files, Kind, is_plain};
use fixed::FixedFiles;
use generator::GeneratorFiles;
use text::TextFiles;

/// The file with the lengths and digests of a folder's files.
pub(crate) const MANIFEST: &str = "pilot.json";

/// Collects a model's files and builds the model.
///
/// ```
/// use pilot_light::{Device, LoadOptions, Loader, Task};
///
/// let mut loader = Loader::new(Device::cpu(), Task::ImageToText, LoadOptions::default());
/// let wanted = loader.wants()?;
/// assert_eq!(wanted[0].name, "pilot.json");
/// assert!(wanted[0].optional);
/// loader.missing("pilot.json")?;
///
/// let names: Vec<String> = loader.wants()?.into_iter().map(|file| file.name).collect();
/// assert_eq!(names, ["cls.onnx", "det.onnx", "rec.onnx"]);
/// # Ok::<(), pilot_light::Error>(())
/// ```
pub struct Loader {
    device: Device,
    files: Files,
    plan: Plan,
    done: bool,
}

/// What is being loaded.
enum Plan {
    Text(Box<TextFiles>),
    Fixed(FixedFiles),
    Generator(Box<GeneratorFiles>),
    /// A graph by itself, with the files of its external data that are requested with it.
    Graph {
        file: String,
        external: BTreeSet<String>,
        options: GraphOptions,
    },
}

/// What a loader gives.
pub enum Loaded {
    /// A model for a task.
    Model(TaskModel),
    /// A model that generates text.
    Generator(Box<Generator>),
    /// A graph by itself.
    Graph(Box<Graph>),
}

impl Loader {
    /// A loader for a model that does `task` on `device`.
    pub fn new(device: Device, task: Task, options: LoadOptions) -> Self {
        let plan = with_task!(task, T => match T::source() {
            Source::Text(output) => Plan::Text(Box::new(TextFiles::new(task, output, options.dtype))),
            Source::Files { files, .. } => Plan::Fixed(FixedFiles::new(task, files, options.dtype)),
        });
        Self::with_plan(device, plan)
    }

    /// A loader for a model that generates text: the checkpoint or the ONNX file in a folder, or its GGUF file `file`, which
    /// may be the first of several parts.
    ///
    /// # Errors
    /// Invalid input: `file` is not the name of a GGUF file. Unsupported: a type of weights, which a GGUF file has of its own.
    pub fn generator(device: Device, file: Option<&str>, options: LoadOptions) -> Result<Self> {
        let mut loader = Self::with_plan(device, Plan::Generator(Box::new(GeneratorFiles::new(file, options.dtype)?)));
        if options.gpu_only {
            loader.files.packed.send_to(&loader.device);
        }
        Ok(loader)
    }

    /// A loader for the graph in `file`, or in the file next to it for the requested type. The files `external` next to it,
    /// which have its external data, are requested at once; those that the graph names and this list does not, afterwards.
    ///
    /// # Errors
    /// Invalid input: the name of an external file is a path, or a type was requested and `file` is not the name of an
    /// ONNX file.
    pub fn graph(
        device: Device,
        file: &str,
        external: Vec<String>,
        options: LoadOptions,
        graph: GraphOptions,
    ) -> Result<Self> {
        let file = options.dtype.map_or(Ok(file.to_string()), |dtype| dtype.file_next_to(file))?;
        let external = BTreeSet::from_iter(external);
        if let Some(name) = external.iter().find(|name| !is_plain(name) || **name == file) {
            return Err(Error::invalid_input(format!("'{name}' is not the name of a file next to the model")));
        }
        Ok(Self::with_plan(device, Plan::Graph { file, external, options: graph }))
    }

    fn with_plan(device: Device, plan: Plan) -> Self {
        Self { device, files: Files::default(), plan, done: false }
    }

    /// The files needed next, in any order; empty once all are there. Each must be supplied or, if it is optional, reported
    /// as missing, before the next ones are known.
    ///
    /// # Errors
    /// Those of the files that were supplied, where they are invalid.
    pub fn wants(&mut self) -> Result<Vec<FileRequest>> {
        loop {
            let open = self.files.open();
            if !open.is_empty() || self.done {
                return Ok(open);
            }
            self.done = self.advance()?;
        }
    }

    /// Announces the length of the file `name` before its first bytes. This is optional, saves memory, and tells which files are too
    /// large for it.
    ///
    /// # Errors
    /// Invalid input: there is not enough memory for it, or it was not requested.
    pub fn expect(&mut self, name: &str, bytes: u64) -> Result<()> {
        self.files.expect(name, bytes)?;
        if let Plan::Generator(model) = &self.plan {
            model.expect(name, bytes, &mut self.files, &self.device);
        }
        Ok(())
    }

    /// Supplies the next bytes of the file `name`; `last` is its end.
    ///
    /// # Errors
    /// Invalid artefact: the file is invalid. Invalid input: it was not requested.
    pub fn supply(&mut self, name: &str, bytes: &[u8], last: bool) -> Result<()> {
        self.files.supply(name, bytes, last)?;
        match &mut self.plan {
            Plan::Text(model) if last => model.take(name, &mut self.files),
            _ => Ok(()),
        }
    }

    /// Reports that the file `name` does not exist.
    ///
    /// # Errors
    /// Invalid artefact: it is not optional. Invalid input: it was not requested.
    pub fn missing(&mut self, name: &str) -> Result<()> {
        self.files.missing(name)
    }

    /// The type of the weights that were found, as their file has them: the name of a [`DType`], `bf16`, or how a GGUF file was
    /// quantised, such as `q4_k_m`. An ONNX file's is the one that its name says.
    pub fn dtype(&self) -> String {
        match &self.plan {
            Plan::Text(model) => model.dtype(&self.files).to_string(),
            Plan::Fixed(model) => model.dtype(&self.files).to_string(),
            Plan::Generator(model) => model.dtype(&self.files),
            Plan::Graph { file, .. } => DType::of_file(file).name().to_string(),
        }
    }

    /// Whether the weights come from an ONNX file with operators on integers, which have no GPU kernels.
    pub fn has_integer_operators(&self) -> bool {
        let dtype = match &self.plan {
            Plan::Text(model) => model.onnx_dtype(),
            Plan::Fixed(_) => None,
            Plan::Generator(model) => model.onnx_dtype(),
            Plan::Graph { file, .. } => Some(DType::of_file(file)),
        };
        matches!(dtype, Some(DType::Int8 | DType::Q8 | DType::Uint8))
    }

    /// Builds the model, once no more files are needed.
    ///
    /// # Errors
    /// Invalid artefact: the files do not fit each other. Unsupported: the model is not one for the task.
    /// Invalid input: files are missing.
    pub fn finish(mut self) -> Result<Loaded> {
        if let Some(request) = self.wants()?.first() {
            return Err(Error::invalid_input(format!("the file {} was not supplied", request.name)));
        }
        let Self { device, mut files, plan, .. } = self;
        match plan {
            Plan::Text(model) => Ok(Loaded::Model(TaskModel::new(model.task(), model.finish(&mut files, &device)?))),
            Plan::Fixed(model) => Ok(Loaded::Model(model.finish(&mut files, &device)?)),
            Plan::Generator(model) => Ok(Loaded::Generator(Box::new(model.finish(&mut files, &device)?))),
            Plan::Graph { file, external, options, .. } => {
                let (bytes, mut data) = files.take_graph(&file)?;
                for name in external.into_iter().filter(|name| files.has_bytes(name)).collect::<Vec<_>>() {
                    let bytes = files.take_bytes(&name)?;
                    data.insert(name, bytes);
                }
                Ok(Loaded::Graph(Box::new(Graph::load(bytes, data, &device, &options)?)))
            }
        }
    }

    /// Reads the files of the last round and requests those of the next. `true` once nothing is needed.
    fn advance(&mut self) -> Result<bool> {
        match &mut self.plan {
            Plan::Text(model) => model.advance(&mut self.files),
            Plan::Fixed(model) => model.advance(&mut self.files),
            Plan::Generator(model) => model.advance(&mut self.files),
            Plan::Graph { file, options, .. } if self.files.has_bytes(file) => {
                self.files.request_external_data(file, &options.limits)?;
                Ok(true)
            }
            Plan::Graph { file, external, .. } => {
                for name in external.iter().chain([&*file]) {
                    self.files.request(name, Kind::Bytes, false);
                }
                Ok(false)
            }
        }
    }
}

impl Loaded {
    /// The model for a task.
    ///
    /// # Errors
    /// Unsupported: it is a graph by itself.
    pub fn model(self) -> Result<TaskModel> {
        match self {
            Self::Model(model) => Ok(model),
            Self::Graph(_) => Err(Error::unsupported("expected a model for a task, got a graph by itself")),
            Self::Generator(_) => Err(Error::unsupported("expected a model for a task, got one that generates text")),
        }
    }

    /// The model for texts.
    ///
    /// # Errors
    /// Unsupported: it reads something else.
    pub fn text(self) -> Result<TextModel> {
        self.model()?.text()
    }

    /// The model that generates text.
    ///
    /// # Errors
    /// Unsupported: it is something else.
    pub fn generator(self) -> Result<Generator> {
        match self {
            Self::Generator(generator) => Ok(*generator),
            Self::Model(_) | Self::Graph(_) => {
                Err(Error::unsupported("expected a model that generates text, got something else"))
            }
        }
    }

    /// The graph.
    ///
    /// # Errors
    /// Unsupported: it is a model.
    pub fn graph(self) -> Result<Graph> {
        match self {
            Self::Graph(graph) => Ok(*graph),
            Self::Model(_) | Self::Generator(_) => {
                Err(Error::unsupported("expected a graph by itself, got a model for a task"))
            }
        }
    }
}
