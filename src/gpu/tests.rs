//! What no operator reaches, on a GPU that may be one in software. The operators' kernels are compared with the CPU's in
//! `graph/gpu/tests.rs`.

use std::sync::{Arc, Mutex};

use burn_wgpu::wgpu;

use super::kernel::{Kernel, Source};
use super::{Attention, Gpu, Nibbles, Packed, PackedLayout, PackedPanels, Product, Tensor};

/// A GPU of its own for each test, so that counts are its own; and what it reports.
fn open() -> (Gpu, Arc<Mutex<Vec<String>>>) {
    open_as(false)
}

/// The same with the kernels for one in software or in hardware, whichever it is.
fn open_as(software: bool) -> (Gpu, Arc<Mutex<Vec<String>>>) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    // No more than every device has.
    let limits = wgpu::DeviceDescriptor { required_limits: wgpu::Limits::default(), ..Default::default() };
    let opened = pollster::block_on(adapter.expect("a GPU, which may be one in software").request_device(&limits));
    let (device, queue) = opened.expect("a device");
    let errors = Arc::new(Mutex::new(Vec::new()));
    let reported = errors.clone();
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        reported.lock().expect("no panic").push(error.to_string());
    }));
    (Gpu::new(device, queue, software), errors)
}

fn read(gpu: &Gpu, tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(gpu.read(tensor)).expect("a result")
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 37) % 101) as f32 / 50.0 - 1.0).collect()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found}, expected {expected}");
    }
}

#[test]
fn views_are_read_as_copies_are() {
    let (gpu, errors) = open();
    let x = gpu.upload(&[2, 3, 4], &numbers(24)).expect("a tensor");
    let at = |b: usize, r: usize, c: usize| numbers(24)[(b * 3 + r) * 4 + c];
    let turned = x.permute(&[2, 0, 1]).expect("a view");
    let expected: Vec<f32> = (0..24).map(|i| at(i / 3 % 2, i % 3, i / 6)).collect();
    assert_eq!(read(&gpu, &turned), expected);
    // Two dimensions that are one in memory become one without a copy; others do not.
    let part = x.narrow(2, 1, 2).expect("a view");
    assert!(x.reshape(&[6, 4]).is_some() && part.reshape(&[6, 2]).is_some() && part.reshape(&[2, 6]).is_none());
    assert!(turned.reshape(&[4, 6]).is_some() && turned.reshape(&[8, 3]).is_none());
    let expected: Vec<f32> = (0..12).map(|i| at(i / 6, i / 2 % 3, 1 + i % 2)).collect();
    assert_eq!(read(&gpu, &gpu.reshaped(&part, &[2, 6]).expect("a copy")), expected);
    let wide = part.reshape(&[6, 1, 2]).and_then(|part| part.expand(&[6, 5, 2])).expect("a view");
    let expected: Vec<f32> = (0..60).map(|i| at(i / 30, i / 10 % 3, 1 + i % 2)).collect();
    assert_eq!(read(&gpu, &wide), expected);
    for refused in [
        x.permute(&[0, 1]),
        x.permute(&[0, 0, 1]),
        x.narrow(1, 2, 2),
        x.narrow(1, 0, 0),
        x.narrow(3, 0, 1),
        x.narrow(0, usize::MAX, 2),
        x.expand(&[2, 3, 5]),
        x.expand(&[3, 4]),
        x.reshape(&[5, 5]),
    ] {
        assert!(refused.is_none());
    }
    assert_eq!(*errors.lock().expect("no panic"), Vec::<String>::new());
}

#[test]
fn a_pass_is_one_submission_and_memory_is_used_again() {
    let (gpu, errors) = open();
    let mut x = gpu.upload(&[1000], &numbers(1000)).expect("a tensor");
    for _ in 0..200 {
        // What is computed from goes back, and is written to by the second dispatch from here.
        x = gpu.map("a + 1.0", &[&x], [0.0; 2], &[1000]).expect("a kernel");
    }
    let expected: Vec<f32> = (0..200).fold(numbers(1000), |x, _| x.iter().map(|x| x + 1.0).collect());
    assert_eq!(read(&gpu, &x), expected);
    let counts = gpu.counts();
    assert_eq!((counts.dispatches, counts.submits, counts.pipelines, counts.reads), (200, 1, 1, 1));
    assert_eq!(counts.bytes, 200 * 2 * 4000);
    // What was uploaded, and from then on two buffers by turns.
    assert!(counts.groups <= 4, "{} bind groups", counts.groups);
    // More than a submission has room for.
    for _ in 0..600 {
        x = gpu.map("a + 1.0", &[&x], [0.0; 2], &[1000]).expect("a kernel");
    }
    let expected: Vec<f32> = (0..600).fold(expected, |x, _| x.iter().map(|x| x + 1.0).collect());
    assert_eq!(read(&gpu, &x), expected);
    assert_eq!(gpu.counts().submits, 1 + 3);
    // An upload does not overtake what is recorded.
    let first = gpu.upload(&[1000], &numbers(1000)).expect("a tensor");
    let sum = gpu.map("a + a", &[&first], [0.0; 2], &[1000]).expect("a kernel");
    drop(first);
    let _later = gpu.upload(&[1000], &[7.0; 1000]).expect("a tensor");
    assert_eq!(read(&gpu, &sum), numbers(1000).iter().map(|x| x + x).collect::<Vec<_>>());
    assert_eq!(*errors.lock().expect("no panic"), Vec::<String>::new());
}

/// Inputs of packed weights: 2048 words of a panel, and 256 scales.
const INPUTS: usize = 1024;

/// 8-bit weights of so many outputs, in blocks of 32, that are written in portions of panels.
fn packed(gpu: &Gpu, outputs: usize, seed: usize, portion: usize) -> Packed {
    let layout = PackedLayout { shape: (INPUTS, outputs), block: Some(32), offsets: true };
    let packed = gpu.reserve_packed(layout).expect("memory");
    let panels = outputs.div_ceil(8);
    for first in (0..panels).step_by(portion) {
        let count = portion.min(panels - first);
        let at = |index: usize, each: usize| (first * each + index) * 31 + seed;
        let words: Vec<_> = (0..count * 2048).map(|index| (at(index, 2048) as i32).wrapping_mul(0x01f3_5a7b)).collect();
        let scales: Vec<_> = (0..count * 256).map(|index| 1e-4 * (1 + at(index, 256) % 7) as f32).collect();
        let offsets: Vec<_> = scales.iter().map(|scale| 3.0 * scale).collect();
        let panels = PackedPanels { words: &words, scales: &scales, offsets: &offsets };
        gpu.write_packed(&packed, first, &panels).expect("panels that fit");
    }
    packed
}

#[test]
fn packed_weights_of_several_parts_are_as_those_of_one() {
    let (gpu, errors) = open();
    // Parts of 6 panels.
    let narrow = gpu.with_binding(6 * 2048 * 4);
    let outputs = [48, 16, 104, 77];
    let seeds = [1, 2, 3, 4];
    let one = |gpu: &Gpu, portion| -> Vec<Packed> {
        outputs.into_iter().zip(seeds).map(|(outputs, seed)| packed(gpu, outputs, seed, portion)).collect()
    };
    let (whole, parts) = (one(&gpu, 100), one(&narrow, 3));
    let joined = [&gpu, &narrow]
        .into_iter()
        .zip([&whole, &parts])
        .map(|(gpu, all)| gpu.concat_packed(&Vec::from_iter(all)).expect("layers that are packed alike"));
    let joined: Vec<Packed> = joined.collect();
    assert_eq!(joined[0].layout().shape, (INPUTS, 245));
    for rows in [1, 4, 7, 12] {
        let x = numbers(rows * INPUTS);
        let product = |gpu: &Gpu, weights: &Packed, gated| {
            let x = gpu.upload(&[rows, INPUTS], &x).expect("a tensor");
            let bias = gpu.upload(&[weights.layout().shape.1], &numbers(weights.layout().shape.1)).expect("a tensor");
            let product = Product { bias: Some(&bias), activation: "max(x, -1.0)", ..Product::default() };
            read(gpu, &gpu.matmul_packed(&x, weights, &product, gated).expect("a product"))
        };
        for (whole, parts) in whole.iter().chain(&joined[..1]).zip(parts.iter().chain(&joined[1..])) {
            close(&product(&narrow, parts, false), &product(&gpu, whole, false));
            if whole.layout().shape.1 % 2 == 0 {
                close(&product(&narrow, parts, true), &product(&gpu, whole, true));
            }
        }
        // The columns of a joined product are those of its layers.
        let all = product(&gpu, &joined[0], false);
        let x = gpu.upload(&[rows, INPUTS], &x).expect("a tensor");
        let mut first = 0;
        for (weights, outputs) in whole.iter().zip(outputs) {
            let bias = gpu.upload(&[245], &numbers(245)).and_then(|bias| bias.narrow(0, first, outputs));
            let bias = bias.map(|bias| gpu.upload(&[outputs], &read(&gpu, &bias)).expect("a tensor"));
            let product = Product { bias: bias.as_ref(), activation: "max(x, -1.0)", ..Product::default() };
            let own = read(&gpu, &gpu.matmul_packed(&x, weights, &product, false).expect("a product"));
            for (row, own) in own.chunks_exact(outputs).enumerate() {
                close(&all[row * 245 + first..][..outputs], own);
            }
            first += outputs;
        }
    }
    // Only the last may have a panel that is not whole.
    assert!(gpu.concat_packed(&[&whole[3], &whole[0]]).is_none());
    let short = PackedPanels { words: &[0; 2048], scales: &[0.0; 255], offsets: &[] };
    assert!(gpu.write_packed(&whole[0], 0, &short).is_none());
    let many = PackedPanels { words: &[0; 4096], scales: &[0.0; 512], offsets: &[] };
    assert!(gpu.write_packed(&whole[0], 5, &many).is_none() && gpu.write_packed(&whole[0], 4, &many).is_some());
    // Memory of weights is given back at once.
    let before = gpu.counts().memory;
    let bytes = joined[0].bytes() as u64;
    drop(joined);
    assert_eq!(gpu.counts().memory, before - bytes);
    assert_eq!(*errors.lock().expect("no panic"), Vec::<String>::new());
}

#[test]
fn memory_is_given_back_only_when_nothing_recorded_uses_it() {
    let (gpu, errors) = open();
    let x = gpu.upload(&[1], &[1.0]).expect("a tensor");
    // Each of another size, and together more than is kept.
    let mut sum = x.clone();
    for step in 1..=9 {
        let wide = gpu.map("a + b", &[&x, &sum], [0.0; 2], &[step << 14]).expect("a kernel");
        sum = gpu.contiguous(&wide.narrow(0, step, 1).expect("a view")).expect("a copy");
    }
    assert!(gpu.counts().memory > 2 << 20, "{:?}", gpu.counts());
    assert_eq!(read(&gpu, &sum), [10.0]);
    assert!(gpu.counts().memory <= 1 << 20 | 4096, "{:?}", gpu.counts());
    // What nobody reads back.
    let stored = gpu.store(&[1 << 10], &numbers(1 << 10)).expect("a tensor");
    let _later = gpu.map("a + 1.0", &[&stored], [0.0; 2], &[1 << 10]).expect("a kernel");
    let before = gpu.counts().memory;
    drop(stored);
    assert_eq!(gpu.counts().memory, before, "it is used by what is recorded");
    gpu.flush();
    assert_eq!(gpu.counts().memory, before - 4096);
    assert_eq!(*errors.lock().expect("no panic"), Vec::<String>::new());
}

#[test]
fn what_does_not_fit_is_none() {
    let (gpu, _) = open();
    assert!(gpu.empty(&[]).is_some() && gpu.empty(&[0]).is_none() && gpu.empty(&[2, 0, 3]).is_none());
    // 128 MiB are what every device can bind.
    assert!(gpu.empty(&[1 << 25, 1]).is_some() && gpu.empty(&[(1 << 25) + 1]).is_none());
    assert!(gpu.empty(&[usize::MAX, 2]).is_none() && gpu.empty(&[1 << 40]).is_none());
    assert!(gpu.upload(&[3], &[1.0]).is_none() && gpu.upload(&[1], &[1.0; 3]).is_none());
    let x = gpu.upload(&[2, 3], &numbers(6)).expect("a tensor");
    assert!(gpu.matmul(&x, &x, &Product::default()).is_none());
    assert!(gpu.gather(&x, 0, &[2]).is_none() && gpu.gather(&x, 2, &[0]).is_none());
    assert!(gpu.concat(&[&x, &x.permute(&[1, 0]).expect("a view")], 0).is_none() && gpu.concat(&[], 0).is_none());
    assert_eq!(gpu.counts().dispatches, 0);
}

#[test]
fn a_shader_that_is_refused_is_reported() {
    let (gpu, errors) = open();
    let out = gpu.empty(&[1]).expect("a tensor");
    let text = "struct Params { x: u32 }\n@compute @workgroup_size(1) fn main() { out[0] = nonsense; }";
    let source = Source { name: "broken", text };
    let kernel = Kernel { source, params: &[1], workgroups: [1, 1, 1], ..Kernel::default() };
    gpu.dispatch(&kernel, &out).expect("recorded");
    let _ = pollster::block_on(gpu.read(&out));
    assert!(errors.lock().expect("no panic").iter().any(|error| error.contains("nonsense")));
}

#[test]
fn products_add_a_residual_behind_the_activation() {
    let (gpu, _) = open();
    let (a, b, r) = (numbers(2 * 3 * 5), numbers(5 * 4), numbers(2 * 3 * 4));
    let tensors = (gpu.upload(&[2, 3, 5], &a), gpu.upload(&[5, 4], &b), gpu.upload(&[2, 3, 4], &r));
    let (Some(x), Some(w), Some(residual)) = tensors else { panic!("tensors") };
    let product = Product { activation: "at_least(x, 0.0)", residual: Some(&residual), ..Product::default() };
    let found = read(&gpu, &gpu.matmul(&x, &w, &product).expect("a kernel"));
    let dot = |row: usize, column: usize| (0..5).map(|k| a[row * 5 + k] * b[k * 4 + column]).sum::<f32>();
    let expected: Vec<f32> = (0..24).map(|i| dot(i / 4, i % 4).max(0.0) + r[i]).collect();
    close(&found, &expected);
}

#[test]
fn products_in_registers_are_those_in_tiles() {
    // Rows, inner, columns, batch.
    for [rows, inner, columns, batch] in
        [[1, 4, 4, 1], [3, 8, 12, 1], [8, 64, 128, 2], [9, 12, 132, 1], [17, 36, 260, 3], [5, 6, 8, 1], [5, 8, 6, 1]]
    {
        for transposed in [false, true] {
            let run = |software: bool| {
                let (gpu, errors) = open_as(software);
                // The operands begin behind other numbers.
                let view = |shape: [usize; 3]| {
                    let longer = [shape[0] + 1, shape[1], shape[2]];
                    let all = gpu.upload(&longer, &numbers(longer.iter().product())).expect("a tensor");
                    all.narrow(0, 1, shape[0]).expect("a view")
                };
                let a = view([batch, rows, inner]);
                let b = match transposed {
                    true => view([batch, columns, inner]).permute(&[0, 2, 1]).expect("a view"),
                    false => view([batch, inner, columns]),
                };
                let (bias, residual) = (view([1, 1, columns]), view([batch, rows, columns]));
                let (bias, residual) = (Some(&bias), Some(&residual));
                let product = Product { alpha: 0.5, beta: 2.0, bias, activation: "swish(x, 1.0)", residual };
                let found = read(&gpu, &gpu.matmul(&a, &b, &product).expect("a kernel"));
                assert_eq!(*errors.lock().expect("no panic"), Vec::<String>::new());
                found
            };
            close(&run(true), &run(false));
        }
    }
}

#[test]
fn weights_of_four_bits_are_unpacked_on_the_way() {
    let (gpu, _) = open();
    let (columns, inner, block) = (35, 64, 16);
    let words: Vec<u32> = (0..columns * inner / 8).map(|i| (i as u32).wrapping_mul(0x9e37_79b9)).collect();
    let blocks = columns * inner / block;
    let scales: Vec<f32> = (0..blocks).map(|i| 0.01 + i as f32 / 500.0).collect();
    let zeros: Vec<f32> = (0..blocks).map(|i| (i % 16) as f32).collect();
    let per_block = [columns, inner / block];
    let weights = Nibbles {
        words: gpu.upload_words(&[columns, inner / 8], &words).expect("a tensor"),
        scales: gpu.upload(&per_block, &scales).expect("a tensor"),
        zeros: gpu.upload(&per_block, &zeros).expect("a tensor"),
        block,
    };
    for rows in [1, 3, 40] {
        let x = numbers(rows * inner);
        let input = gpu.upload(&[rows, inner], &x).expect("a tensor");
        let found = read(&gpu, &gpu.matmul_nibbles(&input, &weights, &Product::default()).expect("a kernel"));
        let weight = |k: usize, column: usize| {
            let nibble = words[(column * inner + k) / 8] >> (4 * (k % 8)) & 15;
            let at = column * (inner / block) + k / block;
            (nibble as f32 - zeros[at]) * scales[at]
        };
        let dot = |row: usize, column: usize| (0..inner).map(|k| x[row * inner + k] * weight(k, column)).sum::<f32>();
        let expected: Vec<f32> = (0..rows * columns).map(|i| dot(i / columns, i % columns)).collect();
        close(&found, &expected);
    }
}

#[test]
fn causal_attention_sees_what_came_before_within_its_window() {
    let (gpu, _) = open();
    let (heads, groups, queries, keys, size) = (4, 2, 5, 40, 8);
    let (q, k, v) = (numbers(heads * queries * size), numbers(groups * keys * size), numbers(groups * keys * size + 7));
    let v = &v[7..];
    let (past, scale) = (keys - queries, 0.7);
    for window in [None, Some(1), Some(9)] {
        let tensor =
            |heads: usize, rows: usize, data: &[f32]| gpu.upload(&[1, heads, rows, size], data).expect("a tensor");
        let (q_on, k_on, v_on) = (tensor(heads, queries, &q), tensor(groups, keys, &k), tensor(groups, keys, v));
        let attention = Attention { scale, causal: true, past, window };
        let found = read(&gpu, &gpu.attention([&q_on, &k_on, &v_on], None, &attention).expect("a kernel"));
        let mut expected = Vec::new();
        for (head, query) in (0..heads).flat_map(|head| (0..queries).map(move |query| (head, query))) {
            let row = |data: &[f32], at: usize| data[at * size..][..size].to_vec();
            let own = row(&q, head * queries + query);
            let group = head / (heads / groups);
            let last = past + query;
            let seen: Vec<usize> = (0..=last).filter(|key| window.is_none_or(|window| key + window > last)).collect();
            let score = |key: &usize| {
                let key = row(&k, group * keys + key);
                scale * own.iter().zip(&key).map(|(a, b)| a * b).sum::<f32>()
            };
            let weights: Vec<f32> = seen.iter().map(|key| score(key).exp()).collect();
            let total: f32 = weights.iter().sum();
            for c in 0..size {
                let mixed = seen.iter().zip(&weights).map(|(key, w)| w * row(v, group * keys + key)[c]).sum::<f32>();
                expected.push(mixed / total);
            }
        }
        close(&found, &expected);
    }
}
