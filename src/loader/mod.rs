//! Loads a model from a folder without reading one: it says which files it wants, and is handed their
//! bytes. The page fetches them, the command-line program reads them, tests make them up.

mod files;
mod fixed;
mod options;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeSet, HashMap};

pub use files::FileRequest;
pub use options::{DType, LoadOptions};
#[cfg(feature = "folder")]
pub(crate) use text::{CONFIG, INDEX, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, shards};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphOptions};
use crate::tasks::{FileClassifier, ImageReader, Pipeline, Task, VoiceActivityDetector};
use files::{Files, Kind, is_plain};
use fixed::FixedModel;
use text::TextModel;

/// What a folder's files must be.
pub(crate) const MANIFEST: &str = "pilot.json";

/// Collects a model's files and builds the model.
pub struct Loader {
    device: Device,
    files: Files,
    plan: Plan,
    done: bool,
}

/// What is being loaded.
enum Plan {
    Text(Box<TextModel>),
    Fixed(FixedModel),
    /// A graph by itself, with the files beside it that it names.
    Graph {
        file: String,
        external: BTreeSet<String>,
        dtype: Option<DType>,
        options: GraphOptions,
    },
}

/// What a loader gives.
pub enum Loaded {
    /// A model for a task that reads texts.
    Text(Box<Pipeline>),
    /// One that tells files apart.
    File(Box<FileClassifier>),
    /// One that hears speech.
    Voice(Box<VoiceActivityDetector>),
    /// One that reads the text in pictures.
    Image(Box<ImageReader>),
    /// A graph by itself.
    Graph(Box<Graph>),
}

impl Loader {
    /// A loader for a model that is to do `task` on `device`.
    pub fn new(device: Device, task: Task, options: LoadOptions) -> Self {
        let plan = if task.reads_texts() {
            Plan::Text(Box::new(TextModel::new(task, options.dtype)))
        } else {
            Plan::Fixed(FixedModel::new(task, options.dtype))
        };
        Self::with_plan(device, plan)
    }

    /// A loader for the graph in `file`, or in the one beside it that is named for the type asked for. It
    /// names the files `external` beside itself.
    ///
    /// # Errors
    /// Invalid input: the name of an external file is more than a name, or `file` is not named as ONNX files
    /// are and a type was asked for.
    pub fn graph(
        device: Device,
        file: &str,
        external: Vec<String>,
        options: LoadOptions,
        graph: GraphOptions,
    ) -> Result<Self> {
        let file = options.dtype.map_or(Ok(file.to_string()), |dtype| dtype.beside(file))?;
        let external = BTreeSet::from_iter(external);
        if let Some(name) = external.iter().find(|name| !is_plain(name) || **name == file) {
            return Err(Error::invalid_input(format!("'{name}' is not the name of a file beside the model")));
        }
        Ok(Self::with_plan(device, Plan::Graph { file, external, dtype: options.dtype, options: graph }))
    }

    fn with_plan(device: Device, plan: Plan) -> Self {
        Self { device, files: Files::default(), plan, done: false }
    }

    /// The files wanted next, in any order; none once all are there. Each must be supplied or, if it is
    /// optional, said to be missing, before the next ones are known.
    ///
    /// # Errors
    /// Those of the files that were handed in, where they are not what they should be.
    pub fn wants(&mut self) -> Result<Vec<FileRequest>> {
        loop {
            let open = self.files.open();
            if !open.is_empty() || self.done {
                return Ok(open);
            }
            self.done = self.advance()?;
        }
    }

    /// Says how long the file `name` is, before its first bytes come. It need not be said, but spares memory.
    ///
    /// # Errors
    /// Invalid artefact: there is no memory for it. Invalid input: it was not asked for.
    pub fn expect(&mut self, name: &str, bytes: u64) -> Result<()> {
        self.files.expect(name, bytes)
    }

    /// Hands in the next bytes of the file `name`; with `last`, there are no more.
    ///
    /// # Errors
    /// Invalid artefact: the file is not what it should be. Invalid input: it was not asked for.
    pub fn supply(&mut self, name: &str, bytes: &[u8], last: bool) -> Result<()> {
        self.files.supply(name, bytes, last)?;
        match &mut self.plan {
            Plan::Text(model) if last => model.take(name, &mut self.files),
            _ => Ok(()),
        }
    }

    /// Says that the file `name` is not there.
    ///
    /// # Errors
    /// Invalid artefact: the model cannot do without it.
    pub fn missing(&mut self, name: &str) -> Result<()> {
        self.files.missing(name)
    }

    /// The type of the weights that were found.
    pub fn dtype(&self) -> DType {
        match &self.plan {
            Plan::Text(model) => model.dtype(&self.files),
            Plan::Fixed(_) => DType::Fp32,
            Plan::Graph { dtype, .. } => dtype.unwrap_or_default(),
        }
    }

    /// Builds the model, once nothing is wanted any more.
    ///
    /// # Errors
    /// Invalid artefact: the files do not fit each other. Unsupported: the model is not one for the task.
    /// Invalid input: files are still wanted.
    pub fn finish(mut self) -> Result<Loaded> {
        if let Some(request) = self.wants()?.first() {
            return Err(Error::invalid_input(format!("the file {} was not handed in", request.name)));
        }
        let Self { device, mut files, plan, .. } = self;
        match plan {
            Plan::Text(model) => Ok(Loaded::Text(Box::new(model.finish(&mut files, &device)?))),
            Plan::Fixed(model) => model.finish(&mut files, &device),
            Plan::Graph { file, external, options, .. } => {
                let bytes = files.take_bytes(&file)?;
                let mut beside = HashMap::new();
                for name in external {
                    let bytes = files.take_bytes(&name)?;
                    beside.insert(name, bytes);
                }
                Ok(Loaded::Graph(Box::new(Graph::load(bytes, beside, &device, &options)?)))
            }
        }
    }

    /// Reads what the last round brought, and asks for what it shows to be needed; whether that is nothing.
    fn advance(&mut self) -> Result<bool> {
        match &mut self.plan {
            Plan::Text(model) => model.advance(&mut self.files),
            Plan::Fixed(model) => model.advance(&mut self.files),
            Plan::Graph { file, .. } if self.files.has_bytes(file) => Ok(true),
            Plan::Graph { file, external, .. } => {
                for name in external.iter().chain([&*file]) {
                    self.files.ask(name, Kind::Bytes, false);
                }
                Ok(false)
            }
        }
    }
}

impl Loaded {
    /// The model for texts.
    ///
    /// # Errors
    /// Unsupported: it reads something else.
    pub fn text(self) -> Result<Pipeline> {
        match self {
            Self::Text(pipeline) => Ok(*pipeline),
            _ => Err(Error::unsupported("a model that does not read texts cannot be used here")),
        }
    }

    /// The graph.
    ///
    /// # Errors
    /// Unsupported: it is a model for a task.
    pub fn graph(self) -> Result<Graph> {
        match self {
            Self::Graph(graph) => Ok(*graph),
            _ => Err(Error::unsupported("a model for a task is no graph")),
        }
    }
}
