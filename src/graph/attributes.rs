//! Attributes of a node. Each is read by the operator that supports it; one that is never read is not supported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::gpu::GpuWeights;
use super::host::HostTensor;
use crate::kernels::activation::Activation;

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum Attribute {
    Float(f32),
    Int(i64),
    String(String),
    Tensor(HostTensor),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Strings(Vec<String>),
    /// The activation that the fusion pass joined to an operator; no file has such an attribute.
    Activation(Activation),
    /// The weights of a product that are on a GPU alone; no file has such an attribute.
    GpuWeights(Arc<GpuWeights>),
    /// Of a type that no operator reads.
    Other,
}

/// The attributes of a node.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// By name, each with whether it was read.
    entries: Vec<(String, Attribute, Mark)>,
    /// What an operator asked for, whether it was there or not, with the type.
    #[cfg(test)]
    pub asked: std::cell::RefCell<std::collections::BTreeMap<String, &'static str>>,
}

/// Whether an attribute was read. Atomic so that threads can share what has attributes.
#[derive(Debug, Default)]
struct Mark(AtomicBool);

impl Clone for Mark {
    fn clone(&self) -> Self {
        Self(self.0.load(Ordering::Relaxed).into())
    }
}

/// The attribute of our own operators that [`Attributes::activation`] reads.
pub const ACTIVATION: &str = "activation";

/// The attribute of our own products that [`Attributes::gpu_weights`] reads.
pub const GPU_WEIGHTS: &str = "gpu_weights";

/// Why an operator cannot be run with its attributes. The caller adds the operator's name.
pub type Refusal = String;

impl Attributes {
    /// Adds an attribute.
    pub fn push(&mut self, name: &str, value: Attribute) {
        self.entries.push((name.to_string(), value, Mark::default()));
    }

    /// Sets an attribute, in place of one with the same name.
    pub fn set(&mut self, name: &str, value: Attribute) {
        self.entries.retain(|(own, ..)| own != name);
        self.push(name, value);
    }

    /// Removes the attribute of this name.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        let at = self.entries.iter().position(|(own, ..)| own == name)?;
        Some(self.entries.remove(at).1)
    }

    /// Gives the attribute `from`, if there is one, the name `to`.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(value) = self.remove(from) {
            self.set(to, value);
        }
    }

    /// Integer attributes, for operators that passes make.
    pub fn of_ints(values: &[(&str, i64)]) -> Self {
        let mut attributes = Self::default();
        values.iter().for_each(|(name, value)| attributes.push(name, Attribute::Int(*value)));
        attributes
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &Attribute> {
        self.entries.iter().map(|(_, value, _)| value)
    }

    /// All names with their values, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Attribute)> {
        self.entries.iter_mut().map(|(name, value, _)| (name.as_str(), value))
    }

    /// Whether there is an attribute of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(own, ..)| own == name)
    }

    /// The value of `name`, which from now on counts as supported.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        let (_, value, read) = self.entries.iter().find(|(own, ..)| own == name)?;
        read.0.store(true, Ordering::Relaxed);
        Some(value)
    }

    /// The value of `name` if `of` gives it; the type of attribute that `of` reads is named for the tests.
    fn typed<'a, T>(
        &'a self,
        name: &str,
        #[cfg_attr(not(test), expect(unused))] type_name: &'static str,
        of: impl Fn(&'a Attribute) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        #[cfg(test)]
        self.asked.borrow_mut().insert(name.to_string(), type_name);
        match self.get(name) {
            None => Ok(None),
            Some(value) => match of(value) {
                None => Err(format!("the attribute {name} has another type than in the ONNX specification")),
                some => Ok(some),
            },
        }
    }

    /// An integer, or `default`.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// An optional integer.
    pub fn optional_int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.typed(name, "int", |value| if let Attribute::Int(value) = value { Some(*value) } else { None })
    }

    /// A boolean, which ONNX writes as an integer.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// A float, or `default`.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, Refusal> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    /// An optional float.
    pub fn optional_float(&self, name: &str) -> Result<Option<f32>, Refusal> {
        self.typed(name, "float", |value| if let Attribute::Float(value) = value { Some(*value) } else { None })
    }

    /// Optional integers.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        self.typed(name, "ints", |value| if let Attribute::Ints(values) = value { Some(values.clone()) } else { None })
    }

    /// Optional floats.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Refusal> {
        self.typed(
            name,
            "floats",
            |value| if let Attribute::Floats(values) = value { Some(values.clone()) } else { None },
        )
    }

    /// A string, or `default`.
    pub fn string<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, Refusal> {
        let found =
            self.typed(name, "string", |value| if let Attribute::String(value) = value { Some(value) } else { None })?;
        Ok(found.map_or(default, String::as_str))
    }

    /// Strings; empty where there is no such attribute.
    pub fn strings(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let found = self
            .typed(name, "strings", |value| if let Attribute::Strings(values) = value { Some(values) } else { None })?;
        Ok(found.cloned().unwrap_or_default())
    }

    /// An optional tensor.
    pub fn tensor(&self, name: &str) -> Result<Option<HostTensor>, Refusal> {
        self.typed(
            name,
            "tensor",
            |value| if let Attribute::Tensor(value) = value { Some(value.clone()) } else { None },
        )
    }

    /// The activation that a fused operator ends with, by the attribute of this name.
    pub fn activation(&self) -> Result<Option<Activation>, Refusal> {
        self.typed(
            ACTIVATION,
            "activation",
            |value| {
                if let Attribute::Activation(value) = value { Some(*value) } else { None }
            },
        )
    }

    /// Sets the activation that the operator ends with.
    pub fn set_activation(&mut self, activation: Option<Activation>) {
        if let Some(activation) = activation {
            self.set(ACTIVATION, Attribute::Activation(activation));
        }
    }

    /// The weights of a product that are on a GPU alone.
    pub fn gpu_weights(&self) -> Result<Option<Arc<GpuWeights>>, Refusal> {
        self.typed(GPU_WEIGHTS, "weights", |value| {
            if let Attribute::GpuWeights(value) = value { Some(value.clone()) } else { None }
        })
    }

    /// The first attribute that was never read.
    pub fn unread(&self) -> Option<&str> {
        self.entries.iter().find(|(_, _, read)| !read.0.load(Ordering::Relaxed)).map(|(name, ..)| name.as_str())
    }
}
