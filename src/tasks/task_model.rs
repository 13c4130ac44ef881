//! A loaded model of any task.

use std::any::Any;

use super::{Task, TaskDefinition, TextModel};
use crate::error::{Error, Result};

/// A model that was loaded for a task, whatever the task.
pub struct TaskModel {
    task: Task,
    model: Box<dyn Any>,
}

impl TaskModel {
    /// `model` is the [`TaskDefinition::Model`] of `task`.
    pub(crate) fn new(task: Task, model: impl Any) -> Self {
        Self { task, model: Box::new(model) }
    }

    /// What it was loaded for.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The labels that it tells apart; empty where it has none.
    pub fn labels(&self) -> &[String] {
        with_task!(self.task, T => self.get::<T>().map_or(&[], T::labels))
    }

    /// The model for the task `T`.
    ///
    /// # Errors
    /// Unsupported: it is a model for another task.
    pub fn get<T: TaskDefinition>(&self) -> Result<&T::Model> {
        self.model.downcast_ref().ok_or_else(|| mismatch(self.task, T::NAME))
    }

    /// The model for the task `T`, by value.
    ///
    /// ```no_run
    /// use pilot_light::tasks::{ImageReader, ImageToTextOptions};
    /// # fn read(loaded: pilot_light::Loaded, rgba: &[u8]) -> pilot_light::Result<()> {
    /// let reader = loaded.model()?.into_model::<ImageReader>()?;
    /// let image = pollster::block_on(reader.read(rgba, 640, 480, &ImageToTextOptions::default()))?;
    /// println!("{}", image.generated_text);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Unsupported: it is a model for another task.
    pub fn into_model<T: TaskDefinition>(self) -> Result<T::Model> {
        let task = self.task;
        self.model.downcast().map(|model| *model).map_err(|_| mismatch(task, T::NAME))
    }

    /// The model for texts.
    ///
    /// # Errors
    /// Unsupported: it reads something else.
    pub fn text(self) -> Result<TextModel> {
        let model = self.model.downcast().map(|model| *model);
        model.map_err(|_| Error::unsupported("a model that does not read texts cannot be used here"))
    }
}

fn mismatch(task: Task, wanted: &str) -> Error {
    Error::unsupported(format!("expected a model for {wanted}, got one for {}", task.name()))
}
