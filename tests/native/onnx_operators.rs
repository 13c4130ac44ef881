//! The cases of `tests/golden/operators` and `tests/golden/graphs`, whose READMEs say how they are kept.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use burn::tensor::{DType, TensorData};
use pilot_light::Device;
use pilot_light::graph::{Data, Dim, Graph, GraphOptions, MapKey, Port, Session, Strings};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::support::golden;

const OPERATORS: &str = "operators/operators.safetensors";
const SKLEARN: &str = "sklearn/sklearn.safetensors";
const GRAPHS: &str = "graphs/graphs.safetensors";

/// Relative to the largest element of an output.
const TOLERANCE: f64 = 1e-5;
/// The tolerance where the LHS of a product is quantised to 8 bits.
const TOLERANCE_INT8: f64 = 2e-2;

#[test]
fn operators_give_what_onnxruntime_gives() {
    assert!(compare(OPERATORS, TOLERANCE, &GraphOptions::default(), |_| true).unwrap() > 70);
}

#[test]
fn whole_graphs_give_what_onnxruntime_gives() {
    assert!(compare(GRAPHS, TOLERANCE, &GraphOptions::default(), |_| true).unwrap() >= 20);
}

#[test]
fn exports_of_scikit_learn_give_what_onnxruntime_gives() {
    assert!(compare(SKLEARN, TOLERANCE, &GraphOptions::default(), |_| true).unwrap() >= 12);
}

#[test]
fn packed_weights_are_multiplied_in_integers_where_that_is_asked_for() {
    let int8 = GraphOptions { int8: true, ..GraphOptions::default() };
    let packed = |name: &str| name.starts_with("bits_");
    assert_eq!(compare(OPERATORS, TOLERANCE_INT8, &int8, packed).unwrap(), 5);
    // The results differ from those of floats.
    assert!(compare(OPERATORS, TOLERANCE, &int8, packed).is_err());
}

/// The number of `wanted` cases, where all of them pass.
fn compare(file: &str, tolerance: f64, options: &GraphOptions, wanted: fn(&str) -> bool) -> Result<usize, String> {
    let bytes = fs::read(golden(file)).expect("a golden file");
    let mut cases: BTreeMap<String, HashMap<String, TensorView<'_>>> = BTreeMap::new();
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    for (name, tensor) in tensors.iter() {
        let (case, key) = name.split_once('/').expect("CASE/KEY");
        cases.entry(case.to_owned()).or_default().insert(key.to_owned(), tensor);
    }
    cases.retain(|name, _| wanted(name));
    let wrong = cases
        .iter()
        .filter_map(|(name, case)| check(case, tolerance, options).err().map(|error| format!("{name}: {error}")));
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { Ok(cases.len()) } else { Err(format!("{}:\n{}", wrong.len(), wrong.join("\n"))) }
}

fn check(case: &HashMap<String, TensorView<'_>>, tolerance: f64, options: &GraphOptions) -> Result<(), String> {
    let model = case["model"].data().to_vec();
    let graph = Graph::load(model, HashMap::new(), &Device::cpu(), options).map_err(|error| error.to_string())?;
    let input = |port: &Port| {
        let kept = case.get(&format!("in/{}", port.name));
        let data = match kept {
            Some(kept) if port.strings => {
                Data::Strings(Strings { shape: vec![lines(kept).len(), 1], data: lines(kept) })
            }
            kept => Data::Tensor(kept.map_or_else(|| by_formula(port), tensor)),
        };
        (port.name.clone(), data)
    };
    let inputs = graph.inputs().iter().map(input).collect();
    let outputs = pollster::block_on(graph.run_data(&mut Session::default(), inputs));
    let (outputs, _) = outputs.map_err(|error| error.to_string())?;
    for (name, output) in &outputs {
        let kept = &case[&format!("out/{name}")];
        let output = &match output {
            Data::Tensor(output) => output.clone(),
            Data::Strings(output) => {
                if output.data != lines(kept) {
                    return Err(format!("{name} is {output:?}"));
                }
                continue;
            }
            // The values of a map for each row, whose keys are kept.
            Data::Sequence(rows) => {
                let keys = lines(&case[&format!("keys/{name}")]);
                TensorData::new(values(rows, &keys)?, [rows.len(), keys.len()])
            }
            other => return Err(format!("{name} is {other:?}")),
        };
        let wanted = tensor(kept);
        if (output.dtype(), output.shape()) != (wanted.dtype(), wanted.shape()) {
            return Err(format!("{name} is {:?} {:?}", output.dtype(), output.shape()));
        }
        let (is, wanted): (Vec<f64>, Vec<f64>) = (output.iter().collect(), wanted.iter().collect());
        if let Some(at) = first_difference(&is, &wanted, tolerance) {
            return Err(format!("{name} at {at} is {}, not {}", is[at], wanted[at]));
        }
    }
    Ok(())
}

/// Strings that are kept as lines.
fn lines(kept: &TensorView<'_>) -> Vec<String> {
    std::str::from_utf8(kept.data()).expect("UTF-8").split('\n').map(String::from).collect()
}

/// The values of maps that have these keys.
fn values(rows: &[Data], keys: &[String]) -> Result<Vec<f32>, String> {
    let mut values = Vec::new();
    for row in rows {
        let Data::Map(entries) = row else { return Err(format!("a row is {row:?}")) };
        let word = |key: &MapKey| match key {
            MapKey::Int(key) => key.to_string(),
            MapKey::Text(key) => key.clone(),
        };
        if entries.iter().map(|(key, _)| word(key)).ne(keys.iter().cloned()) {
            return Err(format!("a row is {row:?}, expected the keys {keys:?}"));
        }
        values.extend(entries.iter().map(|(_, value)| *value));
    }
    Ok(values)
}

/// The index of the first number that is not what it should be. `tolerance` is relative to the largest finite one.
fn first_difference(is: &[f64], wanted: &[f64], tolerance: f64) -> Option<usize> {
    let finite = wanted.iter().filter(|x| x.is_finite());
    let most = finite.fold(0.0f64, |most, x| most.max(x.abs())) * tolerance;
    let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || b.is_finite() && (a - b).abs() <= most;
    is.iter().zip(wanted).position(|(a, b)| !same(*a, *b))
}

#[test]
fn infinities_and_nan_are_compared_as_well() {
    let wanted = [f64::NEG_INFINITY, f64::NAN, 2.0];
    assert_eq!(first_difference(&[f64::NEG_INFINITY, f64::NAN, 2.0 + 1e-6], &wanted, TOLERANCE), None);
    for (is, index) in [
        ([1e30, f64::NAN, 2.0], 0),
        ([f64::INFINITY, f64::NAN, 2.0], 0),
        ([f64::NEG_INFINITY, 0.0, 2.0], 1),
        ([f64::NEG_INFINITY, f64::NAN, 2.1], 2),
        ([f64::NEG_INFINITY, f64::NAN, f64::NAN], 2),
    ] {
        assert_eq!(first_difference(&is, &wanted, TOLERANCE), Some(index), "{is:?}");
    }
}

/// The input that `make.py` generates for the port.
fn by_formula(port: &Port) -> TensorData {
    let index: i64 = port.name[1..].parse().expect("the index of an input");
    let dims = port.dims.as_ref().expect("a shape").iter().map(|dim| match dim {
        Dim::Fixed(size) => *size,
        Dim::Free(name) => panic!("{name} is free"),
    });
    let dims: Vec<usize> = dims.collect();
    let mixed = (0..dims.iter().product::<usize>() as i64).map(|at| (at * 37 + index * 11 + 5) * 101);
    match port.dtype {
        DType::F32 => TensorData::new(mixed.map(|x| ((x % 1999) as f64 / 999.5 - 1.0) as f32).collect(), dims),
        DType::U8 => TensorData::new(mixed.map(|x| (x % 251) as u8).collect(), dims),
        DType::I8 => TensorData::new(mixed.map(|x| (x % 251 - 125) as i8).collect(), dims),
        dtype => panic!("there is no formula for {dtype:?}"),
    }
}

fn tensor(kept: &TensorView<'_>) -> TensorData {
    let (bytes, dims) = (kept.data(), kept.shape().to_vec());
    match kept.dtype() {
        Dtype::F32 => TensorData::new(bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect(), dims),
        Dtype::I32 => TensorData::new(bytes.as_chunks().0.iter().map(|x| i32::from_le_bytes(*x)).collect(), dims),
        Dtype::I64 => TensorData::new(bytes.as_chunks().0.iter().map(|x| i64::from_le_bytes(*x)).collect(), dims),
        Dtype::U8 => TensorData::new(bytes.to_vec(), dims),
        Dtype::BOOL => TensorData::new(bytes.iter().map(|x| *x != 0).collect::<Vec<bool>>(), dims),
        Dtype::I8 => TensorData::new(bytes.iter().map(|x| *x as i8).collect(), dims),
        dtype => panic!("{dtype:?} is not kept"),
    }
}
