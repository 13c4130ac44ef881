//! What a task is, and the macro that makes the table of tasks of one line for each.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AnswerKind, Features, LocalAnswer, TextModel};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphFile, GraphOptions};
use crate::models::OutputKind;

/// A task: its name, its options, what its models are made of, and what they make of their inputs.
///
/// Each task implements this in a file of its own. Nothing else knows it but its line of the table in `tasks/mod.rs`.
pub trait TaskDefinition {
    /// The name by which the Hugging Face hub knows the task.
    const NAME: &'static str;
    /// What an answer in a cascade is. `None`, as by default: there is no answer that a remote model could give as well.
    const ANSWER: Option<AnswerKind> = None;
    /// The loaded model: [`TextModel`] for tasks that read texts.
    type Model: 'static;
    /// One input: a text, the bytes of a file, samples, an image.
    type Input;
    /// The options of a run. `deny_unknown_fields` belongs on it: an option of another task is a mistake.
    type Options: Default + Serialize + DeserializeOwned;
    /// The results for all inputs of a run.
    type Output: Serialize;

    /// What a model is made of.
    fn source() -> Source<Self::Model>;

    /// Runs the model on `inputs`.
    ///
    /// # Errors
    /// Invalid input: an option or an input that makes no sense. Device lost: the device failed.
    fn run(
        model: &Self::Model,
        inputs: &[Self::Input],
        options: &Self::Options,
    ) -> impl Future<Output = Result<Self::Output>>;

    /// The labels that the model tells apart; none by default.
    fn labels(_model: &Self::Model) -> &[String] {
        &[]
    }

    // For a page.

    /// Converts the offsets in `output` from bytes of the inputs to UTF-16 units, in which JavaScript counts.
    fn offsets_to_utf16(_inputs: &[Self::Input], _output: &mut Self::Output) {}

    /// The output, where it is one array of floats, which a page gets as a typed array and not as a list.
    fn features(_output: &Self::Output) -> Option<&Features> {
        None
    }

    // For a cascade, whose models read texts.

    /// Checks that `model` gives one answer for each text.
    ///
    /// # Errors
    /// Unsupported: it does not.
    fn check_answers(_model: &TextModel) -> Result<()> {
        match Self::ANSWER {
            Some(_) => Ok(()),
            None => Err(Error::unsupported(format!("{} has no answer that a remote model could give", Self::NAME))),
        }
    }

    /// The labels that an answer may have.
    fn answer_labels(model: &TextModel, _options: &Self::Options) -> Vec<String> {
        model.labels.clone()
    }

    /// The sentences that a text is compared with, one for each label; none for a model that was trained on its labels.
    ///
    /// # Errors
    /// Invalid input: there are no labels, or the template lacks `{}`.
    fn hypotheses(_options: &Self::Options) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The one answer for each of `texts`, with the model's confidence. Called for tasks with an [`ANSWER`](Self::ANSWER).
    ///
    /// # Errors
    /// As [`run`](Self::run); unsupported: an option that allows several answers.
    fn answer(
        _model: &TextModel,
        _texts: &[String],
        _options: &Self::Options,
    ) -> impl Future<Output = Result<Vec<LocalAnswer>>> {
        async { Err(Error::internal(format!("{} gives no answers", Self::NAME))) }
    }
}

/// What a model of the type `M` is made of.
pub enum Source<M> {
    /// Any model for texts that gives this.
    Text(OutputKind),
    /// Files with fixed names.
    Files {
        /// The files.
        files: &'static [ModelFile],
        /// Builds the model of them.
        build: fn(&mut ModelFiles<'_>) -> Result<M>,
    },
}

/// A file of a model, relative to the model's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: FileKind,
    /// Whether the model works without it.
    pub optional: bool,
}

/// What a file of a model holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A text in UTF-8.
    Text,
    /// An ONNX graph.
    Graph,
}

impl ModelFile {
    /// A text that the model needs.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: FileKind::Text, optional: false }
    }

    /// A graph that the model needs.
    pub const fn graph(name: &'static str) -> Self {
        Self { name, kind: FileKind::Graph, optional: false }
    }

    /// The same file, which the model works without.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// The files of a model, once all are there, and the device that its graphs are loaded onto.
pub struct ModelFiles<'a> {
    pub(crate) device: &'a Device,
    pub(crate) texts: HashMap<&'static str, String>,
    /// The ONNX files, each with its external data by location.
    pub(crate) graphs: HashMap<&'static str, GraphFile>,
}

impl ModelFiles<'_> {
    /// The text of the file `name`.
    ///
    /// # Errors
    /// Internal: it is not among the files of the task.
    pub fn text(&mut self, name: &str) -> Result<String> {
        self.texts.remove(name).ok_or_else(|| not_a_file(name))
    }

    /// The graph in the file `name`.
    ///
    /// # Errors
    /// Those of [`Graph::load`]; internal: it is not among the files of the task.
    pub fn graph(&mut self, name: &str) -> Result<Graph> {
        self.optional_graph(name)?.ok_or_else(|| not_a_file(name))
    }

    /// The graph in the file `name`; `None` where the folder has no such file.
    ///
    /// # Errors
    /// Those of [`Graph::load`].
    pub fn optional_graph(&mut self, name: &str) -> Result<Option<Graph>> {
        let Some((bytes, external)) = self.graphs.remove(name) else { return Ok(None) };
        let graph = Graph::load(bytes, external, self.device, &GraphOptions::default());
        graph.map(Some).map_err(|error| error.context(name))
    }
}

fn not_a_file(name: &str) -> Error {
    Error::internal(format!("{name} is not among the files of the task"))
}

/// Makes the table of tasks: the enum `Task`, the types of the tasks, and the macro `with_task!`, which evaluates an
/// expression with the type of a task that is known only at run time:
///
/// ```text
/// with_task!(task, T => T::NAME)
/// ```
///
/// `$` is an argument because a macro that defines a macro cannot write it.
macro_rules! tasks {
    ($d:tt $($(#[$doc:meta])* $variant:ident: $module:ident::$definition:ident,)+) => {
        $(pub use $module::*;)+

        /// What a model is used for, named as the Hugging Face hub names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "web", derive(tsify::Tsify))]
        #[serde(rename_all = "kebab-case")]
        pub enum Task {
            $($(#[$doc])* $variant,)+
        }

        impl Task {
            /// All tasks.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }

        macro_rules! with_task {
            ($d task:expr, $d T:ident => $d body:expr) => {
                match $d task {
                    $($crate::tasks::Task::$variant => {
                        type $d T = $crate::tasks::$definition;
                        $d body
                    })+
                }
            };
        }
    };
}
