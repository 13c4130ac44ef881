//! Device memory: buffers that are used again once their last tensor is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_wgpu::wgpu::{self, BufferUsages};

/// Bytes of unused buffers that are kept, at most.
const KEPT: u64 = 256 << 20;

/// A buffer of 32-bit words. Cheap to clone; goes back to its pool with its last clone.
///
/// What was recorded before reads it before what is recorded later writes to it, since a queue runs in order. So it can be
/// given out again at once, but not written to from the CPU, which would overtake what is recorded.
#[derive(Clone)]
pub struct Buffer(Arc<Inner>);

struct Inner {
    /// `None` only while it is dropped.
    buffer: Option<wgpu::Buffer>,
    pool: Pool,
    /// Whether it is used again, once it is unused.
    reused: bool,
}

impl Buffer {
    pub fn raw(&self) -> Option<&wgpu::Buffer> {
        self.0.buffer.as_ref()
    }

    /// Whether there is no other clone of it.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.pool.put(buffer, self.reused);
        }
    }
}

/// The memory of a device, and the buffers that are not used.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    /// Unused buffers, by size.
    unused: HashMap<u64, Vec<wgpu::Buffer>>,
    /// The bytes of these.
    unused_bytes: u64,
    /// The bytes of all buffers.
    bytes: u64,
    /// Whether what is recorded is not yet submitted, so that it may use a buffer that nothing else does.
    recording: bool,
    /// Buffers to be destroyed after the next submission.
    destroyed: Vec<wgpu::Buffer>,
}

impl Memory {
    fn create(&mut self, size: u64, usage: BufferUsages, mapped: bool, device: &wgpu::Device) -> wgpu::Buffer {
        self.bytes += size;
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | usage,
            mapped_at_creation: mapped,
        })
    }
}

impl Pool {
    /// A buffer of at least `bytes`, with whatever it had before.
    pub fn take(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let size = size_class(bytes);
        let mut memory = self.memory();
        let buffer = match memory.unused.get_mut(&size).and_then(Vec::pop) {
            Some(buffer) => {
                memory.unused_bytes -= size;
                buffer
            }
            None => memory.create(size, BufferUsages::empty(), false, device),
        };
        drop(memory);
        self.own(buffer, true)
    }

    /// A new buffer with these words.
    pub fn filled(&self, words: &[u8], device: &wgpu::Device) -> Buffer {
        let buffer = self.memory().create(size_class(words.len() as u64), BufferUsages::empty(), true, device);
        // It fails where the device is lost or has no memory left, which the device reports by itself.
        if let Ok(mut view) = buffer.get_mapped_range_mut(..words.len() as u64) {
            view.copy_from_slice(words);
        }
        buffer.unmap();
        self.own(buffer, true)
    }

    /// A new buffer of just `bytes`, which the CPU writes to before anything is recorded that uses it. Its memory is given back
    /// with its last clone.
    pub fn fixed(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let buffer = self.memory().create(bytes, BufferUsages::COPY_DST, false, device);
        self.own(buffer, false)
    }

    /// The bytes of all buffers, those that are not used included.
    pub fn bytes(&self) -> u64 {
        self.memory().bytes
    }

    /// From now on something is recorded that is not yet submitted.
    pub fn recording(&self) {
        self.memory().recording = true;
    }

    /// All that was recorded is submitted.
    pub fn submitted(&self) {
        let mut memory = self.memory();
        memory.recording = false;
        memory.destroyed.drain(..).for_each(|buffer| buffer.destroy());
    }

    fn own(&self, buffer: wgpu::Buffer, reused: bool) -> Buffer {
        Buffer(Arc::new(Inner { buffer: Some(buffer), pool: self.clone(), reused }))
    }

    /// Keeps an unused buffer, or destroys it: the garbage collector of a page does so too late.
    fn put(&self, buffer: wgpu::Buffer, reused: bool) {
        let mut memory = self.memory();
        let size = buffer.size();
        if reused && memory.unused_bytes + size <= KEPT {
            memory.unused_bytes += size;
            memory.unused.entry(size).or_default().push(buffer);
            return;
        }
        memory.bytes -= size;
        if memory.recording {
            memory.destroyed.push(buffer);
        } else {
            buffer.destroy();
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The size of the buffer for so many bytes: rounded up to an eighth of the next power of two, so that texts of similar
/// lengths share buffers.
pub fn size_class(bytes: u64) -> u64 {
    let step = (bytes.next_power_of_two() / 8).max(256);
    bytes.next_multiple_of(step).max(step)
}
