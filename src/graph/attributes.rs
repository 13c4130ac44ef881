//! A node's attributes. Each is asked for by the operator that knows it; one that nobody asks for is not known.

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
    /// Of a type that no operator here reads.
    Other,
}

/// The attributes of a node by name.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<(String, Attribute, Cell<bool>)>);

/// The attribute of our own operators that [`Attributes::activation`] reads.
pub const ACTIVATION: &str = "activation";

/// Why an operator cannot be run as it is; joined with its name by whoever asks.
pub type Refusal = String;

impl Attributes {
    /// Adds one.
    pub fn push(&mut self, name: &str, value: Attribute) {
        self.0.push((name.to_string(), value, Cell::new(false)));
    }

    /// Has it be `value`, whether it was there or not.
    pub fn set(&mut self, name: &str, value: Attribute) {
        self.0.retain(|(known, ..)| known != name);
        self.push(name, value);
    }

    /// Attributes with one integer each, for operators that are made here.
    pub fn of_ints(values: &[(&str, i64)]) -> Self {
        let mut attributes = Self::default();
        values.iter().for_each(|(name, value)| attributes.push(name, Attribute::Int(*value)));
        attributes
    }

    /// All values, known or not.
    pub fn values(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().map(|(_, value, _)| value)
    }

    /// All names with their values, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Attribute)> {
        self.0.iter_mut().map(|(name, value, _)| (name.as_str(), value))
    }

    /// Whether it is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, ..)| known == name)
    }

    /// The value of `name`, which from now on counts as known.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        let (_, value, known) = self.0.iter().find(|(known, ..)| known == name)?;
        known.set(true);
        Some(value)
    }

    /// An integer, or `default` where it is not there.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// An integer that may be missing.
    pub fn optional_int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// An integer that is 0 or not.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// A float, or `default` where it is not there.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, Refusal> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    /// A float that may be missing.
    pub fn optional_float(&self, name: &str) -> Result<Option<f32>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Float(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Integers; none where they are not there.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values.clone())),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Floats; none where they are not there.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) => Ok(Some(values.clone())),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// A string, or `default` where it is not there.
    pub fn string<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(Attribute::String(value)) => Ok(value),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Strings; none where they are not there.
    pub fn strings(&self, name: &str) -> Result<Vec<String>, Refusal> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Strings(values)) => Ok(values.clone()),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// A tensor that may be missing.
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

    /// Has the operator end with `activation`.
    pub fn set_activation(&mut self, activation: Option<Activation>) {
        if let Some(activation) = activation {
            self.set(ACTIVATION, Attribute::Activation(activation));
        }
    }

    /// The first that nobody has asked for.
    pub fn unknown(&self) -> Option<&str> {
        self.0.iter().find(|(_, _, known)| !known.get()).map(|(name, ..)| name.as_str())
    }
}

fn wrong_type(name: &str) -> Refusal {
    format!("its attribute {name} has another type than ONNX gives it")
}
