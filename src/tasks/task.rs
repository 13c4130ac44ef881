//! What is asked of a task by its value of [`Task`], whatever the task.

use super::{AnswerKind, Source, Task, TaskDefinition};
use crate::error::{Error, Result};
use crate::models::OutputKind;

impl Task {
    /// The name by which the Hugging Face hub knows it.
    pub fn name(self) -> &'static str {
        with_task!(self, T => T::NAME)
    }

    /// What an answer in a cascade is; `None` where there is no answer that a remote model could give as well.
    pub fn answer_kind(self) -> Option<AnswerKind> {
        with_task!(self, T => T::ANSWER)
    }

    /// What the task wants of a model for texts; `None` for a task that reads something else.
    pub(crate) fn text_output(self) -> Option<OutputKind> {
        with_task!(self, T => match T::source() {
            Source::Text(wanted) => Some(wanted),
            Source::Files { .. } => None,
        })
    }
}

impl std::str::FromStr for Task {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|task| task.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|task| task.name()).collect();
            Error::unsupported(format!("unknown task '{name}'; known tasks are {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_enum() {
        for task in Task::ALL {
            assert_eq!(serde_json::to_value(task).unwrap(), task.name());
            assert_eq!(task.name().parse::<Task>().unwrap(), *task);
        }
        assert!("poetry".parse::<Task>().unwrap_err().to_string().contains("image-to-text"));
    }
}
