//! ONNX's own tests: 1,765 of its operators and 117 of PyTorch's layers, each a graph with inputs and outputs.
//!
//! `tests/conformance/onnx_node.txt` and `onnx_pytorch.txt` have a line for each: `name` alone for one that must pass,
//! `name: reason` for one that cannot. `name: webgpu: reason` and `name: javascript: reason` must pass here, and are left out
//! in browsers. A line without a test, a test without a line, and one that passes against its line are failures.
//! `PILOT_LIGHT_WRITE_CONFORMANCE=1` writes the lists anew.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use pilot_light::Device;
use pilot_light::graph::{Data, Graph, GraphOptions, Kind, Port, Session, read_data};

/// The tolerances of ONNX's own runner.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;

/// How the reason of a line begins if the test fails on WebGPU alone.
const WEBGPU: &str = "webgpu: ";
/// How it begins if JavaScript has nothing for what the test takes or gives.
const JAVASCRIPT: &str = "javascript: ";

#[test]
fn nodes_give_what_onnx_says() {
    check("onnx_node.txt", &["node"]);
}

#[test]
fn layers_of_pytorch_give_what_onnx_says() {
    check("onnx_pytorch.txt", &["pytorch-converted", "pytorch-operator"]);
}

/// What JavaScript has nothing for, of a test that passes; why one fails.
type Outcome = Result<Option<&'static str>, String>;

/// Runs the tests of some suites, and compares the results with a list.
fn check(list: &str, suites: &[&str]) {
    let list = crate::support::root().join("tests/conformance").join(list);
    let folders = suites.iter().map(|suite| crate::support::fetched(&format!("conformance/onnx-1.22.0/{suite}")));
    let tests = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let found: BTreeMap<String, Outcome> =
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
            (Some(Some(_)), Ok(_)) => wrong.push(format!("{name} passes, and its line says that it cannot")),
            _ => {}
        }
    }
    wrong
        .extend(listed.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("there is no test {name}")));
    let passed = found.values().filter(|result| result.is_ok()).count();
    assert!(wrong.is_empty(), "{passed} of {} pass; {} surprises:\n{}", found.len(), wrong.len(), wrong.join("\n"));
}

fn lines(found: &BTreeMap<String, Outcome>, before: &str) -> String {
    let line = |(name, result): (&String, &Outcome)| match result {
        Ok(Some(lacking)) => format!("{name}: {JAVASCRIPT}it has no {lacking}\n"),
        Ok(None) => {
            let webgpu = before.lines().find(|line| line.starts_with(&format!("{name}: {WEBGPU}")));
            format!("{}\n", webgpu.unwrap_or(name))
        }
        Err(reason) => format!("{name}: {}\n", reason.replace('\n', " ")),
    };
    found.iter().map(line).collect()
}

fn read_list(text: &str) -> HashMap<String, Option<String>> {
    let line = |line: &str| match line.split_once(": ") {
        // What fails in a browser alone, the browser tests leave out.
        Some((name, reason)) if ![WEBGPU, JAVASCRIPT].iter().any(|prefix| reason.starts_with(prefix)) => {
            (name.to_string(), Some(reason.to_string()))
        }
        Some((name, _)) => (name.to_string(), None),
        None => (line.to_string(), None),
    };
    text.lines().filter(|text| !text.is_empty()).map(line).collect()
}

fn run(test: &Path) -> Outcome {
    run_on(test, &Device::cpu())
}

/// Every test that passes on the CPU, with every tensor that can be on a GPU there, however small.
#[cfg(feature = "gpu")]
#[test]
fn nodes_give_what_onnx_says_on_a_gpu() {
    let _alone = crate::gpu::alone();
    let device = pollster::block_on(pilot_light::graph::open_webgpu()).expect("a GPU, which may be one in software");
    let list = fs::read_to_string(crate::support::root().join("tests/conformance/onnx_node.txt")).unwrap();
    let names = list.lines().filter(|line| !line.contains(": ") || line.contains(&format!(": {JAVASCRIPT}")));
    let (mut passed, mut wrong) = (0, Vec::new());
    for name in names.map(|line| line.split(": ").next().unwrap_or(line)) {
        match run_on(&crate::support::fetched(&format!("conformance/onnx-1.22.0/node/{name}")), &device) {
            Ok(_) => passed += 1,
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
        assert_eq!(device.fault(), None, "{name}");
    }
    println!("{passed} pass, {:?}", device.gpu_counts());
    assert!(wrong.is_empty(), "{passed} pass; {} do not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(passed >= 1479);
}

fn run_on(test: &Path, device: &Device) -> Outcome {
    let model = fs::read(test.join("model.onnx")).map_err(|error| error.to_string())?;
    let options = GraphOptions { gpu_min_elements: 1, ..GraphOptions::default() };
    let graph = Graph::load(model, HashMap::new(), device, &options).map_err(|error| error.to_string())?;
    let sets = (0..).map(|set| test.join(format!("test_data_set_{set}"))).take_while(|data| data.is_dir());
    let sets: Vec<PathBuf> = sets.collect();
    assert!(!sets.is_empty(), "{} has no data set", test.display());
    for data in sets {
        let inputs = graph.inputs().iter().map(|port| port.name.clone()).zip(values(&data, "input", graph.inputs())?);
        let outputs = pollster::block_on(graph.run_data(&mut Session::default(), inputs.collect()));
        let (outputs, _) = outputs.map_err(|error| error.to_string())?;
        let expected = values(&data, "output", graph.outputs())?;
        assert!(!expected.is_empty(), "{} has no output", data.display());
        if outputs.len() != expected.len() {
            return Err(format!("expected {} outputs, got {}", expected.len(), outputs.len()));
        }
        for ((name, output), expected) in outputs.iter().zip(&expected) {
            compare(output, expected).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    let ports = || graph.inputs().iter().chain(graph.outputs());
    let sequences = ports().any(|port| port.kind != Kind::Tensor);
    Ok(if sequences { Some("sequences") } else { ports().any(|port| port.strings).then_some("tensors of strings") })
}

/// The values of the ports in the files `kind`_0.pb and so on. There must be one for each.
fn values(data: &Path, kind: &str, ports: &[Port]) -> Result<Vec<Data>, String> {
    let file = |place: usize| data.join(format!("{kind}_{place}.pb"));
    assert!(!file(ports.len()).is_file(), "{} has more files than ports", data.display());
    let value = |(place, port)| read_data(&fs::read(file(place)).unwrap(), port).map_err(|error| error.to_string());
    ports.iter().enumerate().map(value).collect()
}

fn compare(output: &Data, expected: &Data) -> Result<(), String> {
    match (output, expected) {
        (Data::Tensor(output), Data::Tensor(expected)) => compare_tensors(output, expected),
        (Data::Sequence(output), Data::Sequence(expected)) if output.len() == expected.len() => {
            output.iter().zip(expected).try_for_each(|(output, expected)| compare(output, expected))
        }
        _ if output == expected => Ok(()),
        _ => Err(format!("is {output:?}, not {expected:?}")),
    }
}

fn compare_tensors(output: &TensorData, expected: &TensorData) -> Result<(), String> {
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
