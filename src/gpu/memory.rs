//! Device memory: buffers that are used again once their last tensor is gone.

use std::collections::{HashMap, HashSet};
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
    id: u64,
    pool: Pool,
    life: Life,
}

/// What becomes of a buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It is used again, once it is unused.
    Pooled,
    /// It stays as it is, for many runs: weights.
    Fixed,
    /// It is for one run: inputs.
    Passing,
}

impl Buffer {
    pub fn raw(&self) -> Option<&wgpu::Buffer> {
        self.0.buffer.as_ref()
    }

    /// Its number, which no other buffer has; `None` for one that is not seen again.
    pub fn id(&self) -> Option<u64> {
        (self.0.life != Life::Passing).then_some(self.0.id)
    }

    /// Whether there is no other clone of it.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.pool.put(buffer, self.id, self.life);
        }
    }
}

/// The memory of a device, and the buffers that are not used.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    /// Unused buffers and their numbers, by size.
    unused: HashMap<u64, Vec<(u64, wgpu::Buffer)>>,
    /// The bytes of these.
    unused_bytes: u64,
    /// The bytes of all buffers.
    bytes: u64,
    /// Buffers that were created.
    created: u64,
    /// Whether what is recorded is not yet submitted, so that it may use a buffer that nothing else does.
    recording: bool,
    /// Buffers to be destroyed after the next submission.
    destroyed: Vec<wgpu::Buffer>,
    /// The numbers of those that were or will be destroyed, since the last submission.
    gone: HashSet<u64>,
}

impl Memory {
    fn create(&mut self, size: u64, usage: BufferUsages, device: &wgpu::Device) -> (u64, wgpu::Buffer) {
        self.bytes += size;
        self.created += 1;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | usage;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        (self.created, device.create_buffer(&descriptor))
    }
}

impl Pool {
    /// A buffer of at least `bytes`, with whatever it had before.
    pub fn take(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let size = size_class(bytes);
        let mut memory = self.memory();
        let created = match memory.unused.get_mut(&size).and_then(Vec::pop) {
            Some(buffer) => {
                memory.unused_bytes -= size;
                buffer
            }
            None => memory.create(size, BufferUsages::empty(), device),
        };
        drop(memory);
        self.own(created, Life::Pooled)
    }

    /// A new buffer of just `bytes` for what stays as it is for many runs. The CPU writes to it before anything is recorded that uses
    /// it. Its memory is given back with its last clone.
    pub fn fixed(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let created = self.memory().create(bytes, BufferUsages::COPY_DST, device);
        self.own(created, Life::Fixed)
    }

    /// The same for one run.
    pub fn passing(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let created = self.memory().create(bytes, BufferUsages::COPY_DST, device);
        self.own(created, Life::Passing)
    }

    /// The bytes of all buffers, those that are not used included.
    pub fn bytes(&self) -> u64 {
        self.memory().bytes
    }

    /// From now on something is recorded that is not yet submitted.
    pub fn recording(&self) {
        self.memory().recording = true;
    }

    /// All that was recorded is submitted. Gives the numbers of the buffers that will not be seen again.
    pub fn submitted(&self) -> HashSet<u64> {
        let mut memory = self.memory();
        memory.recording = false;
        memory.destroyed.drain(..).for_each(|buffer| buffer.destroy());
        std::mem::take(&mut memory.gone)
    }

    fn own(&self, (id, buffer): (u64, wgpu::Buffer), life: Life) -> Buffer {
        Buffer(Arc::new(Inner { buffer: Some(buffer), id, pool: self.clone(), life }))
    }

    /// Keeps an unused buffer, or destroys it: the garbage collector of a page does so too late.
    fn put(&self, buffer: wgpu::Buffer, id: u64, life: Life) {
        let mut memory = self.memory();
        let size = buffer.size();
        if life == Life::Pooled && memory.unused_bytes + size <= KEPT {
            memory.unused_bytes += size;
            memory.unused.entry(size).or_default().push((id, buffer));
            return;
        }
        memory.bytes -= size;
        if life != Life::Passing {
            memory.gone.insert(id);
        }
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
