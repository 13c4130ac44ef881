//! Attributes of a node. Each is read by the operator that supports it; one that is never read is not supported.

use std::cell::Cell;

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
    /// Of a type that no operator reads.
    Other,
}

/// The attributes of a node, by name, each with whether it was read.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<(String, Attribute, Cell<bool>)>);

/// The attribute of our own operators that [`Attributes::activation`] reads.
pub const ACTIVATION: &str = "activation";

/// Why an operator cannot be run with its attributes. The caller adds the operator's name.
pub type Refusal = String;

impl Attributes {
    /// Adds an attribute.
    pub fn push(&mut self, name: &str, value: Attribute) {
        self.0.push((name.to_string(), value, Cell::new(false)));
    }

    /// Sets an attribute, in place of one with the same name.
    pub fn set(&mut self, name: &str, value: Attribute) {
        self.0.retain(|(own, ..)| own != name);
        self.push(name, value);
    }

    /// Integer attributes, for operators that passes make.
    pub fn of_ints(values: &[(&str, i64)]) -> Self {
        let mut attributes = Self::default();
        values.iter().for_each(|(name, value)| attributes.push(name, Attribute::Int(*value)));
        attributes
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().map(|(_, value, _)| value)
    }

    /// All names with their values, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Attribute)> {
        self.0.iter_mut().map(|(name, value, _)| (name.as_str(), value))
    }

    /// Whether there is an attribute of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, ..)| own == name)
    }

    /// The value of `name`, which from now on counts as supported.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        let (_, value, read) = self.0.iter().find(|(own, ..)| own == name)?;
        read.set(true);
        Some(value)
    }

    /// An integer, or `default`.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// An optional integer.
    pub fn optional_int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
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
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Float(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Optional integers.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values.clone())),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Optional floats.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) => Ok(Some(values.clone())),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// A string, or `default`.
    pub fn string<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(Attribute::String(value)) => Ok(value),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Strings; empty where there is no such attribute.
    pub fn strings(&self, name: &str) -> Result<Vec<String>, Refusal> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Strings(values)) => Ok(values.clone()),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// An optional tensor.
    pub fn tensor(&self, name: &str) -> Result<Option<HostTensor>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value.clone())),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// The activation that a fused operator ends with, by the attribute of this name.
    pub fn activation(&self) -> Result<Option<Activation>, Refusal> {
        match self.get(ACTIVATION) {
            None => Ok(None),
            Some(Attribute::Activation(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(ACTIVATION)),
        }
    }

    /// Sets the activation that the operator ends with.
    pub fn set_activation(&mut self, activation: Option<Activation>) {
        if let Some(activation) = activation {
            self.set(ACTIVATION, Attribute::Activation(activation));
        }
    }

    /// The first attribute that was never read.
    pub fn unread(&self) -> Option<&str> {
        self.0.iter().find(|(_, _, read)| !read.get()).map(|(name, ..)| name.as_str())
    }
}

fn wrong_type(name: &str) -> Refusal {
    format!("the attribute {name} has another type than in the ONNX specification")
}
