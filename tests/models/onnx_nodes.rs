//! ONNX's own tests: 1,765 of its operators and 117 of PyTorch's layers, each a graph with inputs and outputs.
//!
//! `tests/conformance/onnx_node.txt` and `onnx_pytorch.txt` have a line for each: `name` alone for one that must pass, `name: reason`
//! for one that cannot. A line without a test, a test without a line, and one that passes against its line
//! are failures. `PILOT_LIGHT_WRITE_CONFORMANCE=1` writes the list anew.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use pilot_light::Device;
use pilot_light::graph::{Graph, GraphOptions, read_tensor};

/// The tolerances of ONNX's own runner.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;

/// How the reason of a line begins if the test fails on WebGPU alone.
const WEBGPU: &str = "webgpu: ";

#[test]
fn nodes_give_what_onnx_says() {
    check("onnx_node.txt", &["node"]);
}

#[test]
fn layers_of_pytorch_give_what_onnx_says() {
    check("onnx_pytorch.txt", &["pytorch-converted", "pytorch-operator"]);
}

/// Runs the tests of some suites, and compares the results with a list.
fn check(list: &str, suites: &[&str]) {
    let list = crate::support::root().join("tests/conformance").join(list);
    let folders = suites.iter().map(|suite| crate::support::fetched(&format!("conformance/onnx-1.22.0/{suite}")));
    let tests = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let found: BTreeMap<String, Result<(), String>> =
        tests.map(|test| (test.file_name().unwrap().to_string_lossy().into_owned(), run(&test))).collect();
    let before = fs::read_to_string(&list).unwrap_or_default();
    if std::env::var_os("PILOT_LIGHT_WRITE_CONFORMANCE").is_some() {
        fs::write(&list, lines(&found, &before)).unwrap();
    }
    let listed = read_list(&fs::read_to_string(&list).unwrap_or_default());
    let mut wrong = Vec::new();
    for (name, result) in &found {
        match (listed.get(name), result) {
            (None, _) => wrong.push(format!("{name} has no line")),
            (Some(None), Err(error)) => wrong.push(format!("{name}: {error}")),
            (Some(Some(_)), Ok(())) => wrong.push(format!("{name} passes, and its line says that it cannot")),
            _ => {}
        }
    }
    wrong
        .extend(listed.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("there is no test {name}")));
    let passed = found.values().filter(|result| result.is_ok()).count();
    assert!(wrong.is_empty(), "{passed} of {} pass; {} surprises:\n{}", found.len(), wrong.len(), wrong.join("\n"));
}

fn lines(found: &BTreeMap<String, Result<(), String>>, before: &str) -> String {
    let line = |(name, result): (&String, &Result<(), String>)| match result {
        Ok(()) => {
            let webgpu = before.lines().find(|line| line.starts_with(&format!("{name}: {WEBGPU}")));
            format!("{}\n", webgpu.unwrap_or(name))
        }
        Err(reason) => format!("{name}: {}\n", reason.replace('\n', " ")),
    };
    found.iter().map(line).collect()
}

fn read_list(text: &str) -> HashMap<String, Option<String>> {
    let line = |line: &str| match line.split_once(": ") {
        // What fails on WebGPU alone, the browser tests leave out there.
        Some((name, reason)) if !reason.starts_with(WEBGPU) => (name.to_string(), Some(reason.to_string())),
        Some((name, _)) => (name.to_string(), None),
        None => (line.to_string(), None),
    };
    text.lines().filter(|text| !text.is_empty()).map(line).collect()
}

fn run(test: &Path) -> Result<(), String> {
    let model = fs::read(test.join("model.onnx")).map_err(|error| error.to_string())?;
    let graph = Graph::load(model, HashMap::new(), &Device::cpu(), &GraphOptions::default())
        .map_err(|error| error.to_string())?;
    let sets = (0..).map(|set| test.join(format!("test_data_set_{set}"))).take_while(|data| data.is_dir());
    let sets: Vec<PathBuf> = sets.collect();
    assert!(!sets.is_empty(), "{} has no data set", test.display());
    for data in sets {
        let inputs = graph.inputs().iter().map(|port| port.name.clone()).zip(tensors(&data, "input")?).collect();
        let outputs = pollster::block_on(graph.run(inputs)).map_err(|error| error.to_string())?;
        let expected = tensors(&data, "output")?;
        assert!(!expected.is_empty(), "{} has no output", data.display());
        if outputs.len() != expected.len() {
            return Err(format!("expected {} outputs, got {}", expected.len(), outputs.len()));
        }
        for ((name, output), expected) in outputs.iter().zip(&expected) {
            compare(output, expected).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

fn tensors(data: &Path, kind: &str) -> Result<Vec<TensorData>, String> {
    let files = (0..).map(|place| data.join(format!("{kind}_{place}.pb"))).take_while(|file| file.is_file());
    files.map(|file| read_tensor(&fs::read(file).unwrap()).map_err(|error| error.to_string())).collect()
}

fn compare(output: &TensorData, expected: &TensorData) -> Result<(), String> {
    if output.dtype() != expected.dtype() || output.shape() != expected.shape() {
        return Err(format!(
            "is {:?} {:?}, not {:?} {:?}",
            output.dtype(),
            output.shape(),
            expected.dtype(),
            expected.shape()
        ));
    }
    let (output, expected) = (numbers(output), numbers(expected));
    // Next to an infinity every difference is within a relative tolerance.
    let near = |a: f64, b: f64| b.is_finite() && (a - b).abs() <= ABSOLUTE + RELATIVE * b.abs();
    let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan() || near(*a, *b);
    match output.iter().zip(&expected).position(|pair| !same(pair)) {
        None => Ok(()),
        Some(at) => Err(format!("at {at} is {}, not {}", output[at], expected[at])),
    }
}

fn numbers(data: &TensorData) -> Vec<f64> {
    if matches!(data.dtype(), DType::Bool(_)) {
        return data.as_bytes().iter().map(|byte| f64::from(*byte)).collect();
    }
    data.iter::<f64>().collect()
}
