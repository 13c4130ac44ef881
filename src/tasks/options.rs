//! Options of a run as JSON, for callers that do not know the task, such as a cascade.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The options of a run as JSON. The task reads them as its own type, which refuses options that the task does not have.
///
/// ```
/// use pilot_light::tasks::{RunOptions, TextClassificationOptions};
///
/// let options = RunOptions::new(&TextClassificationOptions { top_k: Some(1) })?;
/// let read: TextClassificationOptions = options.read()?;
/// assert_eq!(read.top_k, Some(1));
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct RunOptions(Box<RawValue>);

impl RunOptions {
    /// The options of a task.
    ///
    /// # Errors
    /// Internal: they cannot be written as JSON.
    pub fn new(options: &impl Serialize) -> Result<Self> {
        let json = serde_json::value::to_raw_value(options);
        json.map(Self).map_err(|error| Error::internal(format!("options as JSON: {error}")))
    }

    /// The options as a task's own type.
    ///
    /// # Errors
    /// Invalid input: an option that the task does not have, or a value of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.0.get())
            .map_err(|error| Error::invalid_input(format!("the options are not right: {error}")))
    }
}

impl Default for RunOptions {
    /// No options: the defaults of the task.
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_string()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::tasks::{FeatureExtractionOptions, TextClassificationOptions};

    #[test]
    fn options_of_another_task_are_refused() {
        let pooling: RunOptions = serde_json::from_str(r#"{"pooling":"mean"}"#).unwrap();
        assert!(pooling.read::<FeatureExtractionOptions>().is_ok());
        let error = pooling.read::<TextClassificationOptions>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("unknown field `pooling`"), "{error}");
        assert!(RunOptions::default().read::<TextClassificationOptions>().is_ok());
    }
}
