//! ONNX graphs: read, checked and planned at load, run on the CPU or a GPU.
//!
//! ```text
//! formats::onnx -> import -> upcast_f16 -> constant_folding -> fusion -> prepack_weights -> plan -> run
//! ```
//!
//! `import` gives every name a slot. `upcast_f16` makes 32-bit floats of 16-bit weights. `constant_folding` evaluates the
//! nodes whose inputs are all constants, and refuses what is not known. `fusion` joins what exporters take apart.
//! `prepack_weights` lays constant matrices out for the kernels, in 8 bits where that was asked for. `plan` finds the
//! last use of each value. `run` takes the steps. [`Builder`] makes graphs that come from no file; [`Session`] is the
//! state between runs. The operators are in `ops`, their GPU kernels in `gpu`.

mod attributes;
mod blocks;
mod builder;
mod choice;
mod compute_cost;
mod contiguous;
mod control;
mod cost;
mod data;
mod device_check;
mod encoding;
#[cfg_attr(not(feature = "gpu"), path = "gpu_disabled.rs")]
mod gpu;
mod host;
mod import;
mod ops;
mod options;
mod passes;
mod plan;
mod program;
mod run;
mod sequences;
mod session;
mod texts;
mod value;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) use blocks::Blocks;
pub use builder::{AttentionSettings, Builder, Operand};
pub(crate) use builder::{CachedInputs, LinearEpilogue};
pub use burn::tensor::{DType, TensorData};
pub(crate) use choice::Choice;
pub use data::{Data, Kind, MapKey, Strings};
pub use device_check::open_webgpu;
pub(crate) use gpu::GpuWeights;
pub use options::{Fusion, GraphOptions, Limits};
pub use run::GoOn;
pub use session::{Session, State};

use crate::device::{CpuShare, Device, DeviceKind};
use crate::error::{Error, Result};
use crate::formats::onnx;
pub use compute_cost::ComputeCost;
use data::{from_value, to_value};
use ops::named::{DYNAMIC_QUANTIZE_LINEAR, DYNAMIC_QUANTIZE_MATMUL, MATMUL_ON_GPU};
use passes::{constant_folding, fusion, prepack_weights, upcast_f16};
use plan::Plan;
use program::{Node, Program};
use run::Run;
use texts::Texts;
use value::Value;

/// A dimension of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A fixed size.
    Fixed(usize),
    /// Any size; equal names are meant to be equal sizes. Empty where the file gives no name.
    Free(String),
}

/// An input or an output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether its elements are strings.
    pub strings: bool,
    /// The type of its elements, where they are numbers or booleans.
    pub dtype: DType,
    /// Its dimensions; `None` where the file does not even give their number.
    pub dims: Option<Vec<Dim>>,
}

impl Port {
    /// A tensor of numbers of any shape.
    fn tensor(name: &str, dtype: DType) -> Self {
        Self { name: name.to_string(), kind: Kind::Tensor, strings: false, dtype, dims: None }
    }
}

/// A graph that is ready to run.
pub struct Graph {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    metadata: HashMap<String, String>,
    options: GraphOptions,
    /// Whether 16-bit floats are computed as 32-bit ones.
    widened: bool,
    /// Whether activations are quantised by one scale for all rows.
    shares_scales: bool,
    plan: Plan,
    device: Device,
    /// The runs that the CPU computes.
    on_cpu: CpuShare,
    /// The elements of an input that count as one when runs are shared between devices.
    unit: usize,
    /// The bytes of weights that the CPU does not have.
    gpu_only_bytes: usize,
    /// The constants, by slot.
    constants: Vec<Option<Value>>,
    /// The strings of the constants.
    texts: Texts,
}

impl Graph {
    /// Reads an ONNX file. `external` has the bytes of its external data files, by name.
    ///
    /// # Errors
    /// Invalid artefact: the file is malformed, or exceeds the limits. Unsupported: operators, types or attributes that
    /// are not supported, all of them in one error.
    pub fn load(
        bytes: Vec<u8>,
        external: HashMap<String, Vec<u8>>,
        device: &Device,
        options: &GraphOptions,
    ) -> Result<Self> {
        let limits = options.limits.clone();
        let model = onnx::read(&bytes, onnx::Bounds { nodes: limits.max_nodes, depth: limits.max_depth })?;
        import::check_opsets(&model.opsets)?;
        let mut program = import::program(&model, &external, &limits)?;
        let metadata = model.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        // The passes need memory, and what they use of the file has been copied.
        drop(model);
        drop((bytes, external));
        program.block.prune(program.types.len());
        let widened = upcast_f16::widen(&mut program);
        constant_folding::fold(&mut program, &limits)?;
        program.block.prune(program.types.len());
        let shares_scales = |node: &Node| node.is(DYNAMIC_QUANTIZE_LINEAR) || node.is(DYNAMIC_QUANTIZE_MATMUL);
        let shares_scales = program.block.nodes.iter().any(shares_scales);
        fusion::fuse(&mut program, &options.fusion);
        Ok(Self { shares_scales, ..Self::of_program(program, metadata, widened, device, options)? })
    }

    fn of_program(
        mut program: Program,
        metadata: HashMap<String, String>,
        widened: bool,
        device: &Device,
        options: &GraphOptions,
    ) -> Result<Self> {
        if options.int8 {
            prepack_weights::pack(&mut program, prepack_weights::Form::Int8, options.precise);
        } else if device.kind() == DeviceKind::Wasm {
            prepack_weights::pack(&mut program, prepack_weights::Form::Panels, options.precise);
        }
        let plan = plan::plan(&program, device)?;
        let gpu_only = program.block.nodes.iter().filter(|node| node.is(MATMUL_ON_GPU));
        let gpu_only = gpu_only.filter_map(|node| node.attributes.gpu_weights().ok().flatten());
        let gpu_only_bytes = gpu_only.map(|weights| weights.bytes()).sum();
        let mut constants = vec![None; program.types.len()];
        let mut keep = |slot: usize| {
            if let Some(tensor) = program.constants.remove(&slot) {
                constants[slot] = Some(Value::constant(tensor));
            }
        };
        program.block.nodes.iter().for_each(|node| node.reads(&mut keep));
        program.block.outputs.iter().for_each(|slot| keep(*slot));
        let (inputs, outputs, texts) = (program.inputs, program.outputs, program.texts);
        Ok(Self {
            inputs,
            outputs,
            metadata,
            options: options.clone(),
            widened,
            shares_scales: false,
            plan,
            device: device.clone(),
            on_cpu: device.cpu_share(),
            unit: 1,
            gpu_only_bytes,
            constants,
            texts,
        })
    }

    /// The inputs of [`Self::run`].
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The outputs of [`Self::run`].
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The file's metadata under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether activations are quantised by one scale for all rows (DynamicQuantizeLinear), so that what comes of a row depends
    /// on the others.
    pub(crate) fn shares_scales(&self) -> bool {
        self.shares_scales
    }

    /// Whether it has weights that are on a GPU alone, so that no run can be left to the CPU.
    pub(crate) fn needs_gpu(&self) -> bool {
        self.gpu_only_bytes > 0
    }

    /// The bytes of weights that are on a GPU alone.
    pub(crate) fn gpu_only_bytes(&self) -> usize {
        self.gpu_only_bytes
    }

    /// The device.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Runs the graph: its outputs by name, in the order of [`Self::outputs`], and its cost.
    ///
    /// # Errors
    /// Invalid input: a name, type or shape does not fit the model, or an operator finds values that it cannot compute
    /// (an index out of range, shapes that do not fit). Device lost.
    pub async fn run_counted(
        &self,
        inputs: Vec<(String, TensorData)>,
    ) -> Result<(Vec<(String, TensorData)>, ComputeCost)> {
        self.run_session(&mut Session::default(), inputs).await
    }

    /// Runs the graph, without its cost.
    ///
    /// # Errors
    /// As [`Self::run_counted`].
    pub async fn run(&self, inputs: Vec<(String, TensorData)>) -> Result<Vec<(String, TensorData)>> {
        Ok(self.run_counted(inputs).await?.0)
    }

    /// A session in which the inputs of `states` stay on their device between runs.
    ///
    /// # Errors
    /// Invalid input: a state's input or output is not one of the graph or is bound twice, their types differ, or an
    /// initial value does not fit its input.
    pub fn session(&self, states: Vec<State<'_>>) -> Result<Session> {
        Session::new(self, states)
    }

    /// Runs the graph once more in `session`: as [`Self::run_counted`], but without the inputs and outputs that are the
    /// session's states.
    ///
    /// # Errors
    /// As [`Self::run_counted`]. After an error the session has lost its states.
    pub async fn run_session(
        &self,
        session: &mut Session,
        inputs: Vec<(String, TensorData)>,
    ) -> Result<(Vec<(String, TensorData)>, ComputeCost)> {
        let inputs = inputs.into_iter().map(|(name, tensor)| (name, Data::Tensor(tensor))).collect();
        let (outputs, cost) = self.run_data(session, inputs).await?;
        Ok((tensors(outputs)?, cost))
    }

    /// Runs the graph in `session`, with inputs and outputs of any kind.
    ///
    /// # Errors
    /// As [`Self::run_session`].
    pub async fn run_data(
        &self,
        session: &mut Session,
        inputs: Vec<(String, Data)>,
    ) -> Result<(Vec<(String, Data)>, ComputeCost)> {
        let outcome = self.run_while(session, inputs, None).await?;
        outcome.ok_or_else(|| Error::internal("a run ended that nobody has stopped"))
    }

    /// As [`Self::run_session`], with `go_on` asked whether to go on. Where it says no there are no outputs, and each state
    /// is as it was before the run, or as it is after it.
    pub(crate) async fn run_session_while(
        &self,
        session: &mut Session,
        inputs: Vec<(String, TensorData)>,
        go_on: &GoOn<'_>,
    ) -> Result<Option<(Vec<(String, TensorData)>, ComputeCost)>> {
        let inputs = inputs.into_iter().map(|(name, tensor)| (name, Data::Tensor(tensor))).collect();
        let outcome = self.run_while(session, inputs, Some(go_on)).await?;
        outcome.map(|(outputs, cost)| Ok((tensors(outputs)?, cost))).transpose()
    }

    /// The graph with inputs whose elements are shared between devices by so many: those of a token.
    pub(crate) fn in_units_of(self, elements: usize) -> Self {
        Self { unit: elements.max(1), ..self }
    }

    /// As [`Self::run_data`], with `go_on` asked whether to go on, as in [`Self::run_session_while`].
    pub(crate) async fn run_while(
        &self,
        session: &mut Session,
        inputs: Vec<(String, Data)>,
        go_on: Option<&GoOn<'_>>,
    ) -> Result<Option<(Vec<(String, Data)>, ComputeCost)>> {
        let mut texts = self.texts.clone();
        let given = self.given(inputs, session, &mut texts)?;
        let outcome = match self.compute(session, given, texts, go_on).await {
            Ok(Some(computed)) => self.read(computed).await.map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        // Of a run that was stopped, failed, or has outputs for its session alone, nothing was read back.
        self.device.flush();
        outcome
    }

    /// Runs the graph, and leaves its outputs where they were computed.
    async fn compute(
        &self,
        session: &mut Session,
        given: HashMap<String, Value>,
        texts: Texts,
        go_on: Option<&GoOn<'_>>,
    ) -> Result<Option<Computed<'_>>> {
        let inputs = self.in_order(given, session)?;
        let mut sizes = Vec::new();
        for (port, value) in self.inputs.iter().zip(&inputs) {
            if let (Some(dims), Some(value)) = (&port.dims, value) {
                sizes.extend(control::named_sizes(dims, value.shape()));
            }
        }
        let elements = inputs.iter().flatten().map(|input| input.shape().iter().product()).max().unwrap_or(0);
        let on_gpu = self.needs_gpu() || !self.on_cpu.has(elements / self.unit);
        let mut run = Run::new(&self.constants, &self.options, on_gpu, sizes, texts);
        if !run.steps(&self.plan, inputs, go_on).await? {
            let after = self.outputs.iter().zip(&self.plan.outputs);
            after.for_each(|(port, slot)| session.restore_output(&port.name, run.value(*slot)));
            let before = self.inputs.iter().zip(&self.plan.inputs);
            before.for_each(|(port, slot)| session.restore_input(&port.name, run.value(*slot)));
            return Ok(None);
        }
        let outputs = run.outputs(&self.plan)?;
        let (cost, texts) = (run.cost, std::mem::take(&mut run.texts));
        // A value that is used nowhere else can be changed in place.
        drop(run);
        let ports = self.outputs.iter().zip(outputs);
        let outputs = ports.filter_map(|(port, output)| Some((port, session.store(&port.name, output)?))).collect();
        Ok(Some(Computed { outputs, texts, cost }))
    }

    /// The outputs in the CPU's memory, and the cost.
    async fn read(&self, computed: Computed<'_>) -> Result<(Vec<(String, Data)>, ComputeCost)> {
        let mut named = Vec::with_capacity(computed.outputs.len());
        for (port, output) in computed.outputs {
            let narrow = (self.widened && port.dtype == DType::F16).then_some(DType::F16);
            named.push((port.name.clone(), from_value(output, port, narrow, &computed.texts).await?));
        }
        Ok((named, computed.cost))
    }

    /// Checks the inputs that are no states of `session`.
    fn given(
        &self,
        inputs: Vec<(String, Data)>,
        session: &Session,
        texts: &mut Texts,
    ) -> Result<HashMap<String, Value>> {
        let mut given = HashMap::with_capacity(inputs.len());
        for (name, data) in inputs {
            let port = find_port(&self.inputs, "input", &name)?;
            if session.has_input(&name) {
                return Err(Error::invalid_input(format!("the input '{name}' is a state of the session")));
            }
            let wide = (self.widened && port.dtype == DType::F16).then_some(DType::F32);
            let value = to_value(data, port, wide, texts, &self.options.limits)?;
            if given.insert(name, value).is_some() {
                return Err(Error::invalid_input(format!("the input '{}' is given twice", port.name)));
            }
        }
        Ok(given)
    }

    /// The inputs in the order of [`Self::inputs`]. States are taken out of `session`.
    fn in_order(&self, mut given: HashMap<String, Value>, session: &mut Session) -> Result<Vec<Option<Value>>> {
        if let Some(port) =
            self.inputs.iter().find(|port| !given.contains_key(&port.name) && !session.has_input(&port.name))
        {
            return Err(Error::invalid_input(format!("the input '{}' is missing", port.name)));
        }
        let take = |port: &Port| {
            if let Some(value) = given.remove(&port.name) {
                return Ok(Some(value));
            }
            let state = session.take(&port.name).ok_or_else(|| session::lost(&port.name))?;
            check_shape(port, state.shape())?;
            Ok(Some(state))
        };
        self.inputs.iter().map(take).collect()
    }

    /// The value of an input: 16-bit floats as 32-bit ones where the graph computes in those.
    fn widen(&self, port: &Port, data: TensorData) -> Value {
        let tensor = host::from_data(data);
        if self.widened && port.dtype == DType::F16 { host::cast(tensor, DType::F32).into() } else { tensor.into() }
    }
}

/// What a run has computed: the outputs that are no states of its session, where they are.
struct Computed<'a> {
    outputs: Vec<(&'a Port, Value)>,
    texts: Texts,
    cost: ComputeCost,
}

/// Outputs that are all tensors of numbers.
fn tensors(outputs: Vec<(String, Data)>) -> Result<Vec<(String, TensorData)>> {
    let tensor = |(name, output)| match output {
        Data::Tensor(tensor) => Ok((name, tensor)),
        _ => {
            Err(Error::invalid_input(format!("the output '{name}' is not a tensor of numbers, which `run_data` gives")))
        }
    };
    outputs.into_iter().map(tensor).collect()
}

/// The elements as 32-bit floats; without a copy where they are.
pub(crate) fn to_floats(data: TensorData) -> Vec<f32> {
    host::to_f32s(host::from_data(data))
}

/// An ONNX file, and its external data by location.
pub(crate) type GraphFile = (Vec<u8>, HashMap<String, Vec<u8>>);

/// The files that have tensors of an ONNX file, relative to its folder. One that cannot be read has none: [`Graph::load`]
/// refuses it.
pub(crate) fn external_files(bytes: &[u8], limits: &Limits) -> BTreeSet<String> {
    let bounds = onnx::Bounds { nodes: limits.max_nodes, depth: limits.max_depth };
    let model = onnx::read(bytes, bounds).unwrap_or_default();
    model.external_files().into_iter().map(String::from).collect()
}

/// The type of most of the numbers in the tensors of these models: `fp32`, `fp16`, `bf16`, `int8` or `uint8`. `None` where
/// they have none.
pub(crate) fn weights_type<'a>(models: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Option<&'static str> {
    let bounds = onnx::Bounds { nodes: limits.max_nodes, depth: limits.max_depth };
    let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (name, count) in models.filter_map(|bytes| onnx::read(bytes, bounds).ok()).flat_map(|model| model.weights()) {
        *sums.entry(name).or_default() += count;
    }
    sums.into_iter().filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count).map(|(name, _)| name)
}

/// Reads a tensor file (`.pb`), as ONNX's own tests have them.
///
/// # Errors
/// Invalid artefact: it is malformed. Unsupported: its element type.
pub fn read_tensor(bytes: &[u8]) -> Result<TensorData> {
    let tensor = onnx::Tensor::read(bytes)?;
    Ok(host::into_data(import::tensor(&tensor, &HashMap::new(), &Limits::default(), &mut Texts::default())?))
}

/// Reads a file (`.pb`) with a value for `port`, as ONNX's own tests have them.
///
/// # Errors
/// As [`read_tensor`].
pub fn read_data(bytes: &[u8], port: &Port) -> Result<Data> {
    let value = onnx::Value::read(bytes, matches!(port.kind, Kind::Sequence), port.kind.is_optional())?;
    import::data(&value, port)
}

/// The port of this name.
fn find_port<'a>(ports: &'a [Port], kind: &str, name: &str) -> Result<&'a Port> {
    ports.iter().find(|port| port.name == name).ok_or_else(|| {
        let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
        Error::invalid_input(format!("the model has no {kind} '{name}'; it has {}", names.join(", ")))
    })
}

fn check_dtype(port: &Port, dtype: DType) -> Result<()> {
    if dtype == port.dtype {
        return Ok(());
    }
    let (name, wanted) = (&port.name, port.dtype);
    Err(Error::invalid_input(format!("the input '{name}' has the type {dtype:?}, expected {wanted:?}")))
}

fn check_shape(port: &Port, shape: &[usize]) -> Result<()> {
    let Some(dims) = &port.dims else { return Ok(()) };
    let fits = |(dim, size): (&Dim, &usize)| matches!(dim, Dim::Free(_)) || *dim == Dim::Fixed(*size);
    if dims.len() == shape.len() && dims.iter().zip(shape).all(fits) {
        return Ok(());
    }
    let words = |dim: &Dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Free(name) if name.is_empty() => "?".to_string(),
        Dim::Free(name) => name.clone(),
    };
    let wanted: Vec<_> = dims.iter().map(words).collect();
    Err(Error::invalid_input(format!(
        "the input '{}' has the shape {shape:?}, expected [{}]",
        port.name,
        wanted.join(", ")
    )))
}
