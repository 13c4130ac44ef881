//! The strings of a graph or a run. A tensor of strings has their indices.

use std::collections::HashMap;
use std::sync::Arc;

/// Strings, each once, so that equal strings have equal indices. The index 0 is that of the empty string.
#[derive(Clone, Default)]
pub struct Texts(Arc<Table>);

#[derive(Clone, Default)]
struct Table {
    /// All but the empty string.
    all: Vec<Arc<str>>,
    indices: HashMap<Arc<str>, u32>,
}

impl Texts {
    /// The index of `text`, which is added where it is new.
    pub fn index(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(index) = self.0.indices.get(text) {
            return *index;
        }
        let table = Arc::make_mut(&mut self.0);
        let (text, index) = (Arc::<str>::from(text), table.all.len() as u32 + 1);
        table.all.push(text.clone());
        table.indices.insert(text, index);
        index
    }

    /// The string with this index; the empty one if it does not exist.
    pub fn get(&self, index: u32) -> Arc<str> {
        let found = (index as usize).checked_sub(1).and_then(|at| self.0.all.get(at));
        found.cloned().unwrap_or_else(|| "".into())
    }
}
