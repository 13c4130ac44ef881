//! The models that are served.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pilot_light::generation::Generator;
use pilot_light::generation::chat::SpecialToken;
use pilot_light::tasks::{Task, TextModel};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

/// What requests are answered with.
pub struct Models {
    /// The name that replies give.
    pub name: String,
    pub generator: Arc<Generator>,
    /// The tokens that control it.
    pub special_tokens: Vec<SpecialToken>,
    pub embedder: Option<Arc<Embedder>>,
    /// When they were loaded, in seconds since 1970.
    created: u64,
}

/// A model for embeddings.
pub struct Embedder {
    pub name: String,
    pub model: TextModel,
}

impl Models {
    /// # Errors
    /// Those of [`folder::load_generator`] and [`folder::load`].
    pub fn load(model: &Path, embedder: Option<&Path>) -> crate::Result<Self> {
        let (cpu, options) = (Device::cpu(), LoadOptions::default());
        let generator = folder::load_generator(model, &cpu, options)?;
        let load_embedder = |path: &Path| -> crate::Result<_> {
            let model = folder::load(path, Task::FeatureExtraction, &cpu, options)?;
            Ok(Arc::new(Embedder { name: name(path), model }))
        };
        let embedder = embedder.map(load_embedder).transpose()?;
        let tokenizer = generator.tokenizer();
        let ids = (0..).take(tokenizer.vocabulary_size()).filter(|id| tokenizer.is_special(*id));
        let special_tokens = ids.map(|id| SpecialToken { text: tokenizer.token(id), id });
        // Without a text it is in no template.
        let special_tokens = special_tokens.filter(|token| !token.text.is_empty()).collect();
        Ok(Self {
            name: name(model),
            special_tokens,
            generator: Arc::new(generator),
            embedder,
            created: unix_seconds(),
        })
    }

    /// The body of `/v1/models`.
    pub fn list(&self) -> Value {
        json!({ "object": "list", "data": self.entries() })
    }

    /// The body of `/v1/models/NAME`, where there is a model of this name.
    pub fn find(&self, name: &str) -> Option<Value> {
        self.entries().into_iter().find(|entry| entry["id"] == name)
    }

    fn entries(&self) -> Vec<Value> {
        let names = std::iter::once(&self.name).chain(self.embedder.as_ref().map(|embedder| &embedder.name));
        names
            .map(|name| json!({ "id": name, "object": "model", "created": self.created, "owned_by": "pilot-light" }))
            .collect()
    }
}

/// The name of a folder, or of a file without its ending.
fn name(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = if path.is_file() { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Now.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
