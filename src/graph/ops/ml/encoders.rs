//! OneHotEncoder and CategoryMapper.

use std::collections::HashMap;
use std::hash::Hash;

use super::Labels;
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::{Inputs, NodeSpec, Prepared, one, wrong};

/// A new last dimension with 1 at the category of each element.
pub fn one_hot_encoder(node: &NodeSpec<'_>) -> Prepared {
    let categories = Labels::of(node, "cats_int64s", "cats_strings")?;
    let (width, zeros) = (categories.len(), node.attributes.flag("zeros", true)?);
    match categories {
        Labels::Strings(categories) if node.is_text(0) => {
            let places = places(categories);
            Ok(Box::new(move |inputs| {
                let (shape, texts) = inputs.texts(0)?;
                let found = texts.iter().map(|text| places.get(&**text).copied());
                one_hot(inputs, shape, found, (width, zeros))
            }))
        }
        Labels::Ints(categories) if !node.is_text(0) => {
            let places = places(categories);
            Ok(Box::new(move |inputs| {
                let x = inputs.take(0)?;
                let numbers = host::to_f64s(&x).into_iter();
                let found = numbers.map(|x| places.get(&(x as i64)).copied());
                one_hot(inputs, host::shape(&x).to_vec(), found, (width, zeros))
            }))
        }
        _ => Err("the categories are not of the type of the input".to_string()),
    }
}

/// The index of each of `all`.
fn places<T: Eq + Hash>(all: Vec<T>) -> HashMap<T, usize> {
    all.into_iter().enumerate().map(|(place, one)| (one, place)).collect()
}

/// Rows of `width` zeros with 1 at the places that were found. `zeros` says whether a row may have no place.
fn one_hot(
    inputs: &Inputs<'_>,
    mut shape: Vec<usize>,
    found: impl Iterator<Item = Option<usize>>,
    (width, zeros): (usize, bool),
) -> Result<Vec<HostTensor>> {
    shape.push(width);
    let mut out = vec![0f32; inputs.count(&shape)?];
    for (row, place) in found.enumerate() {
        match place {
            Some(place) => out[row * width + place] = 1.0,
            None if zeros => {}
            None => return wrong("an element is not a category"),
        }
    }
    one(host::tensor(&shape, out))
}

/// Strings to integers, or integers to strings.
pub fn category_mapper(node: &NodeSpec<'_>) -> Prepared {
    let (ints, strings) =
        (node.attributes.ints("cats_int64s")?.unwrap_or_default(), node.attributes.strings("cats_strings")?);
    let (default_int, default_string) =
        (node.attributes.int("default_int64", -1)?, node.attributes.string("default_string", "_Unused")?.to_string());
    if ints.len() != strings.len() {
        return Err(format!("there are {} integers and {} strings", ints.len(), strings.len()));
    }
    if node.is_text(0) {
        let to: HashMap<String, i64> = strings.into_iter().zip(ints).collect();
        return Ok(Box::new(move |inputs| {
            let (shape, texts) = inputs.texts(0)?;
            one(host::tensor(
                &shape,
                texts.iter().map(|text| to.get(&**text).copied().unwrap_or(default_int)).collect(),
            ))
        }));
    }
    let to: HashMap<i64, String> = ints.into_iter().zip(strings).collect();
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let numbers = host::to_i64s(&x);
        let texts = numbers.iter().map(|number| to.get(number).unwrap_or(&default_string).as_str());
        one(inputs.text_tensor(host::shape(&x), texts))
    }))
}
