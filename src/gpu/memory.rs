//! Device memory: buffers that are used again once their last tensor is gone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_wgpu::wgpu::{self, BufferUsages};

/// Bytes of unused buffers that are kept, at most. In tests so few that some are destroyed.
const KEPT: u64 = if cfg!(test) { 1 << 20 } else { 256 << 20 };

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

/// Who writes to a buffer, and what becomes of it once it is unused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    /// Kernels do; it is used again at once.
    Computed,
    /// The CPU does, for a run; it is used again after the next submission.
    Written,
    /// The CPU does once, for many runs; it is destroyed.
    Fixed,
}

impl Buffer {
    pub fn raw(&self) -> Option<&wgpu::Buffer> {
        self.0.buffer.as_ref()
    }

    /// Its number, which no other buffer has.
    pub fn id(&self) -> u64 {
        self.0.id
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

/// A buffer that is not used.
struct Unused {
    id: u64,
    buffer: wgpu::Buffer,
    /// The submissions before it was left.
    since: u64,
}

#[derive(Default)]
struct Memory {
    /// Unused buffers, by who writes to them and size.
    unused: HashMap<(Life, u64), Vec<Unused>>,
    /// The bytes of these.
    unused_bytes: u64,
    /// The bytes of all buffers.
    bytes: u64,
    /// Buffers that were created.
    created: u64,
    /// Whether what is recorded is not yet submitted, so that it may use a buffer that nothing else does.
    recording: bool,
    /// Submissions so far.
    submissions: u64,
    /// Buffers that are unused after the next submission.
    waiting: Vec<(u64, wgpu::Buffer, Life)>,
    /// The numbers of those that were destroyed since the last submission.
    gone: HashSet<u64>,
}

impl Memory {
    fn create(&mut self, size: u64, life: Life, device: &wgpu::Device) -> (u64, wgpu::Buffer) {
        self.bytes += size;
        self.created += 1;
        let written = if life == Life::Computed { BufferUsages::empty() } else { BufferUsages::COPY_DST };
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | written;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        (self.created, device.create_buffer(&descriptor))
    }

    /// Keeps a buffer that is unused, or destroys one of weights.
    fn leave(&mut self, id: u64, buffer: wgpu::Buffer, life: Life) {
        if life == Life::Fixed {
            return self.destroy(id, &buffer);
        }
        self.unused_bytes += buffer.size();
        let since = self.submissions;
        self.unused.entry((life, buffer.size())).or_default().push(Unused { id, buffer, since });
    }

    /// Destroys unused buffers where there are too many, those first that were not used for the longest time. What is recorded may
    /// use any of them, so this must wait until it is submitted.
    fn trim(&mut self) {
        while self.unused_bytes > KEPT {
            let oldest = self.unused.iter().filter_map(|(key, list)| Some((list.first()?.since, *key)));
            let Some((_, key)) = oldest.min_by_key(|(since, _)| *since) else { return };
            let Some(list) = self.unused.get_mut(&key) else { return };
            let Unused { id, buffer, .. } = list.remove(0);
            if list.is_empty() {
                self.unused.remove(&key);
            }
            self.unused_bytes -= buffer.size();
            self.destroy(id, &buffer);
        }
    }

    /// Destroys a buffer: the garbage collector of a page does so too late.
    fn destroy(&mut self, id: u64, buffer: &wgpu::Buffer) {
        self.bytes -= buffer.size();
        self.gone.insert(id);
        buffer.destroy();
    }
}

impl Pool {
    /// A buffer of at least `bytes` for kernels to write to, with whatever it had before.
    pub fn computed(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        self.take(bytes, Life::Computed, device)
    }

    /// The same for the CPU to write to, before anything is recorded that uses it.
    pub fn written(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        self.take(bytes, Life::Written, device)
    }

    fn take(&self, bytes: u64, life: Life, device: &wgpu::Device) -> Buffer {
        let size = size_class(bytes);
        let mut memory = self.memory();
        let (id, buffer) = match memory.unused.get_mut(&(life, size)).and_then(Vec::pop) {
            Some(Unused { id, buffer, .. }) => {
                memory.unused_bytes -= size;
                (id, buffer)
            }
            None => memory.create(size, life, device),
        };
        drop(memory);
        Buffer(Arc::new(Inner { buffer: Some(buffer), id, pool: self.clone(), life }))
    }

    /// A new buffer of just `bytes` for what stays as it is for many runs. The CPU writes to it before anything is recorded that uses
    /// it. Its memory is given back with its last clone.
    pub fn fixed(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let (id, buffer) = self.memory().create(bytes, Life::Fixed, device);
        Buffer(Arc::new(Inner { buffer: Some(buffer), id, pool: self.clone(), life: Life::Fixed }))
    }

    /// The bytes of all buffers, those that are not used included.
    pub fn bytes(&self) -> u64 {
        self.memory().bytes
    }

    /// From now on something is recorded that is not yet submitted.
    pub fn recording(&self) {
        self.memory().recording = true;
    }

    /// All that was recorded is submitted. Gives the numbers of the buffers that were destroyed since the last time.
    pub fn submitted(&self) -> HashSet<u64> {
        let mut memory = self.memory();
        memory.recording = false;
        memory.submissions += 1;
        for (id, buffer, life) in std::mem::take(&mut memory.waiting) {
            memory.leave(id, buffer, life);
        }
        memory.trim();
        std::mem::take(&mut memory.gone)
    }

    fn put(&self, buffer: wgpu::Buffer, id: u64, life: Life) {
        let mut memory = self.memory();
        // What is recorded may use it. A kernel that is recorded later may write to it all the same, and the CPU may not.
        if memory.recording && life != Life::Computed {
            memory.waiting.push((id, buffer, life));
            return;
        }
        memory.leave(id, buffer, life);
        if !memory.recording {
            memory.trim();
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
