//! Device memory: buffers that are used again once their last tensor is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
            self.pool.put(buffer);
        }
    }
}

/// The buffers that are not used, by size.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Unused>>);

#[derive(Default)]
struct Unused {
    buffers: HashMap<u64, Vec<wgpu::Buffer>>,
    bytes: u64,
}

impl Pool {
    /// A buffer of at least `bytes`, with whatever it had before.
    pub fn take(&self, bytes: u64, device: &wgpu::Device) -> Buffer {
        let size = size_class(bytes);
        let found = {
            let mut unused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = unused.buffers.get_mut(&size).and_then(Vec::pop);
            unused.bytes -= found.as_ref().map_or(0, wgpu::Buffer::size);
            found
        };
        let buffer = found.unwrap_or_else(|| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        });
        self.own(buffer)
    }

    /// A new buffer with these words.
    pub fn filled(&self, words: &[u8], device: &wgpu::Device) -> Buffer {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size_class(words.len() as u64),
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        });
        // It fails where the device is lost or has no memory left, which the device reports by itself.
        if let Ok(mut view) = buffer.get_mapped_range_mut(..words.len() as u64) {
            view.copy_from_slice(words);
        }
        buffer.unmap();
        self.own(buffer)
    }

    fn own(&self, buffer: wgpu::Buffer) -> Buffer {
        Buffer(Arc::new(Inner { buffer: Some(buffer), pool: self.clone() }))
    }

    fn put(&self, buffer: wgpu::Buffer) {
        let mut unused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.bytes + buffer.size() <= KEPT {
            unused.bytes += buffer.size();
            unused.buffers.entry(buffer.size()).or_default().push(buffer);
        }
    }
}

/// The size of the buffer for so many bytes: rounded up to an eighth of the next power of two, so that texts of similar
/// lengths share buffers.
pub fn size_class(bytes: u64) -> u64 {
    let step = (bytes.next_power_of_two() / 8).max(256);
    bytes.next_multiple_of(step).max(step)
}
