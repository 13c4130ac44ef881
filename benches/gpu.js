// Benchmark of WebGPU, next to encoder.js in its page: what the programs give the GPU to do, and what the GPU could do.
// gpu.mjs drives it.

/** Long enough that the start of a dispatch does not matter. */
const LEAST_MS = 50;
const INVOCATIONS = 1 << 16;
/** Vectors of four floats that a kernel scales, 64 MB of them. */
const VECTORS = 1 << 22;
/** Multiply-adds of vectors in one turn of the loop. */
const CHAINS = 8;

const ARITHMETIC = `
@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> turns: u32;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let factor = vec4<f32>(1.0 + 1e-7 * f32(id.x));
  ${chains((i) => `var x${i} = vec4<f32>(${i}.0);`)}
  for (var turn = 0u; turn < turns; turn++) { ${chains((i) => `x${i} = fma(x${i}, factor, factor);`)} }
  out[id.x] = ${chains((i) => `x${i}`, ' + ')};
}`;

const SCALING = `
@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> turns: u32;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  for (var i = id.x; i < ${VECTORS}u; i += ${INVOCATIONS}u) { out[i] = out[i] * f32(turns); }
}`;

function chains(text, between = ' ') {
  return Array.from({ length: CHAINS }, (_, i) => text(i)).join(between);
}

/** The adapter's name, its arithmetic in 1e9 operations a second, and its memory's speed. */
async function machine() {
  const adapter = await navigator.gpu.requestAdapter();
  const { vendor, architecture, device: model, description } = adapter.info;
  const device = await adapter.requestDevice({
    requiredLimits: { maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize },
  });
  const out = device.createBuffer({ size: 16 * VECTORS, usage: GPUBufferUsage.STORAGE });
  const turns = device.createBuffer({ size: 4, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  const speed = async (code, workOf) => {
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    const entries = [out, turns].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const timed = async (count, dispatches) => {
      device.queue.writeBuffer(turns, 0, Uint32Array.of(count));
      await device.queue.onSubmittedWorkDone();
      const start = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < dispatches; i += 1) pass.dispatchWorkgroups(INVOCATIONS / 64);
      pass.end();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return performance.now() - start;
    };
    let dispatches = 1;
    while ((await timed(64, dispatches)) < LEAST_MS) dispatches *= 2;
    const times = [];
    for (let i = 0; i < 5; i += 1) times.push(await timed(64, dispatches));
    return (workOf(64) * dispatches) / Math.min(...times) / 1e6;
  };
  const gflops = await speed(ARITHMETIC, (turns) => INVOCATIONS * turns * CHAINS * 4 * 2);
  const gb_per_second = await speed(SCALING, () => VECTORS * 32);
  device.destroy();
  return {
    adapter: [vendor, architecture, model, description].filter(Boolean).join(' '),
    gflops: Math.round(10 * gflops) / 10,
    gb_per_second: Math.round(10 * gb_per_second) / 10,
  };
}

/** What one call of an opened program gives the GPU to do. */
async function counted(name, input) {
  return (await counting(() => bench.call(name, input))).counts;
}

/** The times of loading a program and of its first call, and what these give the GPU to do. */
async function loaded(name, run, shape) {
  const input = await bench.workload(shape);
  const { result, counts } = await counting(() => bench.cold(name, run, input));
  return { ...result, ...counts };
}

/** The result of `work`, and what it gives the GPU to do. */
async function counting(work) {
  const before = { ...counts };
  const result = await work();
  const since = Object.entries(counts).map(([what, count]) => [what, count - before[what]]);
  return { result, counts: Object.fromEntries(since) };
}

Object.assign(bench, { machine, counted, loaded });
