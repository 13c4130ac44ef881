//! The device, and the dispatches that are recorded and not yet submitted.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use burn_wgpu::wgpu::{self, BufferUsages};

use super::kernel::{Kernel, Pipeline};
use super::memory::{Buffer, Pool, size_class};
use super::tensor::Tensor;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a dispatch's parameters: the largest alignment that a device may ask for.
const PARAMETERS: usize = 256;
/// Dispatches of a submission, at most: their parameters are in one buffer.
const RECORDED: usize = 256;
/// Bind groups that are kept, at most.
const GROUPS: usize = 4096;
/// Bytes that are written before they are submitted.
const WRITTEN: usize = 32 << 20;
/// Workgroups along a dimension, as every device allows.
const WORKGROUPS: usize = 65_535;

/// A GPU with its pipelines. Cheap to clone.
#[derive(Clone)]
pub struct Gpu(Arc<Shared>);

struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// The largest buffer that a kernel may bind, in bytes.
    binding: u64,
    /// Whether the CPU computes what it is given.
    software: bool,
    /// The parameters of the recorded dispatches.
    parameters: wgpu::Buffer,
    pool: Pool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By all that a shader is made from.
    pipelines: HashMap<String, Arc<Pipeline>>,
    /// By the number of a pipeline and those of the buffers: runs of the same sizes have the same ones.
    groups: HashMap<Vec<u64>, wgpu::BindGroup>,
    recorded: Vec<Dispatch>,
    parameters: Vec<u8>,
    /// Bytes that were written since the last submission.
    written: usize,
    counts: Counts,
}

struct Dispatch {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// What a GPU was given to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs of a kernel.
    pub dispatches: u64,
    /// Command buffers.
    pub submits: u64,
    /// Shaders that were compiled.
    pub pipelines: u64,
    /// Bind groups that were made.
    pub groups: u64,
    /// Bytes that kernels read and wrote, each element of their tensors once.
    pub bytes: u64,
    /// Copies to the CPU's memory.
    pub reads: u64,
    /// Bytes of the buffers of its tensors now, with those that are kept for later.
    pub memory: u64,
}

impl Gpu {
    /// A GPU with nothing recorded. The kernels for one in software, which the CPU computes, are others.
    pub fn new(device: wgpu::Device, queue: wgpu::Queue, software: bool) -> Self {
        let limits = device.limits();
        let parameters = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: (PARAMETERS * RECORDED) as u64,
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let (pool, state) = (Pool::default(), Mutex::default());
        Self(Arc::new(Shared { device, queue, binding, software, parameters, pool, state }))
    }

    /// The same GPU, but for the largest buffer that a kernel may bind.
    #[cfg(test)]
    pub fn with_binding(&self, binding: u64) -> Self {
        let Shared { device, queue, software, parameters, .. } = &*self.0;
        let (device, queue, parameters) = (device.clone(), queue.clone(), parameters.clone());
        let (pool, state) = (Pool::default(), Mutex::default());
        Self(Arc::new(Shared { device, queue, binding, software: *software, parameters, pool, state }))
    }

    /// Whether the CPU computes what it is given.
    pub fn is_software(&self) -> bool {
        self.0.software
    }

    /// The most 32-bit words of a tensor that is [fixed](Self::fixed).
    pub(super) fn most_words(&self) -> usize {
        usize::try_from(self.0.binding.min(u64::from(u32::MAX)) / size_of::<f32>() as u64).unwrap_or(usize::MAX)
    }

    /// What it was given to do since it was opened.
    pub fn counts(&self) -> Counts {
        Counts { memory: self.0.pool.bytes(), ..self.state().counts }
    }

    /// A tensor of this shape whose elements are whatever was there before; `None` if it has no elements, or more than a
    /// kernel can bind.
    pub fn empty(&self, shape: &[usize]) -> Option<Tensor> {
        let bytes = self.bytes(shape)?;
        Some(Tensor::new(self.0.pool.computed(bytes, &self.0.device), shape))
    }

    /// A tensor with these elements, for one run; `None` as for [`Self::empty`], or if they are not as many as the shape has.
    pub fn upload(&self, shape: &[usize], numbers: &[f32]) -> Option<Tensor> {
        self.upload_bytes(shape, bytemuck::cast_slice(numbers), Pool::written)
    }

    /// [`Self::upload`] for integers, such as indices.
    pub fn upload_words(&self, shape: &[usize], words: &[u32]) -> Option<Tensor> {
        self.upload_bytes(shape, bytemuck::cast_slice(words), Pool::written)
    }

    /// [`Self::upload`] for many runs: constants.
    pub fn store(&self, shape: &[usize], numbers: &[f32]) -> Option<Tensor> {
        self.upload_bytes(shape, bytemuck::cast_slice(numbers), Pool::fixed)
    }

    /// [`Self::store`] for integers, such as packed weights.
    pub fn store_words(&self, shape: &[usize], words: &[u32]) -> Option<Tensor> {
        self.upload_bytes(shape, bytemuck::cast_slice(words), Pool::fixed)
    }

    fn upload_bytes(
        &self,
        shape: &[usize],
        words: &[u8],
        create: fn(&Pool, u64, &wgpu::Device) -> Buffer,
    ) -> Option<Tensor> {
        let bytes = self.bytes(shape).filter(|bytes| *bytes == words.len() as u64)?;
        let tensor = Tensor::new(create(&self.0.pool, bytes, &self.0.device), shape);
        self.write(&tensor, 0, words);
        Some(tensor)
    }

    /// A vector of so many words for what does not change, such as weights. It is zeros until it is written; `None` as for
    /// [`Self::empty`].
    pub(super) fn fixed(&self, words: usize) -> Option<Tensor> {
        let fits = words > 0 && words <= self.most_words();
        fits.then(|| Tensor::new(self.0.pool.fixed((words * size_of::<f32>()) as u64, &self.0.device), &[words]))
    }

    /// Writes `bytes` to a tensor that no kernel writes to, from the word `at` on. Nothing that is recorded uses it yet.
    pub(super) fn write(&self, tensor: &Tensor, at: usize, bytes: &[u8]) {
        let Some(buffer) = tensor.buffer().raw() else { return };
        self.0.queue.write_buffer(buffer, (at * size_of::<f32>()) as u64, bytes);
        let mut state = self.state();
        state.written += bytes.len();
        // What is written waits in memory for a submission.
        if state.written >= WRITTEN {
            self.submit(&mut state, None);
        }
    }

    /// Copies the words `from` of a fixed tensor to another one, from the word `at` on.
    pub(super) fn copy_words(
        &self,
        (source, from): (&Tensor, Range<usize>),
        (target, at): (&Tensor, usize),
    ) -> Option<()> {
        let [from, to, length] = [from.start, at, from.len()].map(|words| (words * size_of::<f32>()) as u64);
        let mut encoder = self.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(source.buffer().raw()?, from, target.buffer().raw()?, to, length);
        self.0.queue.submit([encoder.finish()]);
        Some(())
    }

    /// The bytes of a tensor; `None` where it has none, or too many.
    fn bytes(&self, shape: &[usize]) -> Option<u64> {
        let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size))?;
        let bytes = u64::try_from(count).ok()?.checked_mul(size_of::<f32>() as u64)?;
        let fits = bytes > 0 && bytes < 1 << 32 && size_class(bytes) <= self.0.binding;
        fits.then_some(bytes)
    }

    /// Records a kernel that writes to `output`; `None` if it needs more workgroups than a device allows.
    pub fn dispatch(&self, kernel: &Kernel<'_>, output: &Tensor) -> Option<()> {
        let mut workgroups = [0; 3];
        for (to, count) in workgroups.iter_mut().zip(kernel.workgroups) {
            *to = u32::try_from(count).ok().filter(|_| count <= WORKGROUPS)?;
        }
        if size_of_val(kernel.params) > PARAMETERS {
            return None;
        }
        let mut state = self.state();
        if state.recorded.len() == RECORDED {
            self.submit(&mut state, None);
        }
        let pipeline = self.pipeline(&mut state, kernel);
        let named = kernel.inputs.iter().chain(kernel.writes).map(|(_, tensor)| *tensor);
        let tensors: Vec<&Tensor> = named.chain([output]).collect();
        state.counts.bytes += tensors.iter().map(|tensor| (tensor.count() * size_of::<f32>()) as u64).sum::<u64>();
        let group = self.group(&mut state, &pipeline, &tensors)?;
        state.parameters.extend_from_slice(bytemuck::cast_slice(kernel.params));
        let end = (state.recorded.len() + 1) * PARAMETERS;
        state.parameters.resize(end, 0);
        state.recorded.push(Dispatch { pipeline, group, workgroups });
        self.0.pool.recording();
        state.counts.dispatches += 1;
        Some(())
    }

    /// The bind group of these tensors, which is kept: making one takes longer than the rest of what is recorded.
    fn group(&self, state: &mut State, pipeline: &Pipeline, tensors: &[&Tensor]) -> Option<wgpu::BindGroup> {
        let ids = std::iter::once(pipeline.number).chain(tensors.iter().map(|tensor| tensor.buffer().id()));
        let key: Vec<u64> = ids.collect();
        if let Some(group) = state.groups.get(&key) {
            return Some(group.clone());
        }
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.0.parameters,
                offset: 0,
                size: wgpu::BufferSize::new(PARAMETERS as u64),
            }),
        }];
        for (index, tensor) in tensors.iter().enumerate() {
            let buffer = tensor.buffer().raw()?.as_entire_binding();
            entries.push(wgpu::BindGroupEntry { binding: index as u32 + 1, resource: buffer });
        }
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &pipeline.layout, entries: &entries };
        let group = self.0.device.create_bind_group(&descriptor);
        state.counts.groups += 1;
        // Inputs of many sizes have many.
        if state.groups.len() >= GROUPS {
            state.groups.clear();
        }
        state.groups.insert(key, group.clone());
        Some(group)
    }

    /// The pipeline of a kernel, which is compiled once.
    fn pipeline(&self, state: &mut State, kernel: &Kernel<'_>) -> Arc<Pipeline> {
        let key = kernel.key();
        if let Some(pipeline) = state.pipelines.get(&key) {
            return pipeline.clone();
        }
        state.counts.pipelines += 1;
        let pipeline = Arc::new(Pipeline::compile(kernel, state.counts.pipelines, &self.0.device));
        state.pipelines.insert(key, pipeline.clone());
        pipeline
    }

    /// Submits what is recorded, so that it is computed and buffers that are not used any more are given back.
    pub fn flush(&self) {
        let mut state = self.state();
        if !state.recorded.is_empty() {
            self.submit(&mut state, None);
        }
    }

    /// Submits what is recorded, and then copies `from` to `to`.
    fn submit(&self, state: &mut State, copy: Option<(&wgpu::Buffer, &wgpu::Buffer)>) {
        let mut encoder = self.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if !state.recorded.is_empty() {
            self.0.queue.write_buffer(&self.0.parameters, 0, &state.parameters);
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (index, Dispatch { pipeline, group, workgroups: [x, y, z] }) in state.recorded.iter().enumerate() {
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, group, &[(index * PARAMETERS) as u32]);
                pass.dispatch_workgroups(*x, *y, *z);
            }
        }
        if let Some((from, to)) = copy {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, to.size());
        }
        self.0.queue.submit([encoder.finish()]);
        state.counts.submits += 1;
        state.recorded.clear();
        state.parameters.clear();
        state.written = 0;
        let gone = self.0.pool.submitted();
        if !gone.is_empty() {
            state.groups.retain(|key, _| !key[1..].iter().any(|id| gone.contains(id)));
        }
    }

    /// The elements of a tensor, in row-major order. Everything that was recorded is submitted with the copy.
    ///
    /// # Errors
    /// Device lost: it gave no result.
    pub async fn read(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let lost = |reason: &str| Error::new(ErrorKind::DeviceLost, format!("the GPU gave no result: {reason}"));
        let tensor = self.contiguous(tensor).ok_or_else(|| lost("the tensor is too large"))?;
        let staging = self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: (tensor.count() * size_of::<f32>()) as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let buffer = tensor.buffer().raw().ok_or_else(|| lost("the tensor has no buffer"))?;
        {
            let mut state = self.state();
            self.submit(&mut state, Some((buffer, &staging)));
            state.counts.reads += 1;
        }
        let mapped = Mapped::default();
        let done = mapped.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |result| done.set(result));
        // Natively the callback is called from here; in a browser by its event loop.
        let _ = self.0.device.poll(wgpu::PollType::wait_indefinitely());
        mapped.wait().await.map_err(|error| lost(&error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| lost(&error.to_string()))?;
        let numbers = bytemuck::pod_collect_to_vec::<u8, f32>(&view);
        drop(view);
        staging.destroy();
        Ok(numbers)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `count` workgroups as two dimensions; a kernel numbers them row by row, and must expect some too many.
pub(super) fn spread(count: usize) -> [usize; 3] {
    let rows = count.div_ceil(WORKGROUPS).max(1);
    [count.div_ceil(rows), rows, 1]
}

/// The result of mapping a buffer, once it is there.
#[derive(Clone, Default)]
struct Mapped(Arc<Mutex<(Option<MapResult>, Option<Waker>)>>);

type MapResult = std::result::Result<(), wgpu::BufferAsyncError>;

impl Mapped {
    fn set(&self, result: MapResult) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(result);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    async fn wait(&self) -> MapResult {
        std::future::poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match state.0.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    state.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Tensor {
    /// Its buffer must be as long as what a read copies.
    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}
