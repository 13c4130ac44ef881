//! Kernels: files of `wgsl/` with the constants and bindings that are put before them, and the pipelines that they become.

use std::fmt::Write;

use burn_wgpu::wgpu;

use super::tensor::Tensor;

/// A file of `wgsl/`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The file of `wgsl/` with this name.
macro_rules! wgsl {
    ($name:literal) => {
        $crate::gpu::kernel::Source { name: $name, text: include_str!(concat!("wgsl/", $name, ".wgsl")) }
    };
}
pub(super) use wgsl;

/// A kernel for one dispatch.
#[derive(Default)]
pub struct Kernel<'a> {
    /// Its file, which has a `Params` structure and an entry point `main`.
    pub source: Source,
    /// Files with what it uses.
    pub library: &'a [Source],
    /// Constants and functions that it uses, as short as may be: they are a part of the key that its pipeline is found by.
    pub constants: String,
    /// What it reads, by name. A name may be followed by the type of its elements; they are floats otherwise.
    pub inputs: &'a [(&'static str, &'a Tensor)],
    /// What it writes to besides `out`, by name.
    pub writes: &'a [(&'static str, &'a Tensor)],
    /// Its parameters: floats by their bits.
    pub params: &'a [u32],
    /// The number of workgroups in each dimension.
    pub workgroups: [usize; 3],
}

/// A compiled kernel.
pub struct Pipeline {
    /// Its number, which no other pipeline has.
    pub number: u64,
    pub pipeline: wgpu::ComputePipeline,
    /// The layout of its bind group: the parameters, then its tensors in their order, the output last.
    pub layout: wgpu::BindGroupLayout,
}

impl Kernel<'_> {
    /// What it reads, and then what it writes to besides `out`, by name.
    fn named(&self) -> impl Iterator<Item = &'static str> {
        self.inputs.iter().chain(self.writes).map(|(name, _)| *name)
    }

    /// All that its pipeline depends on.
    pub fn key(&self) -> String {
        let mut key = format!("{}\n{}", self.source.name, self.constants);
        let files = self.library.iter().map(|source| source.name);
        files.chain(self.named()).for_each(|name| key.extend(["\n", name]));
        key
    }

    /// Its shader, and the number of its last binding.
    fn shader(&self) -> (String, usize) {
        let mut source = self.constants.clone();
        // Writing to a string cannot fail.
        let _ = writeln!(source, "@group(0) @binding(0) var<uniform> p: Params;");
        for (index, name) in self.named().enumerate() {
            let (name, element) = name.split_once(": ").unwrap_or((name, "f32"));
            let access = if index < self.inputs.len() { "read" } else { "read_write" };
            let binding = index + 1;
            let _ = writeln!(source, "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{element}>;");
        }
        let output = self.inputs.len() + self.writes.len() + 1;
        let _ = writeln!(source, "@group(0) @binding({output}) var<storage, read_write> out: array<f32>;");
        self.library.iter().chain([&self.source]).for_each(|file| source += file.text);
        (source, output)
    }
}

impl Pipeline {
    /// Compiles a kernel. An error is reported by the device.
    pub fn compile(kernel: &Kernel<'_>, number: u64, device: &wgpu::Device) -> Self {
        let (source, output) = kernel.shader();
        let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
        for binding in 1..=output {
            let read_only = binding <= kernel.inputs.len();
            entries.push(entry(binding, wgpu::BufferBindingType::Storage { read_only }, false));
        }
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.source.name),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.source.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Kernels write to the memory of a workgroup before they read it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Self { number, pipeline, layout }
    }
}
